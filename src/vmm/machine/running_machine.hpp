// RunningMachine: a guest from its launch to its end. Owns the VM, its devices, the event loops and
// all threads.
//
// Threads: vCPUs run on their own; the device loop is where devices work, the control loop where
// orders come in, deadlines pass and the end is settled. Control never waits for devices: what the
// device loop does not finish in time is not waited for. The guest ends when its first vCPU does:
// that vCPU's thread stops the others and notifies the control loop, which determines the reason.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/event_loop.hpp"
#include "base/mutex.hpp"
#include "vmm/harden/confinement.hpp"
#include "vmm/machine/commands.hpp"
#include "vmm/machine/device_set.hpp"
#include "vmm/machine/events.hpp"
#include "vmm/machine/guest_record.hpp"
#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan::vmm::machine {

struct RunningMachineOptions {
  std::string name;
  std::shared_ptr<kvm::KernelApi> kernel;
  std::filesystem::path kvm_device;
  LogSink log, guest_log;
  const Commands* commands = nullptr;  // outlives the session
  int exit_event = -1;                 // eventfd, written once at the end; outlives the session
  Events* events = nullptr;            // outlives the session; null: nobody waits for any
  bool attests = false;                // a broker releases the key
  launch::LaunchIdentity binding;      // what hardware TEEs tie the launch to
  memory::Backing backing = memory::Backing::pages;
  harden::Setups setups;  // of all threads
  std::function<Result<void>()>
      before_run;  // asked when all is made and nothing runs; may be empty
  // Called once with how the guest ended, on the control loop's thread, before anybody is told; may
  // be empty.
  std::function<void(ExitReason&)> explain;
};

class RunningMachine {
 public:
  static Result<std::unique_ptr<RunningMachine>> start(RunningMachineOptions options,
                                                       const plan::tee::LaunchPlan& plan,
                                                       DeviceOptions devices);
  ~RunningMachine();  // stops a running guest and waits for it

  std::optional<ExitReason> wait(
      std::optional<std::chrono::milliseconds> limit);  // any thread; nothing: timed out
  void stop_now();                                      // any thread
  void pause();                                         // any thread, as resume()
  void resume();
  MachineStats stats() const;  // any thread
  const memory::GuestMemory& memory() const { return vm_->memory(); }
  std::vector<PublishedPort> published() const;  // any thread

 private:
  explicit RunningMachine(RunningMachineOptions options);
  Result<void> prepare(const plan::tee::LaunchPlan& plan, DeviceOptions devices);
  Result<void> run();
  void wire_control();
  void on_stage(uint32_t number);
  void report_progress(uint32_t stage);
  void on_vcpu_end(uint32_t id, const vcpu::End& end);
  void on_commands();
  void on_exit_report();
  void run_loop(EventLoop& loop, const char* what);
  void watch_progress(uint64_t interval_ms);
  void finish_devices();
  void finish();
  void log(LogLevel level, const std::string& line) const;

  // Destroyed from the last to the first: devices before the VM, the VM (whose buses hold
  // transports) before the loops.
  RunningMachineOptions options_;
  std::unique_ptr<EventLoop> control_, loop_;
  std::unique_ptr<vcpu::VirtualMachine> vm_;
  std::unique_ptr<GuestRecord> guest_record_;
  std::unique_ptr<DeviceSet> devices_;
  LineLimit guest_lines_;                   // device loop's thread
  uint32_t seen_stage_ = 0;                 // by watch_progress
  bool ending_ = false, finished_ = false;  // control loop's thread
  std::atomic<bool> staging_returned_ = false;
  std::array<std::atomic<bool>, 2> reported_events_{};  // attested, ready
  std::atomic<bool> exit_reported_ = false;
  std::thread control_thread_, loop_thread_;

  mutable Mutex mutex_;
  Condition ended_;
  std::optional<ExitReason> reason_ BARTIZAN_GUARDED_BY(mutex_);
  std::vector<PublishedPort> published_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::machine
