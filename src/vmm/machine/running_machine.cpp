#include "vmm/machine/running_machine.hpp"

#include <signal.h>
#include <sys/epoll.h>

#include <utility>

#include "base/errors.hpp"
#include "base/thread.hpp"
#include "vmm/devices/control.hpp"
#include "vmm/vcpu/kick.hpp"

namespace bartizan::vmm::machine {
namespace {

// A guest that has reported its exit has nothing left to do but to reset; one that hangs there is
// ended by us.
constexpr uint64_t kResetPatienceMs = 5'000;

// How long a guest may stay at one stage before the log reports it, first time; then twice as long,
// and so on.
constexpr uint64_t kProgressIntervalMs = 30'000;

// How long the end of a guest waits for what its devices still have to pass on.
constexpr uint64_t kDevicesPatienceMs = 2'000;

}  // namespace

Result<std::unique_ptr<RunningMachine>> RunningMachine::start(RunningMachineOptions options,
                                                              const plan::tee::LaunchPlan& plan,
                                                              DeviceOptions devices) {
  std::unique_ptr<RunningMachine> session(new RunningMachine(std::move(options)));
  TRY(session->prepare(plan, std::move(devices)));
  if (session->options_.before_run) TRY(session->options_.before_run());
  TRY(session->run());
  return session;
}

RunningMachine::RunningMachine(RunningMachineOptions options)
    : options_(std::move(options)), guest_lines_([this](std::string_view line) {
        if (options_.guest_log) options_.guest_log(LogLevel::info, line);
      }) {}

// A vCPU that was started while another one ended may outlive the loop's finish(): wait for it
// while what it reports to is still there.
RunningMachine::~RunningMachine() {
  if (vm_ == nullptr) return;
  vm_->stop();
  if (control_thread_.joinable()) control_thread_.join();
  if (loop_thread_.joinable()) loop_thread_.join();
  vm_->join();
}

// The caller's sink may throw; what we have to say about the machine does not depend on it.
void RunningMachine::log(LogLevel level, const std::string& line) const {
  if (!options_.log) return;
  (void)call_guarded(
      "log", [&] { options_.log(level, fmt::format("machine \"{}\": {}", options_.name, line)); });
}

Result<void> RunningMachine::prepare(const plan::tee::LaunchPlan& plan, DeviceOptions devices) {
  control_ = TRY(EventLoop::create());
  loop_ = TRY(EventLoop::create());
  vm_ = TRY(vcpu::VirtualMachine::create(options_.kernel, options_.kvm_device, plan,
                                         options_.binding, options_.backing));
  for (const std::string& remark : vm_->remarks()) log(LogLevel::warning, remark);
  guest_record_ = std::make_unique<GuestRecord>(vm_->exits());
  devices.log = options_.log;
  devices.thread_setup = options_.setups.devices;
  devices.guest_line = [this](std::string_view line) {
    guest_record_->log_line(line);
    guest_lines_.add(line);
  };
  devices.published_changed = [this](std::vector<PublishedPort> ports) {
    MutexLock lock(mutex_);
    published_ = std::move(ports);
  };
  devices_ = TRY(DeviceSet::create(*loop_, *vm_, std::move(devices)));
  {
    MutexLock lock(mutex_);
    published_ = devices_->published();
  }
  wire_control();
  return control_->watch(options_.commands->fd(), EPOLLIN, [this](uint32_t) { on_commands(); });
}

void RunningMachine::wire_control() {
  devices::ControlDevice::Listener listener;
  listener.stage = [this](uint32_t number) { on_stage(number); };
  listener.exit = [this](uint32_t kind, uint32_t value) {
    guest_record_->exit_report(kind, value);
    // Once: a guest that repeats it must not fill the loop with timers.
    if (!exit_reported_.exchange(true)) control_->post([this] { on_exit_report(); });
  };
  auto control = std::make_shared<devices::ControlDevice>(std::move(listener));
  // The port range is ours alone, so add() cannot refuse it.
  (void)vm_->pio().add(guest_abi::kControlPort, guest_abi::kControlPortCount, std::move(control));
}

// On a vCPU's thread. Once: a guest that repeats its mark must not fill the loop with work.
void RunningMachine::on_stage(uint32_t number) {
  guest_record_->stage(number);
  devices_->stage_reached(number);
  bool running = number == static_cast<uint32_t>(guest_abi::BootStage::pid1);
  if (running && !staging_returned_.exchange(true)) vm_->give_back_staging();
  report_progress(number);
}

// On a vCPU's thread; each event once, as above.
void RunningMachine::report_progress(uint32_t stage) {
  if (options_.events == nullptr) return;
  const bool has_key = stage == static_cast<uint32_t>(guest_abi::BootStage::verity);
  MachineEvent event = MachineEvent::ready;
  if (has_key && options_.attests) {
    event = MachineEvent::attested;
  } else if (stage != guest_abi::kRunningMark) {
    return;
  }
  if (reported_events_.at(static_cast<size_t>(event)).exchange(true)) return;
  control_->post([this, event] { options_.events->happened(event); });
}

Result<void> RunningMachine::run() {
  const ThreadSetup& setup = options_.setups.devices;
  loop_thread_ = TRY(start_thread(
      "device loop", [this] { run_loop(*loop_, "device loop"); }, vcpu::kick_signal(), setup));
  auto control = start_thread(
      "control loop", [this] { run_loop(*control_, "control loop"); }, 0, setup);
  if (!control.ok()) {
    loop_->stop();
    loop_thread_.join();
    return control.error();
  }
  control_thread_ = std::move(*control);
  control_->post([this] { watch_progress(kProgressIntervalMs); });
  guest_record_->launched();
  auto running = vm_->run([this](uint32_t id, const vcpu::End& end) { on_vcpu_end(id, end); },
                          options_.setups.vcpus);
  if (running.ok()) return {};
  // Either a vCPU that did start was first to end, and the loops finish by themselves; or we are
  // first, and end it here.
  if (guest_record_->end({vcpu::End::Kind::stopped, ""})) {
    vm_->join();
    control_->stop();
    loop_->stop();
  }
  control_thread_.join();
  loop_thread_.join();
  return running;
}

// What a callback throws (the caller's log, lack of memory) ends the guest; the loop goes on, for
// it has the end to see to.
void RunningMachine::run_loop(EventLoop& loop, const char* what) {
  for (;;) {
    auto ran = call_guarded(what, [&] { loop.run(); });
    if (ran.ok()) return;
    if (guest_record_->end({vcpu::End::Kind::crash, ran.error().describe()})) vm_->stop();
    control_->post([this] { finish_devices(); });
  }
}

// On a vCPU's thread.
void RunningMachine::on_vcpu_end(uint32_t id, const vcpu::End& end) {
  if (!guest_record_->end(end)) return;
  // A guest resets itself after its exit report, by a triple fault: that end is no news.
  if (!end.detail.empty() && !guest_record_->reported())
    log(LogLevel::debug, fmt::format("vcpu {}: {}", id, end.detail));
  vm_->stop();
  control_->post([this] { finish_devices(); });
}

// Two hops through the device loop: the first may run in a round whose epoll_wait came before the
// guest's last queue notification; the second comes after a round that must have seen it, so no
// last output is lost.
void RunningMachine::finish_devices() {
  if (std::exchange(ending_, true)) return;
  vm_->join();
  loop_->post([this] {
    loop_->post([this] {
      (void)call_guarded("devices", [this] {
        devices_->finish();
        guest_lines_.finish();
      });
      control_->post([this] { finish(); });
    });
  });
  control_->call_after(kDevicesPatienceMs, [this] { finish(); });
}

void RunningMachine::finish() {
  if (finished_) return;
  finished_ = true;
  control_->unwatch(options_.commands->fd());
  ExitReason reason = guest_record_->reason();
  if (options_.explain) options_.explain(reason);
  log(LogLevel::info, reason.describe());
  // Set reason_ and signal exit_event under one lock, so that observing either implies the other.
  uint64_t one = 1;
  {
    MutexLock lock(mutex_);
    reason_ = std::move(reason);
    [[maybe_unused]] ssize_t put = ::write(options_.exit_event, &one, sizeof one);
  }
  ended_.notify_all();
  loop_->stop();
  control_->stop();
  if (options_.events == nullptr) return;
  auto told = call_guarded("events", [this] { options_.events->happened(MachineEvent::exited); });
  if (!told.ok()) log(LogLevel::warning, told.error().describe());
}

void RunningMachine::on_exit_report() {
  control_->call_after(kResetPatienceMs, [this] { stop_now(); });
}

void RunningMachine::on_commands() {
  while (auto command = options_.commands->next()) {
    const bool is_stop = command->kind == Command::Kind::stop;
    if (is_stop) resume();
    loop_->post([this, number = static_cast<uint8_t>(is_stop ? SIGTERM : command->value)] {
      devices_->send_signal(number);
    });
    if (is_stop) {
      control_->call_after(command->value, [this] { stop_now(); });
    }
  }
}

void RunningMachine::watch_progress(uint64_t interval_ms) {
  uint32_t stage = guest_record_->last_stage();
  bool at_work =
      stage >= static_cast<uint32_t>(guest_abi::BootStage::workload) || guest_record_->reported();
  if (at_work) return;
  control_->call_after(interval_ms, [this, interval_ms] {
    uint32_t now = guest_record_->last_stage();
    if (now == seen_stage_) {
      log(LogLevel::warning,
          fmt::format("no progress for {} s since stage {}: {} exits so far", interval_ms / 1000,
                      guest_abi::stage_name(now), vm_->exits().total()));
    }
    watch_progress(now == seen_stage_ ? interval_ms * 2 : kProgressIntervalMs);
    seen_stage_ = now;
  });
}

std::vector<PublishedPort> RunningMachine::published() const {
  MutexLock lock(mutex_);
  return published_;
}

void RunningMachine::stop_now() {
  vm_->stop();
}

void RunningMachine::pause() {
  vm_->pause();
}

void RunningMachine::resume() {
  vm_->resume();
}

std::optional<ExitReason> RunningMachine::wait(std::optional<std::chrono::milliseconds> limit) {
  MutexLock lock(mutex_);
  if (!limit) {
    while (!reason_) ended_.wait(lock);
    return reason_;
  }
  auto deadline = std::chrono::steady_clock::now() + *limit;
  while (!reason_ && ended_.wait_until(lock, deadline)) {
  }
  return reason_;
}

MachineStats RunningMachine::stats() const {
  MachineStats stats;
  guest_record_->fill(stats);
  stats.private_page_refusals = vm_->memory().private_refusals();
  stats.shared_pages = vm_->memory().shared_pages();
  stats.page_state_changes = vm_->memory().state_changes();
  return stats;
}

}  // namespace bartizan::vmm::machine
