#include "vmm/harden/file_access.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hpp"

namespace bartizan::vmm::harden {
namespace {

constexpr const char* kOrigin = "harden";

// Rights that a rule set can withhold, by the ABI version that brought them. Debian 12's header
// knows those of 2.
constexpr int kAbiRefer = 2, kAbiTruncate = 3, kAbiIoctlDevice = 5;
constexpr uint64_t kFirstRights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr uint64_t kRefer = LANDLOCK_ACCESS_FS_REFER, kTruncate = 1 << 14, kIoctlDevice = 1 << 15;

uint64_t rights_of(long abi) {
  return kFirstRights | (abi >= kAbiRefer ? kRefer : 0) | (abi >= kAbiTruncate ? kTruncate : 0) |
         (abi >= kAbiIoctlDevice ? kIoctlDevice : 0);
}

Result<void> allow_reading(int file_access, const std::filesystem::path& path) {
  UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!place.valid() || ::fstat(place.get(), &status) != 0) return {};  // not there
  landlock_path_beneath_attr rule{};
  rule.parent_fd = place.get();
  rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
  if (S_ISDIR(status.st_mode)) rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
  if (::syscall(SYS_landlock_add_rule, file_access, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
    return {};
  return errno_error(errno, kOrigin, "landlock_add_rule " + path.native());
}

}  // namespace

Result<UniqueFd> make_file_access(const std::vector<std::filesystem::path>& readable) {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) {
    Error error = errno_error(errno, kOrigin,
                              "Landlock (CONFIG_SECURITY_LANDLOCK, lsm=landlock; a container's own "
                              "filter may forbid it): landlock_create_ruleset");
    if (error.code != ErrorCode::resource_exhausted) error.code = ErrorCode::unsupported;
    return error;
  }
  landlock_ruleset_attr rights{};
  rights.handled_access_fs = rights_of(abi);
  UniqueFd made(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0)));
  if (!made.valid()) return errno_error(errno, kOrigin, "landlock_create_ruleset");
  for (const auto& path : readable) TRY(allow_reading(made.get(), path));
  return made;
}

Result<void> restrict_files(int file_access) {
  if (::syscall(SYS_landlock_restrict_self, file_access, 0) == 0) return {};
  return errno_error(errno, kOrigin, "landlock_restrict_self");
}

}  // namespace bartizan::vmm::harden
