// SEV and SEV-ES on the fake kernel: order, errnos, firmware states, the owner's session,
// measurement and secret.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "fakes/golden.hpp"
#include "fakes/tee_kernel_sev.hpp"
#include "tee_owner.hpp"
#include "tee_support.hpp"

namespace bartizan::fakes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::kvm::SevCommandId;
using vmm::kvm::SevFirmwareError;
using vmm::kvm::SevGuestState;
using vmm::kvm::VmType;

struct SevTest : ::testing::TestWithParam<VmType> {
  bool es() const { return GetParam() == VmType::sev_es; }
  uint32_t policy() const { return es() ? 5 : 1; }

  void prepare() {
    ASSERT_EQ(calls.create_vm(GetParam()), 0);
    ASSERT_EQ(calls.set_region(calls.region(0, 0, memory)), 0);
    ASSERT_EQ(calls.init2(), 0);
    ASSERT_EQ(calls.create_vcpu(), 0);
  }
  int start(vmm::kvm::SevLaunchStart wish) {
    return calls.sev_command(SevCommandId::launch_start, &wish);
  }
  int start() { return start({.policy = policy()}); }
  int pin() {
    vmm::kvm::EncryptedRegion region{memory.address(), memory.size()};
    return calls.on_vm(vmm::kvm::request::register_encrypted_region, &region);
  }
  int update(uint64_t at, uint32_t size) {
    vmm::kvm::SevLaunchUpdateData wish{memory.address() + at, size};
    return calls.sev_command(SevCommandId::launch_update_data, &wish);
  }
  int update_vmsa() { return calls.sev_command(SevCommandId::launch_update_vmsa); }
  int measure(uint32_t size = 48) {
    wish = {reinterpret_cast<uint64_t>(measurement.data()), size};
    return calls.sev_command(SevCommandId::launch_measure, &wish);
  }
  int finish() { return calls.sev_command(SevCommandId::launch_finish); }
  SevGuestState state() {
    vmm::kvm::SevGuestStatus status;
    EXPECT_EQ(calls.sev_command(SevCommandId::guest_status, &status), 0);
    return static_cast<SevGuestState>(status.state);
  }
  int secret(const Owner::Secret& packet, uint64_t at) {
    vmm::kvm::SevLaunchSecret wish;
    wish.hdr_uaddr = reinterpret_cast<uint64_t>(packet.header.data());
    wish.hdr_len = static_cast<uint32_t>(packet.header.size());
    wish.guest_uaddr = memory.address() + at;
    wish.guest_len = static_cast<uint32_t>(packet.ciphertext.size());
    wish.trans_uaddr = reinterpret_cast<uint64_t>(packet.ciphertext.data());
    wish.trans_len = wish.guest_len;
    return calls.sev_command(SevCommandId::launch_secret, &wish);
  }
  vmm::kvm::SevLaunchStart session_of(Owner& owner) {
    vmm::kvm::SevLaunchStart start;
    start.policy = policy();
    start.dh_uaddr = reinterpret_cast<uint64_t>(owner.certificate.data());
    start.dh_len = static_cast<uint32_t>(owner.certificate.size());
    start.session_uaddr = reinterpret_cast<uint64_t>(owner.session.data());
    start.session_len = static_cast<uint32_t>(owner.session.size());
    return start;
  }

  TeeCalls calls;
  HostMemory memory{16 * 4096};
  std::array<uint8_t, 48> measurement{};
  vmm::kvm::SevLaunchMeasure wish;
};

INSTANTIATE_TEST_SUITE_P(FakeTee, SevTest, ::testing::Values(VmType::sev, VmType::sev_es),
                         [](const auto& info) {
                           return info.param == VmType::sev ? "Sev" : "SevEs";
                         });

struct SevEsOnlyTest : SevTest {};
INSTANTIATE_TEST_SUITE_P(FakeTee, SevEsOnlyTest, ::testing::Values(VmType::sev_es));

TEST_P(SevTest, GoodLaunchIsEncryptedInPlaceAndMeasured) {
  prepare();
  std::strcpy(reinterpret_cast<char*>(memory.data() + 0x1000), "kernel");
  std::vector<uint8_t> plain(memory.data() + 0x1000, memory.data() + 0x1010);
  ASSERT_EQ(start(), 0);
  ASSERT_EQ(pin(), 0);
  EXPECT_EQ(state(), SevGuestState::launching);
  ASSERT_EQ(update(0x1000, 16), 0);
  EXPECT_NE(plain, std::vector<uint8_t>(memory.data() + 0x1000, memory.data() + 0x1010));
  ASSERT_EQ(update_vmsa(), es() ? 0 : -ENOTTY);
  ASSERT_EQ(measure(), 0);
  EXPECT_EQ(state(), SevGuestState::secret);
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(state(), SevGuestState::running);

  RunningHash expected(RunningHash::Kind::sha256);
  expected.add(plain);
  if (es()) expected.add(make_vmsa(reset_registers(), {}, false));
  EXPECT_EQ(calls.machine().record().digest, expected.value());
  expect_golden(es() ? "by_hand_sev_es" : "by_hand_sev", calls.kernel.transcript());
  EXPECT_THAT(calls.kernel.findings(), IsEmpty());

  calls.kernel.scripts()[0] = {guest::expect_private(0x1000, plain)};
  calls.runs[0]->immediate_exit = 0;
  calls.kernel.scripts()[0].push_back(guest::exit([](kvm_run& run) {
    run.exit_reason = KVM_EXIT_HLT;
    return 0;
  }));
  EXPECT_EQ(calls.run(), 0);
  EXPECT_THAT(calls.kernel.findings(), IsEmpty());
}

TEST_P(SevTest, Init2) {
  ASSERT_EQ(calls.create_vm(GetParam()), 0);
  EXPECT_EQ(calls.init2({.flags = 1}), -EINVAL);
  EXPECT_EQ(calls.init2({.vmsa_features = 1 << 7}), -EINVAL);
  EXPECT_EQ(calls.init2({.vmsa_features = 1 << 5}), es() ? 0 : -EINVAL);
  EXPECT_EQ(calls.init2({.ghcb_version = 3}), -EINVAL);
  if (!es()) {
    EXPECT_EQ(calls.init2({.ghcb_version = 1}), -EINVAL);
    EXPECT_EQ(calls.init2(), 0);
  }
  EXPECT_EQ(calls.init2(), -EINVAL);  // twice
}

TEST_P(SevTest, LegacyInitOnANewType) {
  ASSERT_EQ(calls.create_vm(GetParam()), 0);
  EXPECT_EQ(calls.sev_command(SevCommandId::init), -EINVAL);
  EXPECT_EQ(calls.sev_command(SevCommandId::es_init), -EINVAL);
}

TEST_P(SevTest, CommandsBeforeInit) {
  ASSERT_EQ(calls.create_vm(GetParam()), 0);
  EXPECT_EQ(start(), -ENOTTY);
  EXPECT_EQ(update(0, 16), -ENOTTY);
  EXPECT_EQ(measure(), -ENOTTY);
  EXPECT_EQ(finish(), -ENOTTY);
  EXPECT_EQ(pin(), -ENOTTY);
}

TEST_P(SevTest, KvmWithoutSev) {
  calls.kernel.host().vm_types = 1;
  ASSERT_EQ(calls.create_vm(VmType::normal), 0);
  EXPECT_EQ(calls.init2(), -ENOTTY);
}

TEST_P(SevTest, NoDeviceInTheCommand) {
  prepare();
  vmm::kvm::SevLaunchStart wish;
  wish.policy = policy();
  EXPECT_EQ(calls.sev_command(SevCommandId::launch_start, &wish, 0), -EBADF);
  ASSERT_EQ(start(), 0);
  EXPECT_EQ(calls.sev_command(SevCommandId::launch_finish, nullptr, 999), -EBADF);
}

TEST_P(SevTest, StartIsRefusedByTheFirmware) {
  prepare();
  EXPECT_EQ(start({.policy = policy() ^ 4}), -EIO);  // the ES bit must be the VM's type
  EXPECT_EQ(calls.error, SevFirmwareError::policy_failure);
  EXPECT_EQ(start({.policy = policy() | 2 << 16}), -EIO);  // API 2 wanted
  EXPECT_EQ(calls.error, SevFirmwareError::policy_failure);
  EXPECT_EQ(start(), 0);
  EXPECT_EQ(start(), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::asid_owned);
}

TEST_P(SevTest, UpdateArguments) {
  prepare();
  ASSERT_EQ(start(), 0);
  EXPECT_EQ(update(0, 0), -EINVAL);
  EXPECT_EQ(update(8, 16), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_address);
  EXPECT_EQ(update(0, 8), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_length);
  vmm::kvm::SevLaunchUpdateData unmapped{0x1000, 4096};
  EXPECT_EQ(calls.sev_command(SevCommandId::launch_update_data, &unmapped), -ENOMEM);
}

TEST_P(SevTest, WrongOrder) {
  prepare();
  ASSERT_EQ(start(), 0);
  ASSERT_EQ(update(0, 16), 0);
  EXPECT_EQ(finish(), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_guest_state);
  Owner owner(policy());
  auto early = owner.seal(std::vector<uint8_t>(16), measurement);
  EXPECT_EQ(secret(early, 0x2000), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_guest_state);
  ASSERT_EQ(measure(), 0);
  EXPECT_EQ(update(0, 16), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_guest_state);
  EXPECT_EQ(measure(), -EIO);
  EXPECT_EQ(finish(), 0);
  EXPECT_EQ(finish(), -EIO);
}

TEST_P(SevTest, MeasureLengths) {
  prepare();
  ASSERT_EQ(start(), 0);
  EXPECT_EQ(measure(16 * 1024 + 1), -EINVAL);
  EXPECT_EQ(measure(0), -EIO);  // the question how long it is
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_length);
  EXPECT_EQ(wish.len, 48u);
  EXPECT_EQ(measure(47), -EIO);
  EXPECT_EQ(wish.len, 47u);
  EXPECT_EQ(measure(48), 0);
}

TEST_P(SevTest, SessionMeasurementAndSecret) {
  prepare();
  Owner owner(policy());
  ASSERT_EQ(start(session_of(owner)), 0);
  ASSERT_EQ(pin(), 0);
  ASSERT_EQ(update(0x1000, 4096), 0);
  ASSERT_EQ(update_vmsa(), es() ? 0 : -ENOTTY);
  ASSERT_EQ(measure(), 0);
  const TeeHost& host = calls.kernel.host();
  EXPECT_TRUE(owner.verifies(measurement, host.firmware_api_major, host.firmware_api_minor,
                             host.firmware_build, calls.machine().record().digest));
  std::vector<uint8_t> key(32, 0x42);
  auto packet = owner.seal(key, measurement);
  packet.header[20] ^= 1;
  EXPECT_EQ(secret(packet, 0x2000), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_measurement);
  packet.header[20] ^= 1;
  EXPECT_EQ(secret(packet, 0x2008), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_address);
  EXPECT_EQ(secret(packet, 0x2ff0), -EINVAL);  // over the border of a page
  EXPECT_EQ(secret(packet, 0x2000), 0);
  EXPECT_NE(memory[0x2000], 0x42);
  ASSERT_EQ(finish(), 0);
  calls.kernel.scripts()[0] = {guest::expect_private(0x2000, key), guest::exit([](kvm_run& run) {
                                 run.exit_reason = KVM_EXIT_HLT;
                                 return 0;
                               })};
  EXPECT_EQ(calls.run(), 0);
  EXPECT_THAT(calls.kernel.findings(), IsEmpty());
}

TEST_P(SevTest, BadSessions) {
  prepare();
  Owner owner(policy());
  owner.session[64] ^= 1;
  EXPECT_EQ(start(session_of(owner)), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_measurement);
  owner.session[64] ^= 1;
  auto other_policy = session_of(owner);
  other_policy.policy |= 2;  // not what the owner signed
  EXPECT_EQ(start(other_policy), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_measurement);
  owner.session.pop_back();
  EXPECT_EQ(start(session_of(owner)), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_length);
  auto huge = session_of(owner);
  huge.session_len = 16 * 1024 + 1;
  EXPECT_EQ(start(huge), -EINVAL);
  huge = session_of(owner);
  huge.dh_uaddr = 16;
  EXPECT_EQ(start(huge), -EFAULT);
}

TEST_P(SevEsOnlyTest, VmsaOnce) {
  prepare();
  ASSERT_EQ(start(), 0);
  ASSERT_EQ(update_vmsa(), 0);
  EXPECT_EQ(update_vmsa(), -EINVAL);
  kvm_regs regs{};
  EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::get_regs, &regs), -EINVAL);
}

TEST_P(SevEsOnlyTest, VmsaOfADebuggedVcpu) {
  prepare();
  ASSERT_EQ(start(), 0);
  kvm_debugregs debug{};
  debug.dr7 = 0x401;
  ASSERT_EQ(calls.call(calls.vcpus[0].get(), {KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS"}, &debug), 0);
  EXPECT_EQ(update_vmsa(), -EINVAL);
}

TEST_P(SevTest, UnregisterWhatWasNotRegistered) {
  prepare();
  ASSERT_EQ(pin(), 0);
  vmm::kvm::EncryptedRegion region{memory.address(), 4096};
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::unregister_encrypted_region, &region), -EINVAL);
  region.size = memory.size();
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::unregister_encrypted_region, &region), 0);
}

TEST_P(SevTest, UnpinnedRamIsFound) {
  prepare();
  ASSERT_EQ(start(), 0);
  ASSERT_EQ(update(0x1000, 16), 0);
  ASSERT_EQ(update_vmsa(), es() ? 0 : -ENOTTY);
  ASSERT_EQ(measure(), 0);
  ASSERT_EQ(finish(), 0);
  EXPECT_THAT(calls.kernel.findings(), ElementsAre(HasSubstr("not registered")));
}

TEST_P(SevTest, RunTooEarly) {
  ASSERT_EQ(calls.create_vm(GetParam()), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  EXPECT_EQ(calls.run(), -EINVAL);
}

TEST_P(SevTest, EnteredBeforeFinish) {
  prepare();
  EXPECT_EQ(calls.run(), 0);
  EXPECT_EQ(calls.runs[0]->exit_reason, static_cast<uint32_t>(KVM_EXIT_FAIL_ENTRY));
  EXPECT_THAT(calls.kernel.findings(), ElementsAre(HasSubstr("before the launch was finished")));
}

TEST_P(SevTest, DebugNeedsThePolicy) {
  prepare();
  ASSERT_EQ(start(), 0);
  vmm::kvm::SevDebug wish{memory.address(), memory.address() + 4096, 16};
  EXPECT_EQ(calls.sev_command(SevCommandId::debug_decrypt, &wish), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::policy_failure);
}

// Before Linux 6.10 (the legacy path) the FPU was left out of the VMSA: another digest.
TEST(FakeTeeLegacy, EsInitLeavesTheFpuOut) {
  TeeCalls calls;
  HostMemory memory(4096);
  ASSERT_EQ(calls.create_vm(VmType::normal), 0);
  ASSERT_EQ(calls.sev_command(SevCommandId::es_init), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  vmm::kvm::SevLaunchStart start{.policy = 5};
  ASSERT_EQ(calls.sev_command(SevCommandId::launch_start, &start), 0);
  ASSERT_EQ(calls.sev_command(SevCommandId::launch_update_vmsa), 0);
  const Page& vmsa = calls.machine().record().vmsas[0];
  EXPECT_EQ(vmsa[0x408], 0);
  EXPECT_EQ(vmsa[0x410], 0);
}

}  // namespace
}  // namespace bartizan::fakes
