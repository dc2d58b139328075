// What is kept of a guest's life: stages, counts of exits, and the reason of its end.
#include "vmm/machine/guest_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace bartizan::vmm::machine {
namespace {

using ::testing::HasSubstr;
using vcpu::End;

ExitReason after(std::function<void(GuestRecord&)> story, End end) {
  vcpu::ExitCounters exits;
  GuestRecord journal(exits);
  story(journal);
  EXPECT_TRUE(journal.end(end));
  EXPECT_FALSE(journal.end({End::Kind::crash, "later"})) << "the first end counts";
  return journal.reason();
}

TEST(Journal, TheGuestsReportIsTheReason) {
  auto exited = after([](GuestRecord& j) { j.exit_report(0, 7); }, {End::Kind::triple_fault, ""});
  EXPECT_EQ(exited.process_status(), 7);
  auto killed = after([](GuestRecord& j) { j.exit_report(1, 9); }, {End::Kind::triple_fault, ""});
  EXPECT_EQ(killed.process_status(), 137);
  EXPECT_THAT(killed.describe(), HasSubstr("SIGKILL"));
  auto failed = after(
      [](GuestRecord& j) {
        j.log_line("bartizan: [ 0.456] FAILED 6/10 broker: no route");
        j.log_line("bartizan: FAILED twice");
        j.exit_report(2, 6);
        j.exit_report(0, 0);
      },
      {End::Kind::triple_fault, ""});
  EXPECT_EQ(failed.kind, ExitKind::guest_failure);
  EXPECT_EQ(failed.stage, "broker");
  EXPECT_EQ(failed.detail, "6/10 broker: no route");
  EXPECT_EQ(failed.process_status(), 125);
}

// As podman and shells have it: 127 no such program, 126 one that cannot be executed.
TEST(Journal, AnEntryPointThatCannotStartHasItsOwnStatus) {
  for (uint32_t status : {126u, 127u}) {
    auto failed = after(
        [&](GuestRecord& j) {
          j.log_line("bartizan: [ 0.5] FAILED 10/10 workload: /nosuch: exec: ENOENT [entry_point]");
          j.exit_report(2, 10 | status << 16);
        },
        {End::Kind::triple_fault, ""});
    EXPECT_EQ(failed.kind, ExitKind::guest_failure);
    EXPECT_EQ(failed.stage, "workload");
    EXPECT_EQ(failed.code, static_cast<int32_t>(status));
    EXPECT_EQ(failed.process_status(), static_cast<int>(status));
    EXPECT_THAT(failed.describe(), HasSubstr("/nosuch: exec: ENOENT"));
  }
  auto other = after([](GuestRecord& j) { j.exit_report(2, 6 | 127 << 16); }, {});
  EXPECT_EQ(other.process_status(), 125) << "no other stage has an entry point";
}

TEST(Journal, WithoutAReportTheEndSpeaks) {
  auto crash = after([](GuestRecord& j) { j.stage(3); }, {End::Kind::triple_fault, "triple fault"});
  EXPECT_EQ(crash.describe(), "guest crashed at stage manifest: triple fault");
  auto panic =
      after([](GuestRecord& j) { j.log_line("[ 1.0] Kernel panic - not syncing: no init"); },
            {End::Kind::triple_fault, "triple fault"});
  EXPECT_EQ(panic.detail, "Kernel panic - not syncing: no init");
  EXPECT_EQ(after([](GuestRecord&) {}, {End::Kind::stopped, ""}).kind, ExitKind::stopped);
  EXPECT_EQ(after([](GuestRecord&) {}, {End::Kind::reset, ""}).kind, ExitKind::reset);
  auto odd = after([](GuestRecord& j) { j.exit_report(77, 1); }, {End::Kind::triple_fault, ""});
  EXPECT_EQ(odd.kind, ExitKind::crash);
}

TEST(Journal, BootStubsRefusalsAreNamed) {
  constexpr uint32_t kReport = 2;
  const std::pair<uint32_t, const char*> words[] = {
      {1, "launch table"}, {2, "kind of TEE"},  {3, "C-bit"},    {4, "validated before"},
      {5, "could not be"}, {6, "kernel"},       {7, "initrd"},   {8, "command line"},
      {9, "boot param"},   {10, "ACPI tables"}, {11, "runtime"}, {12, "AP jump table"},
      {99, "refusal 99"}};
  for (auto [number, word] : words) {
    auto port = after([&](GuestRecord& j) { j.exit_report(kReport, number << 8); },
                      {End::Kind::triple_fault, "triple fault"});
    End sev{End::Kind::crash, "SEV guest ended itself", 0xb00 | number, {}};
    End tdx{End::Kind::crash, "TD reported", {}, 0xb000 | number};
    for (const auto& reason :
         {port, after([](GuestRecord&) {}, sev), after([](GuestRecord&) {}, tdx)}) {
      EXPECT_EQ(reason.kind, ExitKind::guest_failure);
      EXPECT_EQ(reason.stage, "launch");
      EXPECT_THAT(reason.detail, ::testing::StartsWith("boot stub: "));
      EXPECT_THAT(reason.detail, HasSubstr(word));
    }
  }
}

TEST(Journal, OtherLastWordsAreNotTheStubs) {
  End linux_end{End::Kind::crash, "SEV guest ended itself: reason set 1, code 0x2", 0x102, {}};
  EXPECT_EQ(after([](GuestRecord&) {}, linux_end).kind, ExitKind::crash);
  End panic{End::Kind::crash, "TD reported a fatal error 0x0: panic", {}, 0};
  EXPECT_EQ(after([](GuestRecord&) {}, panic).detail, "TD reported a fatal error 0x0: panic");
  End other{End::Kind::crash, "TD reported", {}, 0x100b001};
  EXPECT_EQ(after([](GuestRecord&) {}, other).kind, ExitKind::crash);
}

TEST(Journal, CountsExitsUpToEachStage) {
  vcpu::ExitCounters exits;
  GuestRecord journal(exits);
  journal.launched();
  exits.count(vcpu::ExitCause::io);
  exits.count(vcpu::ExitCause::mmio);
  journal.stage(1);
  exits.count(vcpu::ExitCause::mmio);
  journal.stage(1);
  journal.stage(10);
  journal.stage(4'000'000);
  MachineStats stats;
  journal.fill(stats);
  ASSERT_EQ(stats.stages.size(), 3u);
  EXPECT_EQ(stats.stages[1].name, "pid1");
  EXPECT_EQ(stats.exits_to_pid1, 2u);
  EXPECT_EQ(stats.exits_to_workload, 3u);
  EXPECT_EQ(stats.pid1_exits_by_kind[1], (std::pair<std::string, uint64_t>{"mmio", 1}));
  EXPECT_EQ(stats.workload_exits_by_kind[1], (std::pair<std::string, uint64_t>{"mmio", 2}));
}

}  // namespace
}  // namespace bartizan::vmm::machine
