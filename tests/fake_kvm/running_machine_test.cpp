// How a session ends, and what it reports.
#include <future>

#include "fake_kvm/session_support.hpp"
#include "guest_abi/stub_table.hpp"
#include "vmm/kvm/gmem_abi.hpp"

namespace bartizan::vmm::machine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

TEST_F(SessionTest, StagesAndExitReportBecomeStatsAndReason) {
  kvm_->scripts[0] = {out32(0x0b00, 1), out32(0x0b00, 10), out32(0x0b04, 42), triple_fault};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::exit_code);
  EXPECT_EQ(reason->code, 42);
  EXPECT_TRUE(exit_readable());
  auto stats = (*session)->stats();
  EXPECT_EQ(stats.exits_to_pid1, 1u);
  EXPECT_EQ(stats.exits_to_workload, 2u);
  EXPECT_EQ(stats.exits, 4u);
  EXPECT_THAT(log_, HasSubstr("machine \"web\": exited with status 42"));
  EXPECT_THAT(log_, Not(HasSubstr("triple fault"))) << "a normal end does not read as a crash";
}

std::vector<MachineEvent> taken(Events& events) {
  std::vector<MachineEvent> all;
  while (auto event = events.next()) all.push_back(*event);
  return all;
}

// The guest repeats its marks, and gives the last one twice.
TEST_F(SessionTest, EventsComeOnceAndInOrder) {
  for (bool attests : {false, true}) {
    renew();
    events_ = *Events::create({});
    attests_ = attests;
    kvm_->scripts[0] = {out32(0x0b00, 7),  out32(0x0b00, 7),   out32(0x0b00, 11), out32(0x0b00, 11),
                        out32(0x0b00, 12), out32(0x0b00, ~0u), out32(0x0b04, 42), triple_fault};
    auto session = start();
    ASSERT_TRUE(session.ok()) << session.error().describe();
    events_->wait_for(MachineEvent::exited, 20s);
    std::vector<MachineEvent> expected = {MachineEvent::ready, MachineEvent::exited};
    if (attests) expected.insert(expected.begin(), MachineEvent::attested);
    EXPECT_EQ(taken(*events_), expected) << attests;
    EXPECT_EQ((*session)->wait(0s)->code, 42);
  }
}

TEST_F(SessionTest, NobodyNeedsEvents) {
  events_ = nullptr;
  kvm_->scripts[0] = {out32(0x0b00, 7), out32(0x0b00, 11), out32(0x0b04, 42), triple_fault};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->code, 42);
}

// As it is of other callbacks: what an event's throws ends the guest, and the last has none to end.
TEST_F(SessionTest, AnEventSinkThatThrowsEndsThatMachine) {
  events_ = *Events::create([](MachineEvent) { throw std::runtime_error("the caller's sink"); });
  kvm_->scripts[0] = {out32(0x0b00, 11)};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::crash);
  EXPECT_THAT(reason->detail, HasSubstr("the caller's sink"));
  events_->wait_for(MachineEvent::exited, 20s);
  EXPECT_EQ(taken(*events_), (std::vector{MachineEvent::ready, MachineEvent::exited}));
}

TEST_F(SessionTest, AnEndWithoutAReportIsTold) {
  kvm_->scripts[0] = {triple_fault};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  ASSERT_TRUE((*session)->wait(20s).has_value());
  EXPECT_THAT(log_, HasSubstr("vcpu 0: triple fault"));
}

TEST_F(SessionTest, RefusalOfTheBootStubIsTheReason) {
  kvm_->scripts[0] = {out32(0x0b04, 2 << 24 | 7 << 8), triple_fault};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->describe(),
            "guest failed at stage launch: boot stub: initrd is not what was measured");
  EXPECT_EQ(reason->process_status(), 125);
}

// Linux gives it with KVM_EXIT_MEMORY_FAULT, as it gives EFAULT; but no conversion cures it.
TEST_F(SessionTest, BrokenMemoryOfTheHostEndsTheGuest) {
  kvm_->scripts[0] = {[](kvm_run& run) {
    run.exit_reason = kvm::kExitMemoryFault;
    *reinterpret_cast<kvm::ExitMemoryFault*>(reinterpret_cast<uint8_t*>(&run) +
                                             kvm::kExitDataOffset) = {0, 0x123000, 4096};
    return -EHWPOISON;
  }};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::crash);
  EXPECT_THAT(reason->detail, HasSubstr("guest address 0x123000"));
}

TEST_F(SessionTest, WhatIsThrownOnAVcpuThreadEndsThatMachine) {
  kvm_->scripts[0] = {[](kvm_run&) -> int { throw std::bad_alloc(); }};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::crash);
  EXPECT_THAT(reason->detail, HasSubstr("out of memory"));
}

TEST_F(SessionTest, ALogThatThrowsHindersNothing) {
  kvm_->scripts[0] = {out32(0x0b04, 42), triple_fault};
  log_throws_ = true;
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->code, 42);
}

class Flood : public SessionTest, public ::testing::WithParamInterface<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Ports, Flood, ::testing::Values(0x0b00, 0x0b04), [](const auto& info) {
  return info.param == 0x0b00 ? "StageMarks" : "ExitReports";
});

TEST_P(Flood, OfAControlPortCostsNoMemory) {
  uint64_t before = 0, after = 0;
  auto& script = kvm_->scripts[0];
  const auto write = out32(static_cast<uint16_t>(GetParam()), 1);
  script.assign(200'000, write);
  script.front() = [&](kvm_run& run) {
    before = resident_pages();
    return write(run);
  };
  script.back() = [&](kvm_run& run) {
    after = resident_pages();
    return triple_fault(run);
  };
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  ASSERT_TRUE((*session)->wait(60s).has_value());
  EXPECT_LT(after - before, 8u * 256) << "8 MiB; each report was some 110 bytes of a timer";
}

// Filled before the guest runs, gone when its init does.
TEST_F(SessionTest, StagingIsGivenBackAtPid1) {
  auto staged = std::make_shared<const Bytes>(5000, uint8_t{0x77});
  plan_.staged = {{{guest_abi::kStagingFirst}, "kernel", staged}};
  std::vector<uint8_t> seen;
  auto look = [&](kvm_run& run) {
    const auto& slot = kvm_->slots.at(8);
    EXPECT_EQ(slot.guest_phys_addr, guest_abi::kStagingAddress);
    EXPECT_EQ(slot.memory_size, 3 * 4096u);
    EXPECT_EQ(slot.flags, 0u);
    seen.push_back(reinterpret_cast<const uint8_t*>(slot.userspace_addr)[4096 + 4999]);
    return out32(0x0b00, 1)(run);
  };
  kvm_->scripts[0] = {look, look, out32(0x0b04, 0), triple_fault};
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  ASSERT_TRUE((*session)->wait(20s).has_value());
  EXPECT_EQ(seen, (std::vector<uint8_t>{0x77, 0}));
}

TEST_F(SessionTest, StagedBytesOutsideTheWindowAreOurOwnMistake) {
  auto staged = std::make_shared<const Bytes>(5000);
  for (uint64_t bad :
       {guest_abi::kStagingAddress, guest_abi::kStagingEnd - 4096, uint64_t{0x1000}}) {
    plan_.staged = {{{bad}, "kernel", staged}};
    EXPECT_EQ(start().error().code, ErrorCode::internal) << bad;
  }
}

TEST_F(SessionTest, AllSlotsAreWired) {
  auto session = start();
  ASSERT_TRUE(session.ok());
  for (uint32_t gsi = 5; gsi < 12; ++gsi) EXPECT_TRUE(kvm_->irqfds.contains(gsi)) << gsi;
  std::set<uint64_t> pages;
  for (const auto& wish : kvm_->ioeventfds) {
    EXPECT_EQ(wish.addr & 0xfff, 0x50u);
    EXPECT_EQ(wish.len, 4u);
    EXPECT_TRUE(wish.flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
    pages.insert(wish.addr >> 12);
  }
  EXPECT_EQ(pages.size(), 6u) << "all but the absent scratch disk";
}

TEST_F(SessionTest, AGuestThatNeverEndsIsStoppedAfterItsGrace) {
  auto session = start(3);
  ASSERT_TRUE(session.ok());
  EXPECT_FALSE((*session)->wait(50ms).has_value()) << "timed out; the guest goes on";
  EXPECT_FALSE(exit_readable());
  commands_.send({Command::Kind::stop, 30});
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::stopped);
}

// The caller's log blocks the device loop: here at the complaint about a queue of three entries.
TEST_F(SessionTest, ADeviceLoopThatHangsHindersNoStop) {
  kvm_->scripts[0] = drive(kRngSlot, 3);
  std::promise<void> hangs, go_on;
  log_blocks_ = [&] {
    hangs.set_value();
    go_on.get_future().wait();
  };
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  hangs.get_future().wait();
  commands_.send({Command::Kind::stop, 0});
  auto reason = (*session)->wait(60s);
  go_on.set_value();
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::stopped);
}

// What a device's callback throws on the loop: here the caller's log, at the same complaint.
TEST_F(SessionTest, WhatADeviceThrowsOnTheLoopEndsThatMachine) {
  kvm_->scripts[0] = drive(kRngSlot, 3);
  log_throws_ = true;
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::crash);
  EXPECT_THAT(reason->detail, HasSubstr("device loop: exception: the caller's log"));
}

TEST_F(SessionTest, AStopThatCameBeforeTheStartCounts) {
  commands_.send({Command::Kind::stop, 0});
  auto session = start();
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE((*session)->wait(20s).has_value());
}

TEST_F(SessionTest, DestructionStopsARunningGuest) {
  for (int i = 0; i < 20; ++i) {
    renew();
    ASSERT_TRUE(start(2).ok());
  }
}

TEST_F(SessionTest, AGuestThatHangsAfterItsReportIsEnded) {
  kvm_->scripts[0] = {out32(0x0b04, 1u << 24 | 9)};
  auto session = start();
  ASSERT_TRUE(session.ok());
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->process_status(), 137);
}

TEST_F(SessionTest, TheFirstVcpuThatEndsEndsTheGuest) {
  kvm_->scripts[2] = {[](kvm_run& run) {
    run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
    run.internal.suberror = 3;
    return 0;
  }};
  auto session = start(4);
  ASSERT_TRUE(session.ok());
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_THAT(reason->describe(), HasSubstr("suberror 3"));
}

// As in virtual_machine_test, with all devices: each call of the start fails once.
TEST_F(SessionTest, EachCallThatFailsIsAnErrorThatNamesIt) {
  size_t calls = 0;
  for (size_t n = 0; n < 200; ++n, ++calls) {
    renew();
    kvm_->fail_call = n;
    kvm_->fail_errno = ENOMEM;
    auto session = start(2);
    if (session.ok()) break;  // the start is over before call n
    EXPECT_EQ(session.error().os_errno, ENOMEM);
    EXPECT_THAT(session.error().message, HasSubstr(kvm_->failed_call));
  }
  EXPECT_GT(calls, 35u);
  EXPECT_LT(calls, 200u);
}

}  // namespace
}  // namespace bartizan::vmm::machine
