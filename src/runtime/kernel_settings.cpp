#include "runtime/kernel_settings.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/errors.hpp"
#include "runtime/config_parts.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";
constexpr unsigned kUsualUmask = 022;

// podman, and containerd for pods, give these to every container.
constexpr std::array<std::string_view, 2> kEngineSysctls = {"net.ipv4.ping_group_range",
                                                            "net.ipv4.ip_unprivileged_port_start"};
constexpr std::array<std::string_view, 3> kEngineLimits = {"RLIMIT_NOFILE", "RLIMIT_NPROC",
                                                           "RLIMIT_CORE"};

template <size_t N>
bool is_among(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

bool is_of_network(std::string_view sysctl) {
  return sysctl.starts_with("net.") || sysctl.starts_with("net/");
}

Result<void> check_sysctls(const Json& linux_part) {
  const Json& sysctls = member(linux_part, "sysctl");
  if (!sysctls.is_object()) return {};
  for (const auto& [name, value] : sysctls.items())
    if (!is_of_network(name))
      return invalid(kOrigin,
                     "sysctl {}: the kernel of a confidential VM is its own, and no host sets "
                     "anything in it: leave --sysctl out; a workload of root can set it itself",
                     shown(name));
  return {};
}

Result<void> check_umask(const Json& process) {
  const Json& umask = member(member(process, "user"), "umask");
  if (umask.is_null() || umask == kUsualUmask) return {};
  return invalid(kOrigin,
                 "umask {}: a confidential workload starts with {:04o}, and no host changes that: "
                 "leave --umask out; the workload can set it itself",
                 umask.is_number_unsigned() ? fmt::format("{:04o}", umask.get<uint64_t>())
                                            : shown(umask.dump()),
                 kUsualUmask);
}

Result<void> check_personality(const Json& linux_part) {
  const std::string domain = text_of(member(linux_part, "personality"), "domain");
  if (domain.empty() || domain == "LINUX") return {};
  return invalid(kOrigin,
                 "personality {}: a confidential workload has the guest kernel's usual one: leave "
                 "--personality out",
                 shown(domain));
}

}  // namespace

Result<void> check_kernel_settings(const Json& config) {
  const Json& linux_part = member(config, "linux");
  TRY(check_sysctls(linux_part));
  TRY(check_umask(member(config, "process")));
  return check_personality(linux_part);
}

std::vector<std::string> kernel_remarks(const Json& config) {
  std::vector<std::string> remarks;
  const Json& sysctls = member(member(config, "linux"), "sysctl");
  for (const auto& [name, value] : sysctls.items())
    if (sysctls.is_object() && is_of_network(name) && !is_among(kEngineSysctls, name))
      remarks.push_back(fmt::format(
          "sysctl {}: set for the container's network, where the VM's process listens and "
          "connects, and not in the guest",
          shown(name)));
  for (const Json& limit : member(member(config, "process"), "rlimits"))
    if (const std::string type = text_of(limit, "type"); !is_among(kEngineLimits, type))
      remarks.push_back(
          fmt::format("limit {}: holds for the VM's process, and not in the guest", shown(type)));
  return remarks;
}

}  // namespace bartizan::runtime
