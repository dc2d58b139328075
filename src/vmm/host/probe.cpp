#include "vmm/host/probe.hpp"

#include <cstring>
#include <set>

#include "base/errors.hpp"
#include "base/mutex.hpp"
#include "plan/bundle/guest_tees.hpp"
#include "vmm/host/probe_guest.hpp"
#include "vmm/host/probe_tee.hpp"
#include "vmm/kvm/system.hpp"

namespace bartizan {
using namespace vmm::host;  // NOLINT: the public functions of this component
namespace vmm::host {
namespace {

// a caller who waits longer than this waits for nothing
constexpr uint32_t kMaxGuestTimeMs = 60'000;

// Before a launch: a host under load may be slow, and is not to be mistaken for one that emulates.
constexpr std::chrono::milliseconds kStartProbeLimit{5000};

std::string advice_for(const Error& error, const std::filesystem::path& device) {
  switch (error.code) {
    case ErrorCode::not_found:
      return fmt::format(
          "load kvm_amd or kvm_intel; in a container, pass {} in; or use the lab "
          "(scripts/on-kvm-host)",
          device.native());
    case ErrorCode::permission_denied:
      return fmt::format("add the user to the group that owns {} (usually kvm)", device.native());
    case ErrorCode::timed_out:
      return "this KVM back end emulates 64-bit mode: a stock kernel never comes up; use another "
             "host or scripts/on-kvm-host";
    default:
      return "use a host whose KVM runs 64-bit guests, or scripts/on-kvm-host";
  }
}

// What the simulated TEE needs of KVM, by the name that its documentation gives it.
Result<std::string> missing_for_simulated(const kvm::System& system) {
  if (TRY(system.check_extension(KVM_CAP_EXIT_HYPERCALL)) == 0)
    return std::string("KVM_CAP_EXIT_HYPERCALL (Linux 5.15)");
  if (TRY(system.check_extension(KVM_CAP_X86_USER_SPACE_MSR)) == 0) {
    return std::string("KVM_CAP_X86_USER_SPACE_MSR (Linux 5.10)");
  }
  if (TRY(system.check_extension(KVM_CAP_X86_MSR_FILTER)) == 0) {
    return std::string("KVM_CAP_X86_MSR_FILTER (Linux 5.10)");
  }
  return std::string();
}

void probe_kvm(HostProbe& host, const ProbeOptions& options,
               const std::shared_ptr<kvm::KernelApi>& kernel, std::string& simulated_missing) {
  auto blame = [&](const Error& error) {
    host.kvm_missing = error.message;
    if (error.os_errno != 0)
      host.kvm_missing += fmt::format(": {}", strerrorname_np(error.os_errno));
    host.kvm_advice = advice_for(error, options.kvm_device);
  };
  auto system = kvm::System::open(kernel, options.kvm_device);
  if (!system.ok()) return blame(system.error());
  host.kvm_usable = true;
  auto missing = missing_for_simulated(*system);
  simulated_missing = missing.ok() ? *missing : missing.error().describe();
  auto limit = std::chrono::milliseconds(options.guest_time_limit_ms);
  auto ran = run_probe_guest(kernel, options.kvm_device, limit);
  host.runs_stock_kernels = ran.ok();
  if (!ran.ok()) blame(ran.error());
}

}  // namespace

Result<HostProbe> probe_host(const ProbeOptions& options,
                             const std::shared_ptr<kvm::KernelApi>& kernel,
                             const std::filesystem::path& root) {
  if (options.guest_time_limit_ms == 0 || options.guest_time_limit_ms > kMaxGuestTimeMs) {
    return make_error(ErrorCode::invalid_argument, "vmm/host/probe",
                      "guest_time_limit_ms {}: must be 1 to {}", options.guest_time_limit_ms,
                      kMaxGuestTimeMs);
  }
  HostProbe host;
  std::string simulated_missing;
  probe_kvm(host, options, kernel, simulated_missing);
  host.tees.push_back({Tee::none, host.runs_stock_kernels, host.kvm_missing, host.kvm_advice});
  TeeProbe simulated = {Tee::simulated, host.runs_stock_kernels, host.kvm_missing, host.kvm_advice};
  if (!simulated_missing.empty()) {
    simulated = {Tee::simulated, false, simulated_missing,
                 "use a newer host kernel, or scripts/on-kvm-host"};
  }
  host.tees.push_back(simulated);
  HostFiles files{kernel, options.kvm_device, root};
  for (Tee tee : {Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    host.tees.push_back(probe_hardware_tee(tee, files));
  }
  if (!options.bundle.empty()) {
    auto bundle = TRY(read_bundle(options.bundle));
    for (TeeProbe& tee : host.tees) limit_to_bundle(bundle, tee);
  }
  return host;
}

void limit_to_bundle(const BundleInfo& bundle, TeeProbe& tee) {
  auto unfit = plan::bundle::unfit_for(bundle, tee.tee);
  if (!unfit || !tee.available) return;
  tee.available = false;
  tee.missing = unfit->missing;
  tee.advice = unfit->advice;
}

Error with_advice(Error error, const std::filesystem::path& kvm_device) {
  const bool about_device =
      error.code == ErrorCode::permission_denied || error.code == ErrorCode::not_found;
  if (about_device && error.message.find(kvm_device.native()) != std::string::npos)
    error.message += "; " + advice_for(error, kvm_device);
  return error;
}

Result<void> require_stock_kernels(const std::shared_ptr<kvm::KernelApi>& kernel,
                                   const std::filesystem::path& kvm_device) {
  static Mutex mutex;
  static std::set<std::filesystem::path> passed BARTIZAN_GUARDED_BY(mutex);
  MutexLock lock(mutex);
  if (passed.contains(kvm_device)) return {};
  auto ran = run_probe_guest(kernel, kvm_device, kStartProbeLimit);
  if (ran.ok()) {
    passed.insert(kvm_device);
    return {};
  }
  const Error& error = ran.error();
  if (error.code != ErrorCode::timed_out && error.code != ErrorCode::unsupported) return error;
  return make_error(ErrorCode::unsupported, "vmm/host/probe", "{}; {}", error.message,
                    advice_for(error, kvm_device));
}

}  // namespace vmm::host

Result<HostProbe> probe(const ProbeOptions& options) {
  return vmm::host::probe_host(options, vmm::kvm::linux_kernel(), "/");
}

}  // namespace bartizan
