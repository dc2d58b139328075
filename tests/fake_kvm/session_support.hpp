// A whole session - devices, loops, vCPU threads, end - on FakeKvm: the script plays the guest.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cstring>
#include <fstream>

#include "fakes/fake_kvm.hpp"
#include "vmm/machine/running_machine.hpp"

namespace bartizan::vmm::machine {

inline fakes::FakeKvm::Exit out32(uint16_t port, uint32_t value) {
  return [=](kvm_run& run) {
    run.exit_reason = KVM_EXIT_IO;
    run.io = {KVM_EXIT_IO_OUT, 4, port, 1, 4096};
    std::memcpy(reinterpret_cast<uint8_t*>(&run) + 4096, &value, sizeof value);
    return 0;
  };
}

inline int triple_fault(kvm_run& run) {
  run.exit_reason = KVM_EXIT_SHUTDOWN;
  return 0;
}

inline fakes::FakeKvm::Exit mmio32(uint64_t at, uint32_t value) {
  return [=](kvm_run& run) {
    run.exit_reason = KVM_EXIT_MMIO;
    run.mmio.phys_addr = at;
    run.mmio.len = 4;
    run.mmio.is_write = 1;
    store_le(run.mmio.data, value);
    return 0;
  };
}

// A driver that sets up queue 0 of the device in a slot, its rings at 64 KiB and above; DRIVER_OK.
constexpr uint64_t kDescriptors = 0x10000, kAvailable = 0x11000, kUsed = 0x12000,
                   kBuffers = 0x13000;
constexpr uint32_t kDiskSlot = 1, kRngSlot = 4;
inline uint64_t device_at(uint32_t slot) {
  return 0xd0000000 + slot * 0x1000ull;
}
inline std::vector<fakes::FakeKvm::Exit> drive(uint32_t slot, uint32_t queue_size = 4) {
  const std::pair<uint64_t, uint32_t> writes[] = {{0x70, 3},
                                                  {0x24, 1},
                                                  {0x20, 3},
                                                  {0x70, 11},
                                                  {0x30, 0},
                                                  {0x38, queue_size},
                                                  {0x80, kDescriptors},
                                                  {0x90, kAvailable},
                                                  {0xa0, kUsed},
                                                  {0x44, 1},
                                                  {0x70, 15}};
  std::vector<fakes::FakeKvm::Exit> script;
  for (auto [offset, value] : writes) script.push_back(mmio32(device_at(slot) + offset, value));
  return script;
}

inline uint64_t resident_pages() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest()
      : commands_(std::move(*Commands::create())),
        exit_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    renew();
  }
  void renew() {
    kvm_ = std::make_shared<fakes::FakeKvm>();
    kvm_->capabilities = {{KVM_CAP_MAX_VCPUS, 64}};
    plan_.tee = Tee::simulated;
    plan_.ram = {{{0}, 16 << 20}};
  }
  DeviceOptions devices() {
    DeviceOptions options;
    options.disk = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(options.disk.get(), 8192), 0);
    options.disk_size = 8192;
    options.manifest = Bytes(700, 'm');
    return options;
  }
  Result<std::unique_ptr<RunningMachine>> start(size_t vcpus = 1) {
    RunningMachineOptions options{"web", kvm_,       "/dev/kvm",        {},
                                  {},    &commands_, exit_event_.get(), events_.get()};
    options.log = [this](LogLevel, std::string_view line) {
      if (log_throws_) throw std::runtime_error("the caller's log");
      if (log_blocks_ && line.find("queue") != line.npos) std::exchange(log_blocks_, {})();
      std::lock_guard lock(mutex_);
      log_ += std::string(line) + "\n";
    };
    options.guest_log = guest_log_;
    options.attests = attests_;
    options.setups = setups_;
    plan_.cpus.resize(vcpus);
    return RunningMachine::start(std::move(options), plan_, devices());
  }
  bool exit_readable() {
    pollfd wish{exit_event_.get(), POLLIN, 0};
    return ::poll(&wish, 1, 0) == 1;
  }

  std::shared_ptr<fakes::FakeKvm> kvm_;
  plan::tee::LaunchPlan plan_;
  Commands commands_;
  UniqueFd exit_event_;
  std::unique_ptr<Events> events_ = *Events::create({});
  std::mutex mutex_;
  std::string log_;
  bool log_throws_ = false, attests_ = false;
  std::function<void()> log_blocks_;
  LogSink guest_log_;
  harden::Setups setups_;
};

}  // namespace bartizan::vmm::machine
