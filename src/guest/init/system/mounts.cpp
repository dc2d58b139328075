#include "guest/init/system/mounts.hpp"

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/errors.hpp"

namespace bartizan::guest::init::system {

Result<void> make_folder(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return errno_error(errno, "guest/init/system/mounts", fmt::format("mkdir {}", path));
  }
  return {};
}

Result<void> mount_one(const Mount& mount) {
  TRY(make_folder(mount.target));
  if (::mount(mount.source, mount.target.c_str(), mount.type, mount.flags, mount.options.c_str()) !=
      0) {
    return errno_error(
        errno, "guest/init/system/mounts",
        fmt::format("mount {} on {}", mount.type ? mount.type : mount.source, mount.target));
  }
  return {};
}

Result<void> mount_kernel_file_systems() {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NOEXEC | MS_NODEV;
  // devtmpfs may be there already, mounted by the kernel (CONFIG_DEVTMPFS_MOUNT skips it for an
  // initramfs).
  auto devices = mount_one({"devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"});
  if (!devices.ok() && devices.error().os_errno != EBUSY) return devices;
  TRY(mount_one({"proc", "/proc", "proc", kPlain, ""}));
  TRY(mount_one({"sysfs", "/sys", "sysfs", kPlain, ""}));
  TRY(mount_one({"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700"}));
  return mount_one({"tmpfs", "/tmp", "tmpfs", kPlain, "mode=0700"});
}

}  // namespace bartizan::guest::init::system
