// Hand-assembled real-mode guests on the real KVM of this machine. Real mode works on every back
// end, also on those that emulate long mode. Without /dev/kvm each test is skipped with the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan {
namespace {

using vmm::vcpu::End;
using vmm::vcpu::VirtualMachine;

constexpr uint64_t kCode = 0x1000;
constexpr uint16_t kDonePort = 0x0b10;

plan::tee::Segment real_mode(uint16_t attributes) {
  return {0, attributes, 0xffff, 0};
}

// `code` at 0x1000, in real mode, on each vCPU's first instruction (the boot processor alone starts
// by itself).
plan::tee::LaunchPlan real_mode_plan(Bytes code, size_t vcpus = 1) {
  plan::tee::LaunchPlan plan;
  plan.ram = {{{0}, 1024 * 1024}};
  plan.items.push_back({{kCode},
                        plan::tee::PageKind::normal,
                        "code",
                        4096,
                        std::make_shared<const Bytes>(std::move(code))});
  plan.cpus.resize(vcpus);
  plan::tee::CpuState& cpu = plan.cpus[0];
  cpu.rip = kCode;
  cpu.rsp = 0x8000;
  cpu.cr0 = 0x10;
  cpu.cs = real_mode(0x9b);
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = real_mode(0x93);
  cpu.tr = {0, 0x8b, 0xffff, 0};
  cpu.ldtr = {0, 0x82, 0xffff, 0};
  cpu.idtr = {0, 0, 0, 0};  // no interrupt table: any fault becomes a triple fault
  return plan;
}

// Keeps what the guest wrote, and answers reads with a fixed value.
class Recorder final : public vmm::devices::BusDevice {
 public:
  uint64_t read(uint64_t, uint32_t) override { return 0x5a; }
  void write(uint64_t offset, uint32_t size, uint64_t value) override {
    std::lock_guard lock(mutex_);
    writes_.push_back({offset, size, value});
  }
  struct Write {
    uint64_t offset;
    uint32_t size;
    uint64_t value;
    bool operator==(const Write&) const = default;
  };
  std::vector<Write> writes() {
    std::lock_guard lock(mutex_);
    return writes_;
  }

 private:
  std::mutex mutex_;
  std::vector<Write> writes_;
};

// Ends the test when the guest writes to it; a guest that never does ends it after a while.
class Finish final : public vmm::devices::BusDevice {
 public:
  uint64_t read(uint64_t, uint32_t) override { return ~0ull; }
  void write(uint64_t, uint32_t, uint64_t) override { settle({End::Kind::shutdown, "done"}); }
  void settle(const End& end) {
    std::lock_guard lock(mutex_);
    if (!end_) end_ = end;
    changed_.notify_all();
  }
  End wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return end_.has_value(); });
    return end_.value_or(End{End::Kind::crash, "time limit"});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<End> end_;
};

class RealKvm : public ::testing::Test {
 protected:
  void SetUp() override {
    auto system = vmm::kvm::System::open(vmm::kvm::linux_kernel(), "/dev/kvm");
    if (!system.ok()) GTEST_SKIP() << system.error().describe();
  }
  std::unique_ptr<VirtualMachine> create(Bytes code, size_t vcpus = 1) {
    auto machine = VirtualMachine::create(vmm::kvm::linux_kernel(), "/dev/kvm",
                                          real_mode_plan(std::move(code), vcpus));
    EXPECT_TRUE(machine.ok()) << (machine.ok() ? "" : machine.error().describe());
    return machine.ok() ? std::move(*machine) : nullptr;
  }
  // Runs until the guest says "done" (shutdown here), or its first vCPU ends.
  static End run_to_end(VirtualMachine& machine) {
    auto finish = std::make_shared<Finish>();
    EXPECT_TRUE(machine.pio().add(kDonePort, 1, finish).ok());
    EXPECT_TRUE(machine.run([finish](uint32_t, const End& end) { finish->settle(end); }).ok());
    End end = finish->wait();
    machine.stop();
    machine.join();
    return end;
  }
};

TEST_F(RealKvm, PortIoReachesTheBusAndComesBack) {
  // ba 00 0b   mov $0x0b00, %dx
  // ec         in  %dx, %al         ; 0x5a from the device
  // fe c0      inc %al
  // ee         out %al, %dx         ; 0x5b
  // 66 ef      out %eax, %dx        ; 32 bits
  // ba 10 0b   mov $0x0b10, %dx     ; done
  // ee         out %al, %dx
  // eb fe      jmp .
  auto machine = create(
      {0xba, 0x00, 0x0b, 0xec, 0xfe, 0xc0, 0xee, 0x66, 0xef, 0xba, 0x10, 0x0b, 0xee, 0xeb, 0xfe});
  ASSERT_NE(machine, nullptr);
  auto recorder = std::make_shared<Recorder>();
  ASSERT_TRUE(machine->pio().add(0x0b00, 8, recorder).ok());
  EXPECT_EQ(run_to_end(*machine).kind, End::Kind::shutdown);
  auto writes = recorder->writes();
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0], (Recorder::Write{0, 1, 0x5b}));
  EXPECT_EQ(writes[1].size, 4u);
  EXPECT_EQ(writes[1].value & 0xff, 0x5bu);
  EXPECT_THAT(machine->exits().by_cause(),
              ::testing::Contains(std::pair<std::string, uint64_t>("io", 4)));
}

TEST_F(RealKvm, MemoryOutsideRamReachesTheMmioBus) {
  // b8 00 f0               mov $0xf000, %ax
  // 8e d8                  mov %ax, %ds
  // c6 06 10 00 77         movb $0x77, 0x10      ; 0xf0010 is RAM here
  // b8 ff ff               mov $0xffff, %ax
  // 8e d8                  mov %ax, %ds
  // c6 06 20 01 78         movb $0x78, 0x120     ; 0xffff0 + 0x120 = 0x100110: beyond RAM
  // a0 21 01               mov 0x121, %al        ; 0x5a
  // a2 22 01               mov %al, 0x122
  // ba 10 0b ee eb fe      mov $0x0b10, %dx; out %al, %dx; jmp .   ; done
  auto machine = create({0xb8, 0x00, 0xf0, 0x8e, 0xd8, 0xc6, 0x06, 0x10, 0x00, 0x77, 0xb8,
                         0xff, 0xff, 0x8e, 0xd8, 0xc6, 0x06, 0x20, 0x01, 0x78, 0xa0, 0x21,
                         0x01, 0xa2, 0x22, 0x01, 0xba, 0x10, 0x0b, 0xee, 0xeb, 0xfe});
  ASSERT_NE(machine, nullptr);
  auto recorder = std::make_shared<Recorder>();
  ASSERT_TRUE(machine->mmio().add(0x100000, 0x1000, recorder).ok());
  EXPECT_EQ(run_to_end(*machine).kind, End::Kind::shutdown);
  EXPECT_EQ(recorder->writes(), (std::vector<Recorder::Write>{{0x110, 1, 0x78}, {0x112, 1, 0x5a}}));
  uint8_t stored = 0;
  ASSERT_TRUE(machine->memory().read_raw(0xf0010, {&stored, 1}).ok());
  EXPECT_EQ(stored, 0x77);
}

TEST_F(RealKvm, AnUnclaimedPortReadsAsAllOnes) {
  // ba 34 12   mov $0x1234, %dx
  // ec         in  %dx, %al
  // ba 00 0b   mov $0x0b00, %dx
  // ee         out %al, %dx
  // ba 10 0b ee eb fe      mov $0x0b10, %dx; out %al, %dx; jmp .   ; done
  auto machine =
      create({0xba, 0x34, 0x12, 0xec, 0xba, 0x00, 0x0b, 0xee, 0xba, 0x10, 0x0b, 0xee, 0xeb, 0xfe});
  ASSERT_NE(machine, nullptr);
  auto recorder = std::make_shared<Recorder>();
  ASSERT_TRUE(machine->pio().add(0x0b00, 8, recorder).ok());
  run_to_end(*machine);
  EXPECT_EQ(recorder->writes(), (std::vector<Recorder::Write>{{0, 1, 0xff}}));
}

TEST_F(RealKvm, NotificationsArriveWithoutAnExit) {
  // b8 ff ff               mov $0xffff, %ax
  // 8e d8                  mov %ax, %ds
  // 66 c7 06 60 00 01 00 00 00   movl $1, 0x60    ; 0x100050
  // 66 c7 06 60 00 02 00 00 00   movl $2, 0x60    ; another value: the MMIO bus
  // ba 10 0b ee eb fe      mov $0x0b10, %dx; out %al, %dx; jmp .   ; done
  auto machine = create({0xb8, 0xff, 0xff, 0x8e, 0xd8, 0x66, 0xc7, 0x06, 0x60, 0x00,
                         0x01, 0x00, 0x00, 0x00, 0x66, 0xc7, 0x06, 0x60, 0x00, 0x02,
                         0x00, 0x00, 0x00, 0xba, 0x10, 0x0b, 0xee, 0xeb, 0xfe});
  ASSERT_NE(machine, nullptr);
  auto recorder = std::make_shared<Recorder>();
  ASSERT_TRUE(machine->mmio().add(0x100000, 0x1000, recorder).ok());
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  ASSERT_TRUE(machine->connect_notify(event.get(), 0x100050, 1).ok());
  EXPECT_EQ(run_to_end(*machine).kind, End::Kind::shutdown);
  uint64_t count = 0;
  EXPECT_EQ(::read(event.get(), &count, sizeof count), static_cast<ssize_t>(sizeof count));
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(recorder->writes(), (std::vector<Recorder::Write>{{0x50, 4, 2}}));
}

// The kick must get through whether the vCPU is about to enter the guest, inside it, or halted in
// the kernel.
TEST_F(RealKvm, KicksArriveAtAnyMoment) {
  const std::vector<Bytes> guests = {
      {0xeb, 0xfe},              // jmp .            ; spins
      {0xfb, 0xf4, 0xeb, 0xfc},  // sti; hlt; jmp -4 ; sleeps in the kernel
      {0xba, 0x34, 0x12, 0xee, 0xeb,
       0xfd},  // mov $0x1234, %dx; out %al, %dx; jmp -3 ; exits all the time
  };
  for (int round = 0; round < 60; ++round) {
    auto machine = create(guests[round % guests.size()], 2);
    ASSERT_NE(machine, nullptr);
    std::atomic<int> stopped{0};
    ASSERT_TRUE(
        machine->run([&](uint32_t, const End& end) { stopped += end.kind == End::Kind::stopped; })
            .ok());
    std::this_thread::sleep_for(std::chrono::microseconds(37 * (round % 12)));
    machine->stop();
    machine->join();
    ASSERT_EQ(stopped, 2) << "round " << round;
  }
}

TEST_F(RealKvm, StopBeforeStartStops) {
  auto machine = create({0xeb, 0xfe});
  ASSERT_NE(machine, nullptr);
  machine->stop();
  EXPECT_EQ(run_to_end(*machine).kind, End::Kind::stopped);
}

// Protected mode with an empty interrupt table: the fault has no handler, nor have those that
// follow from it.
TEST_F(RealKvm, ATripleFaultEndsTheGuest) {
  auto plan = real_mode_plan({0x0f, 0x0b});  // ud2
  plan.cpus[0].cr0 = 0x11;
  plan.cpus[0].cs = {8, 0xc9b, 0xfffff, 0};
  plan.cpus[0].ds = plan.cpus[0].es = plan.cpus[0].ss = {16, 0xc93, 0xfffff, 0};
  auto machine = VirtualMachine::create(vmm::kvm::linux_kernel(), "/dev/kvm", plan);
  ASSERT_TRUE(machine.ok()) << machine.error().describe();
  EXPECT_EQ(run_to_end(**machine).kind, End::Kind::triple_fault);
}

TEST_F(RealKvm, ManyMachinesLeaveNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    auto machine = create({0xba, 0x10, 0x0b, 0xee, 0xeb, 0xfe});
    ASSERT_NE(machine, nullptr);
    EXPECT_EQ(run_to_end(*machine).kind, End::Kind::shutdown);
  }
}

}  // namespace
}  // namespace bartizan
