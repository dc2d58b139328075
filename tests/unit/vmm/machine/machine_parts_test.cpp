// The machine's small parts, each alone: journal, guest log, output, commands, services, checks of
// options.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "vmm/machine/commands.hpp"
#include "vmm/machine/config.hpp"
#include "vmm/machine/guest_log.hpp"
#include "vmm/machine/guest_record.hpp"
#include "vmm/machine/services.hpp"
#include "vmm/machine/workload_output.hpp"

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

TEST(GuestLog, LinesAreCleanAndBounded) {
  std::vector<std::string> lines;
  LineSplitter splitter([&](std::string_view line) { lines.emplace_back(line); });
  splitter.add(as_bytes("one\r\ntw"));
  splitter.add(as_bytes("o\x1b[2Jx\n"));
  splitter.add(Bytes(kMaxLogLine + 10, 'a'));
  splitter.finish();
  splitter.finish();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "one");
  EXPECT_EQ(lines[1], "two?[2Jx");
  EXPECT_EQ(lines[2].size(), kMaxLogLine);
  EXPECT_EQ(lines[3].size(), 10u);
}

TEST(Output, AReaderThatStopsReadingCostsOneSecondOnce) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd read_end(ends[0]);
  WorkloadOutput output{UniqueFd(ends[1])};
  auto start = std::chrono::steady_clock::now();
  Bytes piece(4096, 'x');
  for (int i = 0; i < 64; ++i) output.write(piece);  // a pipe holds 64 KiB
  EXPECT_EQ(output.dropped(), 64u * 4096 - 65536);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  Bytes drain(65536);
  ASSERT_EQ(::read(read_end.get(), drain.data(), drain.size()), 65536);
  uint64_t before = output.dropped();
  output.write(piece);
  EXPECT_EQ(output.dropped(), before) << "space again";
}

TEST(Commands, WaitInTheirPipeAndKeepErrno) {
  auto commands = Commands::create();
  ASSERT_TRUE(commands.ok());
  errno = EDOM;
  commands->send({Command::Kind::signal, 15});
  for (int i = 0; i < 20'000; ++i)
    commands->send({Command::Kind::stop, 1});  // more than fits: never blocks
  EXPECT_EQ(errno, EDOM);
  auto first = commands->next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->value, 15u);
  while (commands->next()) {
  }
  EXPECT_FALSE(commands->next().has_value());
}

// The services, as the guest's end of the stream sees them.
class ServicesTest : public ::testing::Test {
 protected:
  void serve(ServiceOptions options) {
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop.ok());
    loop_ = std::move(*loop);
    services_ = std::make_unique<Services>(*loop_, std::move(options));
    ports_ = services_->ports();
  }
  void run_for(uint64_t milliseconds) {
    loop_->call_after(milliseconds, [this] { loop_->stop(); });
    loop_->run();
  }
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Services> services_;
  std::map<uint32_t, virtio::Connect> ports_;
};

TEST_F(ServicesTest, AReportForEachRequest) {
  auto signer = attest::evidence::SimulatedSigner::create();
  ASSERT_TRUE(signer.ok());
  ServiceOptions options;
  options.signer = std::move(*signer);
  options.fields.host_data[0] = 0x42;
  serve(std::move(options));
  EXPECT_FALSE(ports_.contains(guest_abi::kKeyVsockPort)) << "no disk_key, no key service";
  auto stream = ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort);
  ASSERT_TRUE(stream.ok());
  Bytes data(64, 7);
  ASSERT_EQ(::write(stream->get(), data.data(), 10), 10);  // in two pieces
  ASSERT_EQ(::write(stream->get(), data.data() + 10, 54), 54);
  run_for(200);
  Bytes answer(64 * 1024);
  ssize_t got = ::read(stream->get(), answer.data(), answer.size());
  ASSERT_GT(got, 4 + 1184);
  EXPECT_EQ(load_le<uint32_t>(answer.data()), 1184u);
  auto report = attest::evidence::SnpReport::parse(ByteView(answer).subspan(4, 1184));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->report_data[63], 7);
  EXPECT_EQ(report->host_data[0], 0x42);
  EXPECT_EQ(load_le<uint32_t>(answer.data() + 4 + 1184), static_cast<uint32_t>(got) - 1184 - 8);
  EXPECT_EQ(::read(stream->get(), answer.data(), 1), 0) << "closed after the answer";
}

TEST_F(ServicesTest, ReportRequestsAreBounded) {
  auto signer = attest::evidence::SimulatedSigner::create();
  ASSERT_TRUE(signer.ok());
  ServiceOptions options;
  options.signer = std::move(*signer);
  serve(std::move(options));
  std::vector<UniqueFd> open;
  for (int i = 0; i < 1000; ++i) {
    auto stream = ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort);
    if (stream.ok()) open.push_back(std::move(*stream));
  }
  EXPECT_LE(open.size(), 16u);
  open.clear();
  EXPECT_EQ(open.size(), 0u);
}

TEST_F(ServicesTest, TheKeyAndTheSignals) {
  ServiceOptions options;
  options.disk_key = SecretBytes::from_string("open sesame");
  serve(std::move(options));
  EXPECT_FALSE(ports_.contains(guest_abi::kReportVsockPort));
  auto key = ports_.at(guest_abi::kKeyVsockPort)(guest_abi::kKeyVsockPort);
  ASSERT_TRUE(key.ok());
  char buffer[64];
  ASSERT_EQ(::read(key->get(), buffer, sizeof buffer), 11);
  EXPECT_EQ(std::string(buffer, 11), "open sesame");
  EXPECT_EQ(::read(key->get(), buffer, sizeof buffer), 0);
  services_->send_signal(10);
  auto signals = ports_.at(guest_abi::kSignalVsockPort)(guest_abi::kSignalVsockPort);
  ASSERT_TRUE(signals.ok());
  services_->send_signal(15);
  ASSERT_EQ(::read(signals->get(), buffer, sizeof buffer), 2) << "one sent before the guest asked";
  EXPECT_EQ(buffer[0], 10);
  EXPECT_EQ(buffer[1], 15);
}

TEST(Options, EachRefusalNamesTheOptionAndTheValue) {
  auto refusal = [](auto change) {
    MachineOptions options;
    change(options);
    auto checked = check_options(options);
    return checked.ok() ? std::string("ok") : checked.error().describe();
  };
  EXPECT_EQ(refusal([](MachineOptions&) {}), "ok");
  EXPECT_THAT(refusal([](MachineOptions& o) { o.vcpus = 0; }), HasSubstr("vcpus 0"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.vcpus = 5000; }), HasSubstr("vcpus 5000"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.ram_mib = 1; }), HasSubstr("ram_mib 1"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.ram_mib = 0xffffffff; }),
              HasSubstr("ram_mib 4294967295"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.publish = {{"127.0.0.1", 80, 0}};
              }),
              HasSubstr("guest port 0"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.network = false;
                o.publish = {{"127.0.0.1", 80, 80}};
              }),
              HasSubstr("no network"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.vsock = {{1002, "/tmp/x", false}};
              }),
              HasSubstr("1002"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.vsock = {{5, "", true}}; }), HasSubstr("no path"));
}

TEST(Options, DescriptorsAreDuplicatedOrNamed) {
  EXPECT_FALSE(duplicate(-1, "stdin_fd")->valid());
  auto copy = duplicate(0, "stdin_fd");
  ASSERT_TRUE(copy.ok());
  EXPECT_NE(copy->get(), 0);
  EXPECT_EQ(::fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
  auto closed = duplicate(9999, "stdout_fd");
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(closed.error().message, HasSubstr("stdout_fd: descriptor 9999"));
}

}  // namespace
}  // namespace bartizan::vmm::machine
