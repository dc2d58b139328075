#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "bartizan/machine.hpp"
#include "base/blocked_signal.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/mutex.hpp"
#include "base/thread.hpp"
#include "base/units.hpp"
#include "guest_abi/manifest.hpp"
#include "image/parts/krun.hpp"
#include "image/parts/locate.hpp"
#include "plan/measure/launch_planner.hpp"
#include "vmm/host/probe.hpp"
#include "vmm/host/probe_tee.hpp"
#include "vmm/machine/config.hpp"
#include "vmm/machine/events.hpp"
#include "vmm/machine/launch_inputs.hpp"
#include "vmm/machine/pre_attestation.hpp"
#include "vmm/machine/running_machine.hpp"
#include "vmm/machine/tee_options.hpp"

namespace bartizan {
using namespace vmm::machine;  // NOLINT: the public functions of this component

using vmm::machine::RunningMachine;

namespace {

// Of a machine whose size neither its options nor an image state.
constexpr uint32_t kDefaultVcpus = 1, kDefaultRamMib = 512;

uint32_t first_of(uint32_t given, uint32_t image, uint32_t fallback) {
  if (given != 0) return given;
  return image != 0 ? image : fallback;
}

Error state_error(std::string_view what) {
  return make_error(ErrorCode::invalid_state, "machine", "{}", what);
}

}  // namespace

// What a Context is made of. Every call that may take long holds a share of it: the Context may be
// destroyed meanwhile, which ends the guest and with it the call.
struct Context::Impl {
  Impl(MachineOptions options_given, vmm::machine::Commands commands_made)
      : options(std::move(options_given)), commands(std::move(commands_made)) {}

  const pid_t process = ::getpid();
  MachineOptions options;
  vmm::machine::Commands commands;
  std::atomic<bool> stop_wanted = false;
  UniqueFd stdin_fd, stdout_fd, exit_event;
  std::unique_ptr<Events> events;
  Tee tee = Tee::none;
  std::optional<LuksDisk> disk;
  UniqueFd disk_file;
  guest_abi::Manifest manifest;                       // of `disk`
  std::optional<guest_abi::Manifest::Broker> broker;  // that gives the key; decided by start()
  uint32_t image_vcpus = 0, image_ram_mib = 0;        // of an attached image
  std::string image_statement;                        // likewise; its owner's, for the broker
  std::shared_ptr<Impl> kept;  // itself, in a child or without a thread to end it: never destroyed
  mutable Mutex mutex;
  std::shared_ptr<RunningMachine> running BARTIZAN_GUARDED_BY(mutex);

  Result<void> start();
  Result<ExitReason> wait(std::optional<std::chrono::milliseconds> limit) const;
  Result<void> wait_for(MachineEvent event, std::optional<std::chrono::milliseconds> limit) const;
  void close();
  void hand_over(const std::shared_ptr<Impl>& self);
  bool forked() const { return process != ::getpid(); }
  std::shared_ptr<RunningMachine> machine() const;  // null: not started, or not of this process
  Result<void> require_own_process(const char* call) const;
  Result<void> require_idle(const char* call) const;
  Result<std::shared_ptr<RunningMachine>> require_started(const char* call) const;
  Result<std::shared_ptr<RunningMachine>> require_running(const char* call) const;
  uint32_t vcpus() const { return first_of(options.vcpus, image_vcpus, kDefaultVcpus); }
  uint32_t ram_mib() const { return first_of(options.ram_mib, image_ram_mib, kDefaultRamMib); }
  Result<vmm::machine::DeviceOptions> device_options(const plan::tee::LaunchPlan& plan);
  Result<vmm::machine::ServiceOptions> service_options(const plan::tee::LaunchPlan& plan) const;
  Result<LoadedBundle> bundle() const;
  Result<vmm::machine::RunningMachineOptions> running_options(const LaunchOptions& launch,
                                                              const BundleInfo& bundle,
                                                              plan::tee::LaunchPlan& plan);
  Result<vmm::harden::Setups> confinement() const;
  LaunchOptions launch_options() const;
  // The guest does, for its key. Of SEV's guests the host has asked before.
  bool asks_broker() const {
    return broker && !disk->disk_key && tee != Tee::sev && tee != Tee::sev_es;
  }
  void warn(const std::string& line) const;
  void warn_of_differences(const vmm::machine::LaunchInputs& inputs) const;
  // An error, or a Result's, with the machine's name in front.
  template <typename T>
  T named(T result) const {
    return vmm::machine::in_machine(std::move(result), options.name);
  }
};
static_assert(std::atomic<bool>::is_always_lock_free, "request_stop is for signal handlers too");

std::shared_ptr<RunningMachine> Context::Impl::machine() const {
  if (forked()) return nullptr;  // the lock may have been held by a thread that is not here
  MutexLock lock(mutex);
  return running;
}

Result<void> Context::Impl::require_own_process(const char* call) const {
  if (!forked()) return {};
  return state_error(
      fmt::format("{}: this process was forked from process {}, whose machine this is: create one "
                  "of its own here",
                  call, process));
}

Result<void> Context::Impl::require_idle(const char* call) const {
  TRY(require_own_process(call));
  if (machine() == nullptr) return {};
  return state_error(fmt::format("{}: the guest was started already", call));
}

Result<std::shared_ptr<RunningMachine>> Context::Impl::require_started(const char* call) const {
  TRY(require_own_process(call));
  if (auto started = machine()) return started;
  return state_error(fmt::format("{}: the guest was not started: call start first", call));
}

// A callback that waits would hold up what it waits for.
Result<void> require_foreign_thread(const char* call) {
  if (!on_library_thread()) return {};
  return state_error(fmt::format("{}: called from a callback, for which the guest waits", call));
}

Result<ExitReason> Context::Impl::wait(std::optional<std::chrono::milliseconds> limit) const {
  TRY(require_foreign_thread("wait"));
  const auto started = TRY(require_started("wait"));
  if (auto reason = started->wait(limit)) return *std::move(reason);
  return make_error(ErrorCode::timed_out, "machine", "guest still runs after {} ms",
                    limit->count());
}

Result<std::shared_ptr<RunningMachine>> Context::Impl::require_running(const char* call) const {
  auto started = TRY(require_started(call));
  if (!events->has(MachineEvent::exited)) return started;
  return state_error(fmt::format("{}: the guest has ended", call));
}

Result<void> Context::Impl::wait_for(MachineEvent event,
                                     std::optional<std::chrono::milliseconds> limit) const {
  TRY(require_foreign_thread("wait_for"));
  const auto started = TRY(require_started("wait_for"));
  events->wait_for(event, limit);
  if (events->has(event)) return {};
  if (auto reason = started->wait(std::chrono::milliseconds(0))) {
    return state_error(fmt::format("wait_for: the guest ended before it was {}: {}",
                                   to_string(event), reason->describe()));
  }
  return make_error(ErrorCode::timed_out, "machine", "guest is not {} after {} ms",
                    to_string(event), limit->count());
}

// Of a start that is under way, the guest ends as soon as it runs.
void Context::Impl::close() {
  stop_wanted = true;
  commands.send({vmm::machine::Command::Kind::stop, 0});
  if (auto started = machine()) {
    started->stop_now();
    started->wait({});
  }
}

// On a thread of the machine: a garbage collector runs where it likes, and a callback may hold the
// last reference. The end waits for this thread, so that another one has to wait for the end.
void Context::Impl::hand_over(const std::shared_ptr<Impl>& self) {
  if (start_unjoined("close", [self] { self->close(); }).ok()) return;
  kept = self;
  if (auto started = machine()) started->stop_now();
}

void Context::Impl::warn(const std::string& line) const {
  if (options.log) {
    options.log(LogLevel::warning, fmt::format("machine \"{}\": {}", options.name, line));
  }
}

// A broker knows the launch that was registered; the image's numbers are what most register.
void Context::Impl::warn_of_differences(const vmm::machine::LaunchInputs& inputs) const {
  if (tee == Tee::none || disk->disk_key) return;
  for (const std::string& difference : vmm::machine::differences(inputs)) {
    warn(difference + ": a broker accepts this launch only if it was registered with that number");
  }
}

// Page tables are measured, and hold the C-bit where this host's processor has it. Whoever
// registered the digests of other processors alone will refuse this one: better reported here.
LaunchOptions Context::Impl::launch_options() const {
  LaunchOptions launch{tee,
                       options.bundle,
                       vcpus(),
                       ram_mib(),
                       options.extra_command_line,
                       0,
                       options.tee_options.guest_features};
  if (tee != Tee::sev && tee != Tee::sev_es && tee != Tee::snp) return launch;
  auto c_bit = vmm::host::host_c_bit({vmm::kvm::linux_kernel(), options.kvm_device});
  launch.c_bit = c_bit.value_or(plan::tee::kDefaultCBit);
  if (launch.c_bit != plan::tee::kDefaultCBit) {
    warn(
        fmt::format("this processor's C-bit is {}: its launch digest is among those of `bartizan "
                    "measure` only with --c-bit {}",
                    launch.c_bit, launch.c_bit));
  }
  return launch;
}

Result<vmm::machine::ServiceOptions> Context::Impl::service_options(
    const plan::tee::LaunchPlan& plan) const {
  vmm::machine::ServiceOptions services;
  if (disk->disk_key) services.disk_key = disk->disk_key->clone();
  if (asks_broker()) {
    services.broker_url = options.broker_url;
    services.statement = image_statement;
  }
  services.certificates = options.tee_options.certificates;  // SNP's alone has some
  if (tee != Tee::simulated) return services;
  auto measured = TRY(plan::measure::measure_plan(plan));
  auto& measurement = services.fields.measurement;
  std::copy_n(measured.digest.begin(), std::min(measured.digest.size(), measurement.size()),
              measurement.begin());
  services.fields.host_data = guest_abi::workload_digest(disk->manifest);
  services.fields.policy = plan.guest_policy;
  services.signer = TRY(attest::evidence::SimulatedSigner::create());
  return services;
}

Result<vmm::machine::DeviceOptions> Context::Impl::device_options(
    const plan::tee::LaunchPlan& plan) {
  vmm::machine::DeviceOptions devices;
  devices.stdin_fd = TRY(vmm::machine::duplicate(stdin_fd.get(), "stdin_fd"));
  devices.stdout_fd = TRY(vmm::machine::duplicate(stdout_fd.get(), "stdout_fd"));
  devices.disk = TRY(vmm::machine::duplicate(disk_file.get(), "disk"));
  devices.disk_offset = disk->offset;
  devices.disk_size = disk->size;
  devices.manifest = disk->manifest;
  devices.host = manifest.host;
  devices.scratch = TRY(vmm::machine::open_scratch(options, manifest));
  auto network = TRY(
      vmm::machine::decide_network(options, manifest, asks_broker() ? broker->url : std::string()));
  devices.network = network.mode;
  devices.allow = std::move(network.allow);
  devices.publish = options.publish;
  devices.publish_auto = options.publish_auto;
  devices.vsock = options.vsock;
  devices.services = TRY(service_options(plan));
  return devices;
}

// libslirp reads the name server's address.
Result<vmm::harden::Setups> Context::Impl::confinement() const {
  vmm::harden::ThreadNeeds needs;
  needs.network = manifest.network && options.network != NetworkMode::none;
  needs.quotes = tee == Tee::tdx && !options.tee_options.quote_service.empty();
  needs.joins = std::any_of(options.vsock.begin(), options.vsock.end(),
                            [](const VsockPort& port) { return !port.listen; });
  needs.readable = {"/etc/resolv.conf"};
  std::vector<std::string> missing;
  auto setups = TRY(vmm::harden::confine(options.harden, needs, &missing));
  for (const std::string& line : missing) warn(line);
  return setups;
}

Result<vmm::machine::RunningMachineOptions> Context::Impl::running_options(
    const LaunchOptions& launch, const BundleInfo& bundle, plan::tee::LaunchPlan& plan) {
  vmm::machine::RunningMachineOptions how;
  how.name = options.name;
  how.kernel = vmm::kvm::linux_kernel();
  how.kvm_device = options.kvm_device;
  how.log = options.log;
  how.guest_log = options.guest_log;
  how.commands = &commands;
  how.exit_event = exit_event.get();
  how.events = events.get();
  how.attests = !disk->disk_key;
  how.binding = TRY(vmm::machine::make_binding(options.tee_options, plan,
                                               guest_abi::workload_digest(disk->manifest)));
  TRY(vmm::machine::resolve_guest_owner(
      *how.kernel, {options.tee_options, broker, disk->disk_key.has_value()}, plan, &how.binding));
  how.backing = vmm::machine::backing_of(options.huge_pages);
  how.setups = TRY(confinement());
  how.before_run = [this] {
    return vmm::host::require_stock_kernels(vmm::kvm::linux_kernel(), options.kvm_device);
  };
  const vmm::machine::LaunchInputs inputs{launch, image_vcpus, image_ram_mib,
                                          vmm::machine::bundle_text(bundle, launch)};
  warn_of_differences(inputs);
  how.explain = [inputs](ExitReason& reason) {
    vmm::machine::explain_refused_measurement(inputs, reason);
  };
  return how;
}

Result<LoadedBundle> Context::Impl::bundle() const {
  if (options.loaded_bundle) return *options.loaded_bundle;
  return LoadedBundle::load(options.bundle);
}

Result<void> Context::Impl::start() {
  const BlockedSignal quiet(SIGXFSZ);  // RLIMIT_FSIZE counts guest RAM and scratch disks too
  TRY(require_idle("start"));
  if (!disk) return state_error("start: no disk; attach_luks_disk or attach_image first");
  if (stop_wanted) {
    return make_error(ErrorCode::cancelled, "machine",
                      "start: a stop was requested before it: nothing was launched");
  }
  TRY(vmm::machine::check_tee_options(options.tee_options, tee));
  TRY(vmm::machine::check_limits(options, vcpus(), ram_mib(), manifest));
  TRY(vmm::machine::check_disk_key(*disk, disk_file.get(), manifest, tee));
  broker = TRY(vmm::machine::decide_broker(options, manifest));
  const LaunchOptions launch = launch_options();
  const LoadedBundle loaded = TRY(bundle());
  auto plan = TRY(plan::measure::make_plan(launch, loaded, disk->disk_key.has_value()));
  plan.guest_policy = vmm::machine::guest_policy_of(options.tee_options, tee);
  auto devices = TRY(device_options(plan));
  if (tee == Tee::simulated) {
    warn("simulated TEE: it protects nothing; its evidence is signed by a throw-away key");
  }
  auto how = TRY(running_options(launch, loaded.info(), plan));
  auto started = RunningMachine::start(std::move(how), plan, std::move(devices));
  if (!started.ok()) return vmm::host::with_advice(std::move(started).error(), options.kvm_device);
  MutexLock lock(mutex);
  if (disk->disk_key) disk->disk_key->wipe();  // the guest has it from the machine, once
  running = *std::move(started);
  return {};
}

Context::Context(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&& other) noexcept {
  Context taken(std::move(other));
  std::swap(impl_, taken.impl_);
  return *this;
}

// In a forked child nothing may be destroyed: its threads are not here, and what they watch (epoll)
// and tell each other (eventfds, KVM's memory) is shared with the parent.
Context::~Context() {
  if (!impl_) return;
  if (impl_->forked())
    impl_->kept = impl_;
  else if (on_library_thread())
    impl_->hand_over(impl_);
  else
    impl_->close();
}

Result<Context> Context::create(MachineOptions options) {
  auto build = [&]() -> Result<std::shared_ptr<Impl>> {
    TRY(vmm::machine::check_options(options));
    auto impl = std::make_shared<Impl>(options, TRY(vmm::machine::Commands::create()));
    impl->stdin_fd = TRY(vmm::machine::duplicate_stream(options.stdin_fd, O_RDONLY, "stdin_fd"));
    impl->stdout_fd = TRY(vmm::machine::duplicate_stream(options.stdout_fd, O_WRONLY, "stdout_fd"));
    impl->exit_event = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl->exit_event.valid()) return errno_error(errno, "machine", "eventfd");
    impl->events = TRY(Events::create(options.events));
    return impl;
  };
  return Context(TRY(vmm::machine::in_machine(build(), options.name)));
}

Result<void> Context::set_tee(Tee tee) {
  TRY(impl_->named(impl_->require_idle("set_tee")));
  TRY(impl_->named(vmm::launch::make_launcher(tee)));
  TRY(impl_->named(
      vmm::host::require_tee(tee, {vmm::kvm::linux_kernel(), impl_->options.kvm_device})));
  impl_->tee = tee;
  return {};
}

Result<void> Context::attach_luks_disk(LuksDisk disk) {
  TRY(impl_->named(impl_->require_idle("attach_luks_disk")));
  auto opened = TRY(impl_->named(vmm::machine::open_disk(disk)));
  impl_->disk_file = std::move(opened.file);
  impl_->manifest = std::move(opened.manifest);
  impl_->disk = std::move(disk);
  impl_->image_vcpus = impl_->image_ram_mib = 0;
  impl_->image_statement.clear();
  return {};
}

Result<void> Context::attach_image(const std::filesystem::path& image,
                                   std::optional<SecretBytes> disk_key) {
  TRY(impl_->named(impl_->require_idle("attach_image")));
  auto located = TRY(impl_->named(image::parts::locate_image(image, "")));
  const auto size = TRY(impl_->named(image::parts::parse_krun_json(located.krun_json)));
  TRY(impl_->named(vmm::machine::check_size("the image's ", impl_->options.vcpus ? 0 : size.vcpus,
                                            impl_->options.ram_mib ? 0 : size.ram_mib)));
  LuksDisk disk;
  disk.path = std::move(located.disk_path);
  disk.offset = located.disk_offset;
  disk.size = located.disk_bytes;
  disk.manifest = std::move(located.manifest_bytes);
  disk.disk_key = std::move(disk_key);
  TRY(attach_luks_disk(std::move(disk)));
  impl_->image_vcpus = size.vcpus;
  impl_->image_ram_mib = size.ram_mib;
  impl_->image_statement = std::move(located.statement);
  return {};
}

Result<void> Context::start() {
  const auto impl = impl_;
  return impl->named(impl->start());
}

Result<ExitReason> Context::start_enter() {
  const auto impl = impl_;
  TRY(impl->named(impl->start()));
  return impl->named(impl->wait({}));
}

Result<ExitReason> Context::wait(std::optional<std::chrono::milliseconds> limit) {
  const auto impl = impl_;
  return impl->named(impl->wait(limit));
}

Result<void> Context::wait_for(MachineEvent event, std::optional<std::chrono::milliseconds> limit) {
  const auto impl = impl_;
  return impl->named(impl->wait_for(event, limit));
}

std::optional<MachineEvent> Context::next_event() {
  return impl_->forked() ? std::nullopt : impl_->events->next();
}

int Context::event_fd() const {
  return impl_->forked() ? -1 : impl_->events->fd();
}

Result<void> Context::pause() {
  const auto impl = impl_;
  const auto machine = TRY(impl->named(impl->require_running("pause")));
  machine->pause();
  return {};
}

Result<void> Context::resume() {
  const auto impl = impl_;
  const auto machine = TRY(impl->named(impl->require_running("resume")));
  machine->resume();
  return {};
}

int Context::exit_fd() const {
  return impl_->forked() ? -1 : impl_->exit_event.get();
}

void Context::request_stop(uint32_t grace_ms) {
  if (impl_->forked()) return;
  impl_->stop_wanted = true;
  impl_->commands.send({vmm::machine::Command::Kind::stop, grace_ms});
}

void Context::send_signal(int signal_number) {
  if (impl_->forked() || signal_number <= 0 || signal_number > 64) return;
  impl_->commands.send({vmm::machine::Command::Kind::signal, static_cast<uint32_t>(signal_number)});
}

MachineStats Context::stats() const {
  const auto machine = impl_->machine();
  return machine ? machine->stats() : MachineStats{};
}

std::vector<PublishedPort> Context::published_ports() const {
  const auto machine = impl_->machine();
  return machine ? machine->published() : std::vector<PublishedPort>{};
}

uint64_t Context::memory_size() const {
  return impl_->ram_mib() * kMiB;
}

Result<void> Context::read_memory(MemoryView view, uint64_t offset, std::span<uint8_t> to) const {
  const auto machine = TRY(impl_->named(impl_->require_started("read_memory")));
  const auto& memory = machine->memory();
  return view == MemoryView::raw ? memory.read_raw(offset, to) : memory.read_host_view(offset, to);
}

Result<uint64_t> Context::count_in_memory(MemoryView view, std::span<const uint8_t> pattern) const {
  const auto machine = TRY(impl_->named(impl_->require_started("count_in_memory")));
  const auto& memory = machine->memory();
  return view == MemoryView::raw ? memory.count_raw(pattern) : memory.count_host_view(pattern);
}

}  // namespace bartizan
