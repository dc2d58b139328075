// SEV and SEV-ES launches on the fake kernel, with an owner who judges them.
#include "fake_kvm/launch_support.hpp"
#include "fake_kvm/tee_owner.hpp"

namespace bartizan::launches {
namespace {

using fakes::Owner;
using fakes::guest::expect_private;
using fakes::guest::map_gpa;
using fakes::guest::write_shared;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using vmm::vcpu::End;

class SevLaunch : public ::testing::TestWithParam<Tee>, protected Launches {
 protected:
  vmm::launch::LaunchIdentity owned(const Owner& owner) {
    auto bound = binding();
    bound.owner_certificate = owner.certificate;
    bound.session = owner.session;
    return bound;
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, SevLaunch, ::testing::Values(Tee::sev, Tee::sev_es),
                         [](const auto& info) { return info.param == Tee::sev ? "sev" : "es"; });

std::array<uint8_t, 48> blob(const SevMeasurement& measurement) {
  std::array<uint8_t, 48> bytes{};
  std::copy(measurement.measure.begin(), measurement.measure.end(), bytes.begin());
  std::copy(measurement.nonce.begin(), measurement.nonce.end(), bytes.begin() + 32);
  return bytes;
}

TEST_P(SevLaunch, LaunchesWhatIsMeasured) {
  auto wanted = plan(GetParam());
  launch(wanted);
  EXPECT_TRUE(record().finished);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  EXPECT_EQ(record().vmsas.size(), GetParam() == Tee::sev ? 0u : 2u);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  fakes::expect_golden(std::string(to_string(GetParam())), kernel->transcript());
}

TEST_P(SevLaunch, TheGuestSeesThePlan) {
  kernel->scripts()[0] = {fakes::guest::expect_private(0x1000 + 3 * 4096, {0xf4, 0xf4}),
                          fakes::guest::expect_private(0x1000 + 3 * 4096 + 7, {0, 0}),
                          fakes::guest::expect_private(0x8000, Bytes(4096)),
                          fakes::guest::expect_private(0x100000 + 299 * 4096, Bytes(4096, 0x90)),
                          power_off()};
  EXPECT_EQ(run(launch(plan(GetParam()))).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

// The owner, who trusts the platform's key alone, verifies the measurement and seals a secret to
// it.
TEST_P(SevLaunch, PreAttestationAndASecret) {
  auto wanted = plan(GetParam());
  Owner owner(static_cast<uint32_t>(wanted.guest_policy));
  auto bound = owned(owner);
  const Bytes secret(64, 0x5e);
  auto digest = expected_digest(wanted);
  bound.owner = [&](const SevMeasurement& measurement) -> Result<std::optional<SevSecret>> {
    EXPECT_TRUE(owner.verifies(blob(measurement), 1, 55, 21, digest));
    auto sealed = owner.seal(secret, blob(measurement));
    return std::optional(SevSecret{sealed.header, sealed.ciphertext, 0x8010});
  };
  kernel->scripts()[0] = {fakes::guest::expect_private(0x8010, secret), power_off()};
  EXPECT_EQ(run(launch(wanted, bound)).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  EXPECT_THAT(kernel->transcript(), HasSubstr("KVM_SEV_LAUNCH_SECRET hdr_len=52 guest_len=64"));
}

TEST_P(SevLaunch, AnOwnerWhoDoesNotAcceptEndsTheLaunch) {
  Owner owner(static_cast<uint32_t>(plan(GetParam()).guest_policy));
  auto bound = owned(owner);
  bound.owner = [](const SevMeasurement&) -> Result<std::optional<SevSecret>> {
    return Error{ErrorCode::verification_failed, 0, "owner", "not mine", {}, {}, {}};
  };
  EXPECT_THAT(failure(plan(GetParam()), bound), HasSubstr("not mine"));
  EXPECT_THAT(kernel->transcript(), Not(HasSubstr("KVM_SEV_LAUNCH_FINISH")));
  EXPECT_FALSE(kernel->last_vm().alive());
}

TEST_P(SevLaunch, ASecretForAnotherLaunch) {
  Owner owner(static_cast<uint32_t>(plan(GetParam()).guest_policy));
  auto bound = owned(owner);
  bound.owner = [&](const SevMeasurement& measurement) -> Result<std::optional<SevSecret>> {
    auto other = blob(measurement);
    other[0] ^= 1;
    auto sealed = owner.seal(Bytes(16), other);
    return std::optional(SevSecret{sealed.header, sealed.ciphertext, 0x8000});
  };
  EXPECT_THAT(failure(plan(GetParam()), bound),
              HasSubstr("KVM_SEV_LAUNCH_SECRET: firmware error 0xb, bad measurement"));
}

TEST_P(SevLaunch, ASecretThatDoesNotFit) {
  struct Case {
    size_t header, size;
    uint64_t at;
  };
  for (auto [header, size, at] :
       {Case{51, 16, 0x8000}, Case{52, 0, 0x8000}, Case{52, 15, 0x8000}, Case{52, 16, 0x8008},
        Case{52, 32, 0x8ff0}, Case{52, 16, 0xd0000000}}) {
    auto bound = binding();
    bound.owner = [&](const SevMeasurement&) -> Result<std::optional<SevSecret>> {
      return std::optional(SevSecret{Bytes(header), Bytes(size), at});
    };
    EXPECT_THAT(failure(plan(GetParam()), bound), HasSubstr("launch secret: header of"));
  }
}

TEST_P(SevLaunch, ASessionForAnotherPolicy) {
  Owner owner(static_cast<uint32_t>(plan(GetParam()).guest_policy) | 2);
  EXPECT_THAT(failure(plan(GetParam()), owned(owner)), HasSubstr("KVM_SEV_LAUNCH_START: firmware"));
  auto half = binding();
  half.session = owner.session;
  EXPECT_THAT(failure(plan(GetParam()), half), HasSubstr("both or neither"));
}

// The policy says if registers are encrypted; the VM type must say the same.
TEST_P(SevLaunch, APolicyOfTheOtherKind) {
  auto wanted = plan(GetParam());
  wanted.guest_policy ^= 4;
  EXPECT_THAT(failure(wanted), HasSubstr("firmware error 0x7, policy failure"));
}

TEST_P(SevLaunch, DevicesSeeWhatTheGuestShares) {
  kernel->scripts()[0] = {fakes::guest::map_gpa(0x300000, 4096, false),
                          fakes::guest::write_shared(0x300000, {9}), power_off()};
  VirtualMachine& vm = launch(plan(GetParam()));
  EXPECT_EQ(run(vm).kind, End::Kind::shutdown);
  uint8_t byte = 0;
  EXPECT_TRUE(vm.memory().read({0x300000}, {&byte, 1}).ok());
  EXPECT_EQ(byte, 9);
  EXPECT_FALSE(vm.memory().read({0x1000}, {&byte, 1}).ok());
}

TEST_P(SevLaunch, LargeLayout) {
  auto wanted = plan(GetParam(), 2, 65ull * 1024 * kMiB);
  launch(wanted);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

}  // namespace
}  // namespace bartizan::launches
