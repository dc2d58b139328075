#include "guest/init/workload/hardening.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <sys/io.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/host/host_reporter.hpp"
#include "guest/init/system/mounts.hpp"

namespace bartizan::guest::init::workload {
namespace {

struct Setting {
  const char* path;
  std::string_view value;
};
constexpr Setting kSettings[] = {
    {"/proc/sys/kernel/modules_disabled", "1"},     // a module is kernel code
    {"/proc/sys/kernel/kexec_load_disabled", "1"},  // so is another kernel
    {"/proc/sys/kernel/core_pattern", ""},  // the kernel would run a helper as root for each core
    {"/proc/sys/kernel/sysrq", "0"},        // the host types on our console
    {"/proc/sys/kernel/dmesg_restrict", "1"},
    {"/proc/sys/kernel/kptr_restrict", "2"},
    {"/proc/sys/kernel/unprivileged_bpf_disabled", "1"},
    {"/proc/sys/fs/suid_dumpable", "0"},
    {"/sys/kernel/uevent_helper", ""},
};
// Closes /dev/mem, kprobes, and reads of kernel memory by bpf.
constexpr Setting kLockdown = {"/sys/kernel/security/lockdown", "confidentiality"};
constexpr uint64_t kMaxLockdownText = 256;

// The set that container engines give by default, without CAP_MKNOD (a node for dm-crypt's device
// is the plain disk): enough for servers that start as root, bind a low port and change user.
constexpr unsigned kKeptCapabilities[] = {
    CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,           CAP_FSETID,  CAP_KILL,       CAP_SETGID,
    CAP_SETUID, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_CHROOT, CAP_SETFCAP,
};
constexpr unsigned kCapabilityLimit = 64;

constexpr uint64_t kept_mask() {
  uint64_t mask = 0;
  for (unsigned capability : kKeptCapabilities) mask |= uint64_t{1} << capability;
  return mask;
}

// A kernel without the feature has no such file, and then nothing to shut.
Result<void> apply(const Setting& setting) {
  auto file = open_file(setting.path, O_WRONLY);
  if (!file.ok()) return file.error().os_errno == ENOENT ? Result<void>() : file.error();
  std::string line = std::string(setting.value) + "\n";
  return write_all(file->get(), as_bytes(line), setting.path);
}

// What the workload inherits; the kernel's own 1024 is too few for servers.
constexpr rlim_t kOpenFiles = 65536, kMaxOpenFiles = 1048576;

// Without a console the kernel starts PID 1 with nothing on descriptors 0 to 2; what took their
// numbers would become somebody's terminal. The root folder, read-only, holds the places until
// there is a workload.
void hold_standard_descriptors() {
  for (int fd = ::open("/", O_RDONLY | O_DIRECTORY); fd >= 0 && fd <= 2;) fd = ::dup(fd);
}

// Of the kernel, or of abort() here; what a process of the workload sends is none of our faults.
extern "C" void on_fatal_signal(int, siginfo_t* info, void*) {
  if (info->si_code <= 0 && info->si_pid != ::getpid()) return;
  host::report_and_reset(ExitKind::guest_failure, host::HostReporter::last_stage());
}

// What a kernel without lockdown would leave open, the threat model counts as shut.
Result<void> check_lockdown() {
  auto text = read_file(kLockdown.path, kMaxLockdownText);
  if (text.ok() && is_locked_down(as_text(*text))) return {};
  return refused("guest/init/workload/hardening", "lockdown", std::string(kLockdown.value),
                 text.ok() ? std::string(as_text(*text)) : text.error().describe(),
                 "the kernel is not locked down: it was built without "
                 "CONFIG_SECURITY_LOCKDOWN_LSM, or lsm= leaves it out");
}

}  // namespace

bool is_locked_down(std::string_view lockdown) {
  return lockdown.find(fmt::format("[{}]", kLockdown.value)) != lockdown.npos;
}

Result<void> lock_down_kernel(bool required) {
  // securityfs holds the lockdown switch.
  auto mounted = system::mount_one({"securityfs", "/sys/kernel/security", "securityfs", 0, ""});
  if (!mounted.ok() && mounted.error().os_errno != ENODEV && mounted.error().os_errno != EPERM)
    return mounted;
  for (const Setting& setting : kSettings) TRY(apply(setting));
  TRY(apply(kLockdown));
  return required ? check_lockdown() : Result<void>();
}

void protect_process() {
  hold_standard_descriptors();
  ::prctl(PR_SET_DUMPABLE, 0);
  ::mallopt(M_PERTURB, 0x5a);  // NOLINT(concurrency-mt-unsafe): the only thread
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  const rlimit files{kOpenFiles, kMaxOpenFiles};
  ::setrlimit(RLIMIT_NOFILE, &files);
  // SIGABRT covers assertions of the standard library and of libc.
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS}) {
    struct sigaction action {};
    action.sa_sigaction = on_fatal_signal;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

Result<void> drop_privileges() {
  // Port permission survives fork and exec.
  ::ioperm(guest_abi::kControlPort, guest_abi::kControlPortCount, 0);
  for (unsigned capability = 0; capability < kCapabilityLimit; ++capability) {
    if (kept_mask() >> capability & 1) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
      return errno_error(errno, "guest/init/workload/hardening",
                         fmt::format("drop capability {}", capability));
    }
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  for (int half = 0; half < 2; ++half) {
    auto bits = static_cast<uint32_t>(kept_mask() >> (32 * half));
    data[half] = {bits, bits, 0};
  }
  if (::syscall(SYS_capset, &header, data) != 0)
    return errno_error(errno, "guest/init/workload/hardening", "capset");
  return {};
}

}  // namespace bartizan::guest::init::workload
