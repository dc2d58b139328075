#include <sys/eventfd.h>

#include <fcntl.h>
#include <algorithm>

#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest_abi/manifest.hpp"
#include "plan/measure/launch_planner.hpp"
#include "vmm/host/probe.hpp"
#include "vmm/host/probe_tee.hpp"
#include "vmm/machine/config.hpp"
#include "vmm/machine/pre_attestation.hpp"
#include "vmm/machine/running_machine.hpp"
#include "vmm/machine/tee_options.hpp"

namespace bartizan {
using namespace vmm::machine;  // NOLINT: the public functions of this component

using vmm::machine::RunningMachine;

struct Context::Impl {
  Impl(MachineOptions options_given, vmm::machine::Commands commands_made)
      : options(std::move(options_given)), commands(std::move(commands_made)) {}

  MachineOptions options;
  vmm::machine::Commands commands;
  UniqueFd stdin_fd, stdout_fd, exit_event;
  Tee tee = Tee::none;
  std::optional<LuksDisk> disk;
  UniqueFd disk_file;
  std::unique_ptr<RunningMachine> running;

  Result<void> start();
  Result<void> require_idle(const char* call) const;
  Result<vmm::machine::DeviceOptions> device_options(const plan::tee::LaunchPlan& plan);
  Result<vmm::machine::ServiceOptions> service_options(const plan::tee::LaunchPlan& plan) const;
  LaunchOptions launch_options() const;
  void warn(const std::string& line) const;
  // An error, or a Result's, with the machine's name in front.
  template <typename T>
  T named(T result) const {
    return vmm::machine::in_machine(std::move(result), options.name);
  }
};

namespace {

Error state_error(std::string_view what) {
  return make_error(ErrorCode::invalid_state, "machine", "{}", what);
}

}  // namespace

Result<void> Context::Impl::require_idle(const char* call) const {
  if (running == nullptr) return {};
  return named(
      make_error(ErrorCode::invalid_state, "machine", "{}: the guest was started already", call));
}

void Context::Impl::warn(const std::string& line) const {
  if (options.log) {
    options.log(LogLevel::warning, fmt::format("machine \"{}\": {}", options.name, line));
  }
}

// Page tables are measured, and hold the C-bit where this host's processor has it. Whoever
// registered the digests of other processors alone will refuse this one: better reported here.
LaunchOptions Context::Impl::launch_options() const {
  LaunchOptions launch{tee,
                       options.bundle,
                       options.vcpus,
                       options.ram_mib,
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
  devices.scratch = TRY(vmm::machine::open_scratch(options, *disk));
  devices.network = TRY(vmm::machine::decide_network(options, *disk));
  devices.publish = options.publish;
  devices.vsock = options.vsock;
  devices.services = TRY(service_options(plan));
  return devices;
}

Result<void> Context::Impl::start() {
  TRY(require_idle("start"));
  if (!disk) return state_error("start: no disk; attach_luks_disk or attach_image first");
  TRY(vmm::machine::check_tee_options(options.tee_options, tee));
  auto plan = TRY(plan::measure::make_plan(launch_options(), disk->disk_key.has_value()));
  plan.guest_policy = vmm::machine::guest_policy_of(options.tee_options, tee);
  auto devices = TRY(device_options(plan));
  if (tee == Tee::simulated) {
    warn("simulated TEE: it protects nothing; its evidence is signed by a throw-away key");
  }
  vmm::machine::RunningMachineOptions how;
  how.name = options.name;
  how.kernel = vmm::kvm::linux_kernel();
  how.kvm_device = options.kvm_device;
  how.log = options.log;
  how.guest_log = options.guest_log;
  how.commands = &commands;
  how.exit_event = exit_event.get();
  how.binding = TRY(vmm::machine::make_binding(options.tee_options, plan,
                                               guest_abi::workload_digest(disk->manifest)));
  TRY(vmm::machine::resolve_guest_owner(
      *how.kernel, {options.tee_options, disk->manifest, disk->disk_key.has_value()}, plan,
      &how.binding));
  how.backing = vmm::machine::backing_of(options.huge_pages);
  how.before_run = [this] {
    return vmm::host::require_stock_kernels(vmm::kvm::linux_kernel(), options.kvm_device);
  };
  auto started = RunningMachine::start(std::move(how), plan, std::move(devices));
  if (!started.ok()) return vmm::host::with_advice(std::move(started).error(), options.kvm_device);
  running = *std::move(started);
  return {};
}

Context::Context(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

Result<Context> Context::create(MachineOptions options) {
  auto build = [&]() -> Result<std::unique_ptr<Impl>> {
    TRY(vmm::machine::check_options(options));
    auto impl = std::make_unique<Impl>(options, TRY(vmm::machine::Commands::create()));
    impl->stdin_fd = TRY(vmm::machine::duplicate(options.stdin_fd, "stdin_fd"));
    impl->stdout_fd = TRY(vmm::machine::duplicate(options.stdout_fd, "stdout_fd"));
    impl->exit_event = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl->exit_event.valid()) return errno_error(errno, "machine", "eventfd");
    return impl;
  };
  return Context(TRY(vmm::machine::in_machine(build(), options.name)));
}

Result<void> Context::set_tee(Tee tee) {
  TRY(impl_->require_idle("set_tee"));
  TRY(impl_->named(vmm::launch::make_launcher(tee)));
  TRY(impl_->named(
      vmm::host::require_tee(tee, {vmm::kvm::linux_kernel(), impl_->options.kvm_device})));
  impl_->tee = tee;
  return {};
}

Result<void> Context::attach_luks_disk(LuksDisk disk) {
  TRY(impl_->require_idle("attach_luks_disk"));
  impl_->disk_file = TRY(impl_->named(vmm::machine::open_disk(disk)));
  impl_->disk = std::move(disk);
  return {};
}

Result<void> Context::attach_image(const std::filesystem::path& image,
                                   std::optional<SecretBytes> disk_key) {
  TRY(impl_->require_idle("attach_image"));
  auto info = TRY(impl_->named(inspect_image(image)));
  if (info.manifest.empty()) {
    return impl_->named(make_error(
        ErrorCode::unsupported, "machine",
        "{}: no image of ours (no bartizan.json): it can be inspected only", image.string()));
  }
  LuksDisk disk;
  disk.path = info.disk_path;
  disk.offset = info.disk_offset;
  disk.size = info.disk_bytes;
  disk.manifest = info.manifest;
  disk.disk_key = std::move(disk_key);
  return attach_luks_disk(std::move(disk));
}

Result<void> Context::start() {
  return impl_->named(impl_->start());
}

Result<ExitReason> Context::start_enter() {
  TRY(start());
  return wait();
}

Result<ExitReason> Context::wait(std::optional<std::chrono::milliseconds> limit) {
  if (impl_->running == nullptr)
    return impl_->named(state_error("wait: the guest was not started"));
  if (auto reason = impl_->running->wait(limit)) return *std::move(reason);
  return impl_->named(
      make_error(ErrorCode::timed_out, "machine", "guest still runs after {} ms", limit->count()));
}

int Context::exit_fd() const {
  return impl_->exit_event.get();
}

void Context::request_stop(uint32_t grace_ms) {
  impl_->commands.send({vmm::machine::Command::Kind::stop, grace_ms});
}

void Context::send_signal(int signal_number) {
  if (signal_number <= 0 || signal_number > 64) return;
  impl_->commands.send({vmm::machine::Command::Kind::signal, static_cast<uint32_t>(signal_number)});
}

MachineStats Context::stats() const {
  return impl_->running ? impl_->running->stats() : MachineStats{};
}

std::vector<PublishedPort> Context::published_ports() const {
  return impl_->running ? impl_->running->published() : std::vector<PublishedPort>{};
}

uint64_t Context::memory_size() const {
  return impl_->options.ram_mib * kMiB;
}

Result<void> Context::read_memory(MemoryView view, uint64_t offset, std::span<uint8_t> to) const {
  if (impl_->running == nullptr)
    return impl_->named(state_error("read_memory: the guest was not started"));
  const auto& memory = impl_->running->memory();
  return view == MemoryView::raw ? memory.read_raw(offset, to) : memory.read_host_view(offset, to);
}

Result<uint64_t> Context::count_in_memory(MemoryView view, std::span<const uint8_t> pattern) const {
  if (impl_->running == nullptr)
    return impl_->named(state_error("count_in_memory: the guest was not started"));
  const auto& memory = impl_->running->memory();
  return view == MemoryView::raw ? memory.count_raw(pattern) : memory.count_host_view(pattern);
}

}  // namespace bartizan
