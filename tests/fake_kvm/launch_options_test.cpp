// What a caller may say of a launch in a hardware TEE: from public options to what firmware and
// guest get.
#include "attest/evidence/certificate_table.hpp"
#include "fake_kvm/launch_support.hpp"
#include "fake_kvm/tee_id_block.hpp"
#include "fake_kvm/tee_owner.hpp"
#include "vmm/machine/config.hpp"
#include "vmm/machine/tee_options.hpp"

namespace bartizan::launches {
namespace {

using fakes::guest::expect_shared;
using fakes::guest::map_gpa;
using fakes::guest::request_certs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using vmm::machine::check_tee_options;
using vmm::machine::guest_policy_of;
using vmm::machine::make_binding;
using vmm::vcpu::End;

constexpr uint64_t kPlace = 0x300000;

Bytes table_of(size_t certificate_bytes) {
  return attest::evidence::encode_certificate_table(
      {Bytes(certificate_bytes, 1), Bytes(100, 2), Bytes(100, 3)});
}

class SnpCertificates : public ::testing::Test, protected Launches {
 protected:
  vmm::launch::LaunchIdentity with(Bytes table, bool required = false) {
    auto bound = binding();
    bound.certificate_table = std::move(table);
    bound.require_certificates = required;
    return bound;
  }
  // What the guest is answered when it offers `pages` at `at`; kPlace and the next three are
  // shared.
  uint64_t answer(const Bytes& table, uint64_t at, uint64_t pages) {
    kernel->scripts()[0] = {fakes::guest::map_gpa(kPlace, 4 * 4096, false),
                            fakes::guest::request_certs(at, pages), power_off()};
    EXPECT_EQ(run(launch(plan(Tee::snp, 1), with(table))).kind, End::Kind::shutdown);
    return kernel->last_vm().vcpus().at(0).answers.back();
  }
};

TEST_F(SnpCertificates, ReachTheGuest) {
  const Bytes table = table_of(5000);
  Bytes pages = table;
  pages.resize(2 * 4096);
  kernel->scripts()[0] = {fakes::guest::map_gpa(kPlace, 4 * 4096, false),
                          fakes::guest::request_certs(kPlace, 4),
                          fakes::guest::expect_shared(kPlace, pages), power_off()};
  EXPECT_EQ(run(launch(plan(Tee::snp, 1), with(table))).kind, End::Kind::shutdown);
  EXPECT_THAT(machine->remarks(), IsEmpty());
  EXPECT_THAT(kernel->findings(), IsEmpty());
  EXPECT_EQ(kernel->last_vm().vcpus().at(0).answers.back(), 0u);
}

TEST_F(SnpCertificates, TooSmallABufferIsToldTheSize) {
  EXPECT_EQ(answer(table_of(5000), kPlace, 1), static_cast<uint64_t>(ENOSPC));
  EXPECT_EQ(answer(table_of(5000), kPlace, 0), static_cast<uint64_t>(ENOSPC));
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

// Private pages, pages half private, no RAM at all, the end of the address space.
TEST_F(SnpCertificates, AHostileBufferIsRefused) {
  for (uint64_t at :
       {uint64_t{0x800000}, kPlace + 3 * 4096, uint64_t{0xd000'0000}, ~uint64_t{0xfff}}) {
    EXPECT_EQ(answer(table_of(5000), at, 4), static_cast<uint64_t>(EIO)) << at;
  }
  EXPECT_EQ(answer(table_of(5000), kPlace, ~0ull), 0u) << "what is not needed is not touched";
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

TEST_F(SnpCertificates, WithoutThemTheKernelIsNotAsked) {
  launch(plan(Tee::snp));
  EXPECT_THAT(kernel->transcript(), Not(HasSubstr("ENABLE_REQ_CERTS")));
}

TEST_F(SnpCertificates, AKernelWithoutTheCommandIsARemark) {
  kernel->host().snp_certs = false;
  launch(plan(Tee::snp), with(table_of(10)));
  EXPECT_THAT(machine->remarks(),
              ElementsAre(HasSubstr("KVM_SEV_SNP_ENABLE_REQ_CERTS: this host's KVM cannot hand")));
  EXPECT_TRUE(record().finished);
}

TEST_F(SnpCertificates, UnlessTheyAreRequired) {
  kernel->host().snp_certs = false;
  EXPECT_THAT(failure(plan(Tee::snp), with(table_of(10), true)),
              HasSubstr("KVM_SEV_SNP_ENABLE_REQ_CERTS"));
}

class FromOptions : public ::testing::Test, protected Launches {
 protected:
  vmm::launch::LaunchIdentity bound(const TeeOptions& options, const plan::tee::LaunchPlan& plan) {
    auto made = vmm::machine::make_binding(options, plan, binding().workload_digest);
    if (!made.ok()) ADD_FAILURE() << made.error().describe();
    return made.ok() ? *made : vmm::launch::LaunchIdentity();
  }
};

TEST_F(FromOptions, AnIdBlockWithAndWithoutAnAuthor) {
  auto wanted = plan(Tee::snp);
  for (bool author : {false, true}) {
    fakes::IdBlockMaker maker;
    auto digest = expected_digest(wanted);
    std::copy(digest.begin(), digest.end(), maker.digest.begin());
    maker.policy = wanted.guest_policy;
    maker.with_author = author;
    TeeOptions options;
    options.id_block = maker.block();
    options.id_authentication = maker.auth(options.id_block);
    launch(wanted, bound(options, wanted));
    EXPECT_TRUE(record().id_block);
    EXPECT_EQ(record().author_key, author);
    EXPECT_EQ(record().id_key_digest, maker.id_key_digest());
    machine.reset();
  }
}

// The owner of a SEV launch, as a caller writes it.
TEST_F(FromOptions, AnOwnerWhoSealsASecret) {
  auto wanted = plan(Tee::sev_es);
  fakes::Owner owner(static_cast<uint32_t>(wanted.guest_policy));
  const Bytes secret(32, 0x5e);
  TeeOptions options;
  options.owner_certificate = owner.certificate;
  options.session = owner.session;
  options.owner = [&](const SevMeasurement& seen) -> Result<std::optional<SevSecret>> {
    std::array<uint8_t, 48> blob{};
    std::copy(seen.measure.begin(), seen.measure.end(), blob.begin());
    std::copy(seen.nonce.begin(), seen.nonce.end(), blob.begin() + 32);
    EXPECT_EQ(seen.digest, expected_digest(wanted));
    EXPECT_EQ(seen.policy, wanted.guest_policy);
    EXPECT_TRUE(owner.verifies(blob, 1, 55, 21, seen.digest));
    auto sealed = owner.seal(secret, blob);
    return std::optional(SevSecret{sealed.header, sealed.ciphertext, 0x8010});
  };
  kernel->scripts()[0] = {fakes::guest::expect_private(0x8010, secret), power_off()};
  EXPECT_EQ(run(launch(wanted, bound(options, wanted))).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

TEST_F(FromOptions, AnOwnerWhoRefuses) {
  auto wanted = plan(Tee::sev);
  TeeOptions options;
  options.owner = [](const SevMeasurement&) -> Result<std::optional<SevSecret>> {
    return Error{ErrorCode::verification_failed, 0, "owner", "not mine", {}, {}, {}};
  };
  EXPECT_THAT(failure(wanted, bound(options, wanted)), HasSubstr("not mine"));
}

// SEV_FEATURES are measured, and the same number goes to KVM; "SNP active" KVM adds by itself.
TEST_F(FromOptions, GuestFeatures) {
  for (auto [tee, features] : {std::pair(Tee::snp, 0x21u), std::pair(Tee::sev_es, 0x20u)}) {
    auto wanted = plan(tee);
    auto without = expected_digest(wanted);
    wanted.guest_features = features;
    launch(wanted);
    EXPECT_EQ(record().features, features);
    EXPECT_EQ(record().digest, expected_digest(wanted));
    EXPECT_NE(record().digest, without);
    machine.reset();
  }
  launch(plan(Tee::snp));
  EXPECT_EQ(record().features, 1u) << "none but SNP by itself";
  machine.reset();
  kernel->host().vmsa_features = 0;
  auto wanted = plan(Tee::snp);
  wanted.guest_features = 0x21;
  EXPECT_THAT(failure(wanted), HasSubstr("VMSA features not offered"));
}

// The least firmware that will do, and what KVM does not let a guest allow.
TEST_F(FromOptions, Policies) {
  auto wanted = plan(Tee::snp);
  wanted.guest_policy = 0x30000 | 1 << 8 | 55;
  launch(wanted);
  EXPECT_EQ(record().policy, wanted.guest_policy);
  wanted.guest_policy = 0x30000 | 1 << 8 | 56;
  EXPECT_THAT(failure(wanted), HasSubstr("policy failure"));
  wanted.guest_policy = 0x30000 | 1 << 18;
  EXPECT_THAT(failure(wanted), HasSubstr("the policy has bits that KVM does not allow"));
  TeeOptions options;
  EXPECT_EQ(vmm::machine::guest_policy_of(options, Tee::snp), 0x30000u);
  EXPECT_EQ(vmm::machine::guest_policy_of(options, Tee::sev), 0xbu);
  EXPECT_EQ(vmm::machine::guest_policy_of(options, Tee::sev_es), 0xfu);
  EXPECT_EQ(vmm::machine::guest_policy_of(options, Tee::tdx), 0u);
  EXPECT_EQ(vmm::machine::guest_policy_of(options, Tee::none), 0u);
  options.policy = 0x1'0000'0001;
  EXPECT_EQ(vmm::machine::guest_policy_of(options, Tee::snp), options.policy);
}

std::string refusal(const TeeOptions& options, std::optional<Tee> tee = {}) {
  auto checked = tee ? vmm::machine::check_tee_options(options, *tee)
                     : vmm::machine::check_tee_options(options);
  return checked.ok() ? "" : checked.error().describe();
}

TEST(TeeOptionsTest, SizesAndPairs) {
  EXPECT_EQ(refusal({}), "");
  TeeOptions options;
  options.id_block.resize(96);
  EXPECT_THAT(refusal(options), HasSubstr("id_block of 96 and id_authentication of 0 bytes"));
  options.id_authentication.resize(4095);
  EXPECT_THAT(refusal(options), HasSubstr("id_authentication of 4095"));
  options.id_authentication.resize(4096);
  EXPECT_EQ(refusal(options), "");
  options.session.resize(128);
  EXPECT_THAT(refusal(options), HasSubstr("owner_certificate of 0 and session of 128 bytes"));
  options.owner_certificate.resize(16 * 1024 + 1);
  EXPECT_THAT(refusal(options), HasSubstr("not a pair"));
  options.owner_certificate.resize(2084);
  EXPECT_EQ(refusal(options), "");
  options.require_certificates = true;
  EXPECT_THAT(refusal(options), HasSubstr("there are no certificates"));
  options.certificates = table_of(1000);
  EXPECT_EQ(refusal(options), "");
  options.certificates.resize(16 * 1024 + 1);
  EXPECT_THAT(refusal(options), HasSubstr("certificate table"));
  options.certificates = Bytes(24);
  EXPECT_THAT(refusal(options), HasSubstr("neither VCEK, ASK nor ARK"));
  options.certificates = table_of(1000);
  options.quote_service = "relative";
  EXPECT_THAT(refusal(options), HasSubstr("quote service \"relative\""));
}

// An owner's demand that the TEE cannot carry must not be passed over.
TEST(TeeOptionsTest, WhatATeeHasNoUseFor) {
  using Set = std::function<void(TeeOptions&)>;
  struct Case {
    const char* name;
    Set set;
    std::vector<Tee> useful;
  };
  const std::vector<Case> cases = {
      {"policy",
       [](TeeOptions& o) { o.policy = 0x30000; },
       {Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}},
      {"id_block", [](TeeOptions& o) { o.id_block.resize(96); }, {Tee::snp}},
      {"certificates", [](TeeOptions& o) { o.certificates = table_of(1); }, {Tee::snp}},
      {"session", [](TeeOptions& o) { o.session.resize(1); }, {Tee::sev, Tee::sev_es}},
      {"owner",
       [](TeeOptions& o) {
         o.owner = [](const SevMeasurement&) { return std::optional<SevSecret>(); };
       },
       {Tee::sev, Tee::sev_es}}};
  for (const Case& one : cases) {
    for (Tee tee : {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
      TeeOptions options;
      one.set(options);
      bool useful = std::ranges::count(one.useful, tee) != 0;
      EXPECT_THAT(refusal(options, tee), HasSubstr(useful ? "" : std::string(one.name) + ": TEE"))
          << to_string(tee);
      EXPECT_EQ(refusal(options, tee).empty(), useful) << one.name << " " << to_string(tee);
    }
  }
}

TEST(TeeOptionsTest, FeaturesThatLinuxGuestsKnow) {
  TeeOptions options;
  for (auto [tee, features] : {std::pair(Tee::snp, 0x221u), std::pair(Tee::sev_es, 0x20u)}) {
    options.guest_features = features;
    EXPECT_EQ(refusal(options, tee), "");
    options.guest_features = features | 1 << 3;
    EXPECT_THAT(refusal(options, tee), HasSubstr("no Linux guest knows 0x8"));
    options.guest_features = features ^ 1;
    EXPECT_THAT(refusal(options, tee), HasSubstr("bit 0 is set with snp, and only then"));
  }
}

TEST(HugePagesTest, HaveNames) {
  for (HugePages pages : {HugePages::off, HugePages::transparent, HugePages::reserved}) {
    EXPECT_EQ(huge_pages_from_string(to_string(pages)).value(), pages);
  }
  EXPECT_THAT(huge_pages_from_string("huge").error().describe(), HasSubstr("\"huge\""));
  EXPECT_EQ(vmm::machine::backing_of(HugePages::reserved), vmm::memory::Backing::reserved);
}

}  // namespace
}  // namespace bartizan::launches
