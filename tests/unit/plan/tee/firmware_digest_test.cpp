// Digests of firmware launches that others published: virtee/sev's tests/measurement.rs, on the
// last pages of two real OVMF images. Kernel and initrd are empty (/dev/null).
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "plan/tee/sev/digest.hpp"
#include "plan/tee/snp/cpu_model.hpp"
#include "plan/tee/snp/digest.hpp"
#include "plan/tee/snp/firmware_plan.hpp"
#include "unit/plan/tee/sample_ovmf.hpp"

namespace bartizan::plan::tee::snp {
namespace {

constexpr const char* kFirmwareAlone =
    "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa"
    "16aff8c374c2a55c467a50da6d466b74";

struct Published {
  const char* image;
  const char* append;  // null: no kernel
  FirmwarePlanOptions options;
  uint64_t features;
  const char* digest;
};

constexpr const char* kAmdSev = "ovmf_AmdSev_suffix.bin";
constexpr const char* kOvmfX64 = "ovmf_OvmfX64_suffix.bin";
constexpr const char* kConsole = "console=ttyS0 loglevel=7";
constexpr uint32_t kEpycV4 = 0x800f12;
constexpr FirmwarePlanOptions kSnp{Tee::snp, Vmm::qemu, 1, kEpycV4, {}};
constexpr FirmwarePlanOptions kSnp4{Tee::snp, Vmm::qemu, 4, kEpycV4, {}};
constexpr FirmwarePlanOptions kEs{Tee::sev_es, Vmm::qemu, 1, kEpycV4, {}};
constexpr FirmwarePlanOptions kEs4{Tee::sev_es, Vmm::qemu, 4, kEpycV4, {}};
constexpr FirmwarePlanOptions kSev{Tee::sev, Vmm::qemu, 1, 0, {}};

// clang-format off
const Published kPublished[] = {
    {kAmdSev, "", kSnp, 0x1, "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5"},
    {kAmdSev, "", kSnp, 0x21, "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198"},
    {kAmdSev, kConsole, kSnp, 0x1, "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b08fa"},
    {kAmdSev, kConsole, kSnp, 0x21, "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977"},
    {kAmdSev, nullptr, kSnp, 0x1, "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d"},
    {kAmdSev, nullptr, kSnp, 0x21, "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b"},
    {kAmdSev, "", kSnp4, 0x1, "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5"},
    {kAmdSev, "", kSnp4, 0x21, "4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631942"},
    {kOvmfX64, nullptr, kSnp, 0x1, "da0296de8193586a5512078dcd719eccecbd87e2b825ad4148c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005"},
    {kOvmfX64, nullptr, kSnp, 0x21, "28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385"},
    {kAmdSev, "", kEs, 0, "13810ae661ea11e2bb205621f582fee268f0367c8f97bc297b7fadef3e12002c"},
    {kAmdSev, "", kEs4, 0, "0dccbcaba8e90b261bd0d2e1863a2f9da714768b7b2a19363cd6ae35aa90de91"},
    {kAmdSev, kConsole, kSev, 0, "82a3ee5d537c3620628270c292ae30cb40c3c878666a7890ee7ef2a08fb535ff"},
    {kAmdSev, "", kSev, 0, "77f613d7bbcdf12a73782ea9e88b0172aeda50d1a54201cb903594ff52846898"},
    {kOvmfX64, nullptr, kSev, 0, "b4c021e085fb83ceffe6571a3d357b4a98773c83c474e47f76c876708fe316da"},
};
// clang-format on

std::filesystem::path vector_path(const char* name) {
  return std::filesystem::path(BARTIZAN_SOURCE_DIR) / "../shared/vectors/measure" / name;
}

std::string digest_of(const LaunchPlan& plan, const VmsaOptions& vmsa) {
  if (plan.tee == Tee::snp) return to_hex(launch_digest(plan, vmsa));
  return to_hex(sev::launch_digest(plan, vmsa));
}

struct FirmwareVectors : testing::Test {
  void SetUp() override {
    if (!std::filesystem::exists(vector_path(kAmdSev)))
      GTEST_SKIP() << "vectors are absent: " << vector_path(kAmdSev);
  }
  Ovmf ovmf(const char* name) {
    return parse_ovmf(read_file(vector_path(name), 4096).value()).value();
  }
};

TEST_F(FirmwareVectors, PublishedDigests) {
  for (const auto& one : kPublished) {
    auto options = one.options;
    if (one.append) options.hashes = KernelHashes::of({}, {}, one.append);
    auto plan = firmware_plan(ovmf(one.image), options).value();
    auto vmsa = vmsa_options(options.vmm, one.features, HostKernel::since_6_10);
    EXPECT_EQ(digest_of(plan, vmsa), one.digest) << to_string(plan.tee) << " " << one.features;
  }
}

// As sev-snp-measure 0.0.13 measures them; that of EC2 with features 1 is in its tests, too (since
// 2026-04-28: RDX 0x600, CS 0x9b of the other processors; virtee/sev has the older value).
TEST_F(FirmwareVectors, Clouds) {
  const std::tuple<Vmm, uint64_t, const char*> known[] = {
      {Vmm::ec2, 0x1,
       "0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab985443bbcc65c086b9c15e8a0bd8811050dec7e24964"
       "e5056"},
      {Vmm::ec2, 0x21,
       "0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b71052498ab52b2f1aa415db338033946ef93aa8278c0"
       "d67fb"},
      {Vmm::gce, 0x1,
       "5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0c08e7827b04b688ea8b4e403c8404efed4397ea5d5d"
       "0722e"},
      {Vmm::gce, 0x21,
       "d79fefb32536d5b7cbb08b5c36a277ab593a9bff4b0843bd1ab288ce01b7bdb42b67c02bd11d8b04014bbf3b967"
       "5b944"}};
  for (const auto& [vmm, features, digest] : known) {
    FirmwarePlanOptions options{Tee::snp, vmm, 1, kEpycV4, KernelHashes::of({}, {}, "")};
    auto plan = firmware_plan(ovmf(kAmdSev), options).value();
    EXPECT_EQ(digest_of(plan, vmsa_options(vmm, features, HostKernel::since_6_10)), digest);
  }
}

TEST_F(FirmwareVectors, GoingOnFromTheFirmwaresOwnDigest) {
  auto options = kSnp;
  options.hashes = KernelHashes::of({}, {}, kConsole);
  auto plan = firmware_plan(ovmf(kAmdSev), options).value();
  crypto::Sha384Digest firmware;
  std::ranges::copy(from_hex(kFirmwareAlone).value(), firmware.begin());
  EXPECT_EQ(
      to_hex(resume_launch_digest(firmware, 1, plan, {})),
      "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e70636"
      "3b4b08fa");
}

TEST_F(FirmwareVectors, KernelWithoutPlaceForItsHashes) {
  for (auto options : {kSnp, kEs, kSev}) {
    options.hashes = KernelHashes::of({}, {}, "");
    auto plan = firmware_plan(ovmf(kOvmfX64), options);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
    EXPECT_NE(plan.error().message.find("kernel given"), std::string::npos);
  }
}

TEST(FirmwarePlan, WithoutResetAddressOnlySev) {
  SampleOvmf sample;
  sample.reset.reset();
  auto ovmf = parse_ovmf(sample_ovmf(sample)).value();
  EXPECT_TRUE(firmware_plan(ovmf, kSev).ok());
  for (const auto& options : {kSnp, kEs})
    EXPECT_EQ(firmware_plan(ovmf, options).error().code, ErrorCode::unsupported);
}

TEST(FirmwarePlan, HashTableMustFitItsPage) {
  SampleOvmf sample;
  sample.hash_table = 0x810f51;  // 175 bytes before the page's end
  auto options = kSnp;
  options.hashes = KernelHashes::of({}, {}, "");
  EXPECT_EQ(firmware_plan(parse_ovmf(sample_ovmf(sample)).value(), options).error().code,
            ErrorCode::unsupported);
  sample.hash_table = 0x810f50;
  EXPECT_TRUE(firmware_plan(parse_ovmf(sample_ovmf(sample)).value(), options).ok());
}

TEST(FirmwarePlan, HostKernelMattersWhereRegistersAreMeasured) {
  auto ovmf = parse_ovmf(sample_ovmf()).value();
  for (auto options : {kSnp, kEs, kSev}) {
    auto plan = firmware_plan(ovmf, options).value();
    auto digest = [&](HostKernel kernel, uint64_t features) {
      return digest_of(plan, vmsa_options(options.vmm, features, kernel));
    };
    bool same = digest(HostKernel::since_6_10, 1) == digest(HostKernel::before_6_10, 1);
    EXPECT_EQ(same, options.tee == Tee::sev);
    EXPECT_EQ(digest(HostKernel::since_6_10, 1) == digest(HostKernel::since_6_10, 0x21),
              options.tee == Tee::sev);
  }
}

TEST(CpuModel, Signatures) {
  EXPECT_EQ(cpu_signature("EPYC-v4").value(), kEpycV4);
  EXPECT_EQ(cpu_signature("EPYC-Rome").value(), 0x830f10u);
  EXPECT_EQ(cpu_signature("EPYC-Milan-v2").value(), 0xa00f11u);
  EXPECT_EQ(cpu_signature("EPYC-Genoa").value(), 0xa10f10u);
  EXPECT_EQ(cpu_signature("EPYC-Turin").value(), 0xb00f00u);
  EXPECT_EQ(cpu_signature(6, 0x3a, 9), 0x306a9u);
  auto error = cpu_signature("epyc").error();
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_NE(error.message.find("EPYC-Milan-v1"), std::string::npos);
}

TEST(CpuModel, CBit) {
  EXPECT_EQ(c_bit_position(cpu_signature("EPYC-v4").value()), 47);
  EXPECT_EQ(c_bit_position(cpu_signature("EPYC-Rome").value()), 47);
  EXPECT_EQ(c_bit_position(cpu_signature("EPYC-Milan").value()), 51);
  EXPECT_EQ(c_bit_position(cpu_signature("EPYC-Turin").value()), 51);
}

}  // namespace
}  // namespace bartizan::plan::tee::snp
