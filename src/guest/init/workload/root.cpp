#include "guest/init/workload/root.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/system/mounts.hpp"
#include "guest/init/system/network.hpp"
#include "guest/init/workload/process_config.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr const char* kImage = "/run/image";
constexpr const char* kUpperMount = "/run/upper";
constexpr const char* kUpper = "/run/upper/upper";
constexpr const char* kWork = "/run/upper/work";
constexpr const char* kRoot = "/run/root";
constexpr const char* kHostName = "bartizan";
constexpr unsigned long kPlain = MS_NOSUID | MS_NOEXEC | MS_NODEV;

Error failed(std::string what) {
  return errno_error(errno, "guest/init/workload/root", std::move(what));
}

// The merged root takes mode and owner from the upper folder.
Result<void> make_upper_like_image_root() {
  struct stat image {};
  TRY(system::make_folder(kUpper));
  TRY(system::make_folder(kWork));
  if (::stat(kImage, &image) != 0 || ::chown(kUpper, image.st_uid, image.st_gid) != 0 ||
      ::chmod(kUpper, image.st_mode & 07777) != 0) {
    return failed("attributes of the root folder");
  }
  return {};
}

// A whiteout (character device 0:0) in the upper folder hides what the image has there.
Result<void> hide_config() {
  std::string path = kUpper + std::string(guest_abi::kProcessConfigPath);
  if (::mknod(path.c_str(), S_IFCHR, makedev(0, 0)) != 0) return failed("whiteout " + path);
  return {};
}

// noatime and no barriers: nothing on the scratch disk is wanted after this boot, so no order of
// its writes has to survive one.
Result<void> mount_upper(const storage::MappedDevice* scratch) {
  if (scratch == nullptr)
    return system::mount_one({"tmpfs", kUpperMount, "tmpfs", MS_NODEV, "mode=0755"});
  return system::mount_one({scratch->path.c_str(), kUpperMount, "ext4", MS_NODEV | MS_NOATIME,
                            "barrier=0,errors=remount-ro"});
}

Result<void> mount_overlay(const storage::MappedDevice* scratch) {
  TRY(mount_upper(scratch));
  TRY(make_upper_like_image_root());
  TRY(hide_config());
  // nodev: a device node that an image or a workload brings must not open a kernel device.
  return system::mount_one(
      {"overlay", kRoot, "overlay", MS_NODEV,
       fmt::format("lowerdir={},upperdir={},workdir={}", kImage, kUpper, kWork)});
}

// Moves the overlay over "/": `..` from it leads nowhere else, so leaving a chroot gains nothing.
Result<void> switch_root() {
  if (::chdir(kRoot) != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
      ::chroot(".") != 0 || ::chdir("/") != 0) {
    return failed("switch root");
  }
  return {};
}

struct DeviceNode {
  const char* path;
  unsigned major, minor;
};
constexpr DeviceNode kNodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                                 {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

struct Link {
  const char* target;
  const char* path;
};
constexpr Link kLinks[] = {{"pts/ptmx", "/dev/ptmx"},
                           {"/proc/self/fd", "/dev/fd"},
                           {"/proc/self/fd/0", "/dev/stdin"},
                           {"/proc/self/fd/1", "/dev/stdout"},
                           {"/proc/self/fd/2", "/dev/stderr"}};

Result<void> fill_dev() {
  TRY(system::mount_one({"tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"}));
  for (const DeviceNode& node : kNodes) {
    if (::mknod(node.path, S_IFCHR | 0666, makedev(node.major, node.minor)) != 0)
      return failed(node.path);
    if (::chmod(node.path, 0666) != 0) return failed(node.path);
  }
  for (const Link& link : kLinks) {
    if (::symlink(link.target, link.path) != 0) return failed(link.path);
  }
  TRY(system::mount_one(
      {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5"}));
  return system::mount_one({"tmpfs", "/dev/shm", "tmpfs", kPlain, "mode=1777"});
}

// Files under /proc that root may write or read to reach the kernel; CAP_SYS_ADMIN, which could
// undo the mounts, is dropped. What this kernel does not have is skipped.
constexpr const char* kReadOnly[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus",
                                     "/proc/fs"};
constexpr const char* kMasked[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kmsg"};

Result<void> mask_proc_paths() {
  for (const char* path : kReadOnly) {
    if (::access(path, F_OK) != 0) continue;
    if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | kPlain, nullptr) != 0) {
      return failed(fmt::format("read-only {}", path));
    }
  }
  for (const char* path : kMasked) {
    if (::access(path, F_OK) != 0) continue;
    if (::mount("/dev/null", path, nullptr, MS_BIND, nullptr) != 0)
      return failed(fmt::format("mask {}", path));
  }
  return {};
}

// Replaces the file even where the image has a symbolic link of that name.
Result<void> put_file(const char* path, std::string_view content) {
  if (::unlink(path) != 0 && errno != ENOENT) return failed(path);
  UniqueFd file = TRY(open_file(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0644));
  return write_all(file.get(), as_bytes(content), path);
}

Result<void> write_network_files(bool network) {
  TRY(system::make_folder("/etc"));
  if (network) TRY(put_file("/etc/resolv.conf", system::kResolvConf));
  if (::access("/etc/hostname", F_OK) != 0)
    TRY(put_file("/etc/hostname", fmt::format("{}\n", kHostName)));
  if (::access("/etc/hosts", F_OK) == 0) return {};
  return put_file("/etc/hosts", fmt::format("127.0.0.1 localhost {}\n", kHostName));
}

}  // namespace

Result<void> mount_image(const storage::MappedDevice& plaintext, const std::string& file_system) {
  return system::mount_one(
      {plaintext.path.c_str(), kImage, file_system.c_str(), MS_RDONLY | MS_NODEV, ""});
}

Result<Bytes> read_image_config() {
  return read_file(kImage + std::string(guest_abi::kProcessConfigPath), kMaxProcessConfigBytes);
}

Result<void> enter_workload_root(bool network, const storage::MappedDevice* scratch) {
  TRY(mount_overlay(scratch));
  TRY(switch_root());
  TRY(system::mount_one({"proc", "/proc", "proc", kPlain, ""}));
  TRY(system::mount_one({"sysfs", "/sys", "sysfs", kPlain | MS_RDONLY, ""}));
  TRY(fill_dev());
  TRY(mask_proc_paths());
  if (::access("/tmp", F_OK) != 0) {
    TRY(system::make_folder("/tmp"));
    if (::chmod("/tmp", 01777) != 0) return failed("/tmp");
  }
  if (::sethostname(kHostName, std::string_view(kHostName).size()) != 0)
    return failed("sethostname");
  return write_network_files(network);
}

Result<void> bind_console(int terminal) {
  UniqueFd target(::open("/dev/console", O_CREAT | O_WRONLY | O_CLOEXEC | O_NOCTTY, 0600));
  std::string source = fmt::format("/proc/self/fd/{}", terminal);
  if (!target.valid() || ::mount(source.c_str(), "/dev/console", nullptr, MS_BIND, nullptr) != 0) {
    return failed("bind /dev/console");
  }
  return {};
}

}  // namespace bartizan::guest::init::workload
