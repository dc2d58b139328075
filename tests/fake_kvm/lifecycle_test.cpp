// create, start, stop, wait and free, from any thread and at any time: nothing stays behind.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <clocale>
#include <filesystem>
#include <latch>
#include <thread>

#include "fake_kvm/session_support.hpp"
#include "fakes/allocated.hpp"

extern char** environ;  // NOLINT: the C library's

namespace bartizan::vmm::machine {
namespace {

using namespace std::chrono_literals;
using fakes::allocated;
using fakes::FakeKvm;

TEST_F(SessionTest, SixteenVcpusRunUntilTheyAreStopped) {
  constexpr uint32_t kMany = 16;
  std::latch all_run(kMany);
  for (uint32_t id = 0; id < kMany; ++id) {
    kvm_->scripts[id] = {[&](kvm_run& run) {
      all_run.arrive_and_wait();
      run.exit_reason = KVM_EXIT_INTR;
      return 0;
    }};
  }
  auto session = start(kMany);
  ASSERT_TRUE(session.ok()) << session.error().describe();
  all_run.wait();
  EXPECT_EQ(kvm_->vcpus.size(), kMany);
  commands_.send({Command::Kind::stop, 0});
  auto reason = (*session)->wait(20s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->kind, ExitKind::stopped);
}

// Every call of the machine's life up to its first step into the guest.
TEST_F(SessionTest, AStopDuringAnyCallOfTheStartEndsTheGuest) {
  size_t calls = 0;
  for (size_t n = 0; n <= calls; ++n) {
    renew();
    std::atomic<size_t> seen = 0;
    kvm_->at_call = [&](size_t call) {
      seen = call + 1;
      if (call == n) commands_.send({Command::Kind::stop, 0});
    };
    auto session = start(2);
    ASSERT_TRUE(session.ok()) << session.error().describe();
    // The first round may have counted a step of a vCPU that its stop had interrupted.
    if (n == calls && n != 0) commands_.send({Command::Kind::stop, 0});
    if (n == 0) calls = seen;
    auto reason = (*session)->wait(20s);
    ASSERT_TRUE(reason.has_value()) << "stop at call " << n;
    EXPECT_EQ(reason->kind, ExitKind::stopped);
  }
  EXPECT_GT(calls, 35u);
}

TEST_F(SessionTest, ManyThreadsWatchWaitAndStopAtOnce) {
  for (int round = 0; round < 10; ++round) {
    renew();
    auto& script = kvm_->scripts[0];
    for (uint32_t stage = 1; stage < 10; ++stage) script.push_back(out32(0x0b00, stage));
    auto session = start(2);
    ASSERT_TRUE(session.ok()) << session.error().describe();
    std::atomic<int> stopped = 0;
    std::latch begin(6);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        while (!(*session)->wait(0ms)) (void)(*session)->stats();
      });
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        (*session)->stop_now();
        commands_.send({Command::Kind::stop, 0});
      });
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        auto reason = (*session)->wait(20s);
        if (reason && reason->kind == ExitKind::stopped) ++stopped;
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(stopped, 2);
    while (commands_.next()) {
    }
  }
}

// A vCPU that counts its exits, without end.
FakeKvm::Exit counting(std::atomic<uint64_t>& exits) {
  return [&exits](kvm_run& run) {
    ++exits;
    ::usleep(100);
    run.exit_reason = KVM_EXIT_INTR;
    return 0;
  };
}

void wait_for_more(const std::atomic<uint64_t>& exits) {
  for (const uint64_t before = exits; exits == before;) ::usleep(100);
}

TEST_F(SessionTest, NoVcpuRunsInAPause) {
  constexpr uint32_t kMany = 4;
  std::atomic<uint64_t> exits = 0;
  for (uint32_t id = 0; id < kMany; ++id) kvm_->scripts[id].assign(200'000, counting(exits));
  auto session = start(kMany);
  ASSERT_TRUE(session.ok()) << session.error().describe();
  for (size_t round = 1; round <= 3; ++round) {
    wait_for_more(exits);
    (*session)->pause();
    (*session)->pause();
    const uint64_t before = exits;
    ::usleep(30'000);
    EXPECT_EQ(exits, before);
    (*session)->resume();
  }
  wait_for_more(exits);
  (*session)->stop_now();
  ASSERT_TRUE((*session)->wait(20s).has_value());
  session->reset();
  // Who wakes late from one pause may find itself in the next.
  for (const auto& [fd, vcpu] : kvm_->vcpus) EXPECT_TRUE(vcpu.pauses >= 1 && vcpu.pauses <= 3);
}

TEST_F(SessionTest, AStopEndsAPause) {
  for (uint32_t grace : {0u, 10'000u}) {
    renew();
    std::atomic<bool> go = false;
    auto& script = kvm_->scripts[0];
    script.assign(10'000, [&go](kvm_run& run) {
      run.exit_reason = go ? KVM_EXIT_SHUTDOWN : KVM_EXIT_INTR;
      return ::usleep(100), 0;
    });
    auto session = start(1);
    ASSERT_TRUE(session.ok()) << session.error().describe();
    (*session)->pause();
    go = grace != 0;  // the workload would end by itself, had it a processor
    EXPECT_FALSE((*session)->wait(50ms).has_value());
    commands_.send({Command::Kind::stop, grace});
    auto reason = (*session)->wait(5s);
    ASSERT_TRUE(reason.has_value()) << grace;
    EXPECT_EQ(reason->kind, grace == 0 ? ExitKind::stopped : ExitKind::crash);
  }
}

// Each thread leaves the guest resumed; a stop that crosses a pause or its end is never lost.
TEST_F(SessionTest, ThreadsThatPauseResumeAndStopAtOnce) {
  for (int round = 0; round < 50; ++round) {
    renew();
    std::atomic<uint64_t> exits = 0;
    for (uint32_t id = 0; id < 2; ++id) kvm_->scripts[id].assign(200'000, counting(exits));
    auto session = start(2);
    ASSERT_TRUE(session.ok()) << session.error().describe();
    std::latch begin(3);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        for (int n = 0; n < 20; ++n) {
          (*session)->pause();
          (*session)->resume();
        }
      });
    }
    threads.emplace_back([&] {
      begin.arrive_and_wait();
      ::usleep(static_cast<useconds_t>(round * 50));
      (*session)->stop_now();
    });
    auto reason = (*session)->wait(20s);
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(reason.has_value()) << "round " << round;
    EXPECT_EQ(reason->kind, ExitKind::stopped);
  }
}

size_t entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

constexpr size_t kCycles = 2000;
constexpr size_t kFewBytes = 64 << 10;

TEST_F(SessionTest, ManyMachinesLeaveNothing) {
  auto one = [this](size_t i) {
    renew();
    const bool by_itself = i % 2 == 0;
    if (by_itself) kvm_->scripts[0] = {out32(0x0b00, 1), out32(0x0b04, 42), triple_fault};
    auto session = start(2);
    ASSERT_TRUE(session.ok()) << session.error().describe();
    if (by_itself) {
      ASSERT_TRUE((*session)->wait(20s).has_value());
    }
    uint64_t ends;
    (void)!::read(exit_event_.get(), &ends, sizeof ends);
    log_.clear();
  };
  size_t i = 0;
  for (; i < kCycles / 4; ++i) one(i);
  const size_t descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  const size_t maps = mappings(), bytes = allocated();
  for (; i < kCycles; ++i) one(i);
  EXPECT_LE(entries("/proc/self/fd"), descriptors);
  EXPECT_LE(entries("/proc/self/task"), threads + 2) << "what was joined may show for a moment";
  // An allocator, and ThreadSanitizer's threads, may cut their memory in other pieces for a while.
  EXPECT_LE(mappings(), maps + kCycles / 8);
  EXPECT_LE(allocated(), bytes + kFewBytes);
}

// What a process has but one of.
struct ProcessState {
  std::vector<std::pair<void (*)(int), int>> signals;
  std::vector<int> blocked, standard_flags;
  std::vector<std::string> environment;
  std::string folder, locale;
  mode_t mask = 0;
  bool operator==(const ProcessState&) const = default;
};

ProcessState process_state() {
  ProcessState state;
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int number = 1; number <= SIGRTMAX; ++number) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    state.signals.emplace_back(action.sa_handler, action.sa_flags);
    state.blocked.push_back(::sigismember(&mask, number));
  }
  for (int fd = 0; fd <= 2; ++fd) state.standard_flags.push_back(::fcntl(fd, F_GETFL));
  for (char** one = environ; *one != nullptr; ++one) state.environment.emplace_back(*one);
  state.folder = std::filesystem::current_path();
  state.locale = ::setlocale(LC_ALL, nullptr);
  state.mask = ::umask(0);
  ::umask(state.mask);
  return state;
}

TEST_F(SessionTest, TheProcessIsAsItWas) {
  ProcessState before = process_state();
  kvm_->scripts[0] = {out32(0x0b04, 42), triple_fault};
  {
    auto session = start(2);
    ASSERT_TRUE(session.ok()) << session.error().describe();
    ASSERT_TRUE((*session)->wait(20s).has_value());
  }
  ProcessState after = process_state();
  // The one that the header admits: what interrupts KVM_RUN.
  const size_t kick = static_cast<size_t>(SIGRTMIN + 4 - 1);
  before.signals[kick] = after.signals[kick];
  EXPECT_TRUE(before == after);
}

}  // namespace
}  // namespace bartizan::vmm::machine
