#include "runtime/host.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";
constexpr char kKvm[] = "/dev/kvm", kSev[] = "/dev/sev";
constexpr uint64_t kMaxProcFile = 65'536;

std::string advice_for_access(const std::string& path) {
  return in_user_namespace() || ::geteuid() != 0
             ? "add the user to the group of " + path +
                   " (`sudo usermod -aG kvm \"$USER\"` for /dev/kvm) and log in again"
             : "look at its owner and mode";
}

bool needs_sev(Tee tee) {
  return tee == Tee::sev || tee == Tee::sev_es || tee == Tee::snp;
}

}  // namespace

Result<HostDevice> find_device(const std::string& path, const std::string& advice) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISCHR(status.st_mode))
    return make_error(ErrorCode::not_found, kOrigin, "{} is missing: {}", path, advice);
  if (::access(path.c_str(), R_OK | W_OK) != 0)
    return make_error(ErrorCode::permission_denied, kOrigin, "{} may not be opened: {}", path,
                      advice_for_access(path));
  return HostDevice{path, major(status.st_rdev), minor(status.st_rdev)};
}

Result<std::vector<HostDevice>> devices_of(Tee tee) {
  std::vector<HostDevice> nodes = {
      TRY(find_device(kKvm,
                      "load kvm_amd or kvm_intel, and switch virtualization on in the firmware "
                      "(see `bartizan doctor`)"))};
  if (needs_sev(tee))
    nodes.push_back(
        TRY(find_device(kSev, fmt::format("this host cannot run {}; for development `--annotation "
                                          "org.bartizan.tee=simulated`, which protects nothing",
                                          to_string(tee)))));
  return nodes;
}

std::string bundle_advice(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  std::error_code ignored;
  const bool there = folder.empty() || std::filesystem::is_directory(folder, ignored);
  return fmt::format("make it with `{}bartizan bundle create --output {}`",
                     there ? "" : fmt::format("mkdir -p {} && ", folder.string()), path.string());
}

bool is_mapped(const std::string& uid_map) {
  std::istringstream text(uid_map);
  uint64_t inside = 0, outside = 0, count = 0;
  if (!(text >> inside >> outside >> count)) return false;
  return inside != 0 || outside != 0 || count < UINT32_MAX;
}

bool in_user_namespace() {
  auto map = read_file("/proc/self/uid_map", kMaxProcFile);
  return map.ok() && is_mapped(std::string(as_text(*map)));
}

}  // namespace bartizan::runtime
