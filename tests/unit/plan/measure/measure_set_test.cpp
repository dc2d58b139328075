// measure_set(): which combinations are measured, and which options make no sense together.
#include <gtest/gtest.h>

#include <set>

#include "bartizan/tee.hpp"
#include "base/file.hpp"
#include "unit/plan/tee/sample_ovmf.hpp"

namespace bartizan {
namespace {

struct MeasureSet : testing::Test {
  Unfinished folder{std::filesystem::path(testing::TempDir()) /
                    ("measure_set." + std::to_string(getpid()))};
  MeasureOptions options;
  void SetUp() override {
    std::filesystem::create_directories(folder.path());
    options.launch.tee = Tee::snp;
    options.firmware.ovmf = save("ovmf.fd", plan::tee::snp::sample_ovmf());
    options.firmware.kernel = save("kernel", Bytes(5000, 1));
    options.firmware.append = "quiet";
    options.vcpu_types = {"EPYC-Milan"};
  }
  std::filesystem::path save(const char* name, const Bytes& bytes) {
    write_file(folder.path() / name, bytes).value();
    return folder.path() / name;
  }
  std::vector<uint8_t> digest() { return measure_set(options).value().at(0).digest; }
  ErrorCode refusal() { return measure_set(options).error().code; }
};

TEST_F(MeasureSet, EveryCombinationOnce) {
  options.launch.vcpus = 2;
  options.max_vcpus = 4;
  options.vcpu_types = {"EPYC-Milan", "EPYC-Genoa", "EPYC-Genoa-v1"};  // the last two are one
  options.vcpu_signatures = {0xb00f21};
  options.host_kernels = {HostKernel::since_6_10, HostKernel::before_6_10};
  auto set = measure_set(options).value();
  ASSERT_EQ(set.size(), 3u * 3 * 2);
  std::set<std::vector<uint8_t>> digests;
  for (const auto& one : set) digests.insert(one.digest);
  EXPECT_EQ(digests.size(), set.size());
  EXPECT_EQ(set[0].vcpus, 2u);
  EXPECT_EQ(set[0].vcpu_type, "EPYC-Milan");
  EXPECT_EQ(set[0].vcpu_signature, 0xa00f11u);
  EXPECT_EQ(set[1].host_kernel, HostKernel::before_6_10);
  EXPECT_EQ(set[4].vcpu_signature, 0xb00f21u);
  EXPECT_EQ(set.back().vcpus, 4u);
}

TEST_F(MeasureSet, WhatTheDigestDoesNotDependOnIsLeftOut) {
  options.launch.tee = Tee::sev;
  options.max_vcpus = 8;
  options.vcpu_types = {"EPYC-Milan", "EPYC-Genoa"};
  auto set = measure_set(options).value();
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].digest.size(), 32u);
}

TEST_F(MeasureSet, PagesThroughTheSecurityProcessor) {
  options.launch.vcpus = 3;
  auto one = measure_set(options).value().at(0);
  EXPECT_EQ(one.page_count, 3u + 9 + 1 + 1 + 1 + 15 + 3);  // firmware, sections, registers
  EXPECT_EQ(one.launch_milliseconds, one.page_count);
  EXPECT_EQ(one.pages.front().what, "firmware");
  EXPECT_EQ(one.pages.back().kind, "vmsa");
}

TEST_F(MeasureSet, EveryInputCounts) {
  std::set<std::vector<uint8_t>> digests = {digest()};
  auto with = [&](auto change) {
    auto saved = options;
    change();
    EXPECT_TRUE(digests.insert(digest()).second);
    options = saved;
  };
  with([&] { options.firmware.kernel = save("k2", Bytes(5000, 2)); });
  with([&] { options.firmware.initrd = save("i2", Bytes(1, 2)); });
  with([&] { options.firmware.append = "quieter"; });
  with([&] { options.guest_features = 0x21; });
  with([&] { options.firmware.vmm = Vmm::ec2; });
  with([&] { options.firmware.vmm = Vmm::gce; });
  with([&] {
    options.firmware.ovmf = save("o2", plan::tee::snp::sample_ovmf({.reset = 0x80b008}));
    options.launch.vcpus = 2;
  });
  with([&] { options.launch.tee = Tee::sev_es; });
}

TEST_F(MeasureSet, KnownFirmwareDigestStandsForItsContent) {
  auto whole = digest();
  options.firmware.ovmf_digest.assign(48, 1);
  EXPECT_NE(digest(), whole);
  options.launch.tee = Tee::sev_es;
  EXPECT_EQ(refusal(), ErrorCode::invalid_argument);
  options.launch.tee = Tee::snp;
  options.firmware.ovmf_digest.resize(32);
  EXPECT_EQ(refusal(), ErrorCode::invalid_argument);
}

TEST_F(MeasureSet, BadInput) {
  auto expect = [&](ErrorCode code, auto change) {
    auto saved = options;
    change();
    auto set = measure_set(options);
    ASSERT_FALSE(set.ok());
    EXPECT_EQ(set.error().code, code) << set.error().describe();
    options = saved;
  };
  const auto invalid = ErrorCode::invalid_argument;
  expect(invalid, [&] { options.vcpu_types = {"epyc"}; });
  expect(invalid, [&] { options.vcpu_types.clear(); });
  expect(invalid, [&] { options.launch.vcpus = 0; });
  expect(invalid, [&] { options.launch.vcpus = 4, options.max_vcpus = 3; });
  expect(invalid, [&] { options.max_vcpus = 0xffffffff; });
  expect(invalid, [&] { options.vcpu_signatures.assign(4097, 1); });
  expect(invalid, [&] { options.host_kernels.clear(); });
  expect(invalid, [&] { options.firmware.kernel.clear(); });
  expect(invalid, [&] { options.firmware.ovmf.clear(); });
  expect(invalid, [&] { options.guest_features = 0x20; });
  expect(invalid, [&] { options.launch.tee = Tee::sev_es, options.guest_features = 1; });
  expect(invalid, [&] { options.launch.tee = Tee::sev, options.guest_features = 0x20; });
  expect(ErrorCode::unsupported, [&] { options.launch.tee = Tee::tdx; });
  expect(ErrorCode::not_found, [&] { options.firmware.ovmf = "/nonexistent"; });
  expect(ErrorCode::not_found, [&] { options.firmware.kernel = "/nonexistent"; });
  expect(ErrorCode::corrupt, [&] { options.firmware.ovmf = save("bad", Bytes(5)); });
}

TEST(VcpuTypes, AreNamed) {
  auto names = vcpu_type_names();
  EXPECT_EQ(names.front(), "EPYC");
  EXPECT_EQ(names.size(), 16u);
}

}  // namespace
}  // namespace bartizan
