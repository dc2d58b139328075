#include "runtime/refusals.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/errors.hpp"
#include "base/units.hpp"
#include "runtime/config_parts.hpp"
#include "runtime/kernel_settings.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";
constexpr char kConfigName[] = "config.json";
constexpr char kEntrypoint[] = "/entrypoint";
constexpr char kRebuild[] = "set it in the source image and build again with `bartizan build`";

// Variables that engines set by themselves. The guest sees none of them.
// The kubelet gives each container the address of the cluster's API.
constexpr std::array<std::string_view, 23> kEngineVariables = {"PATH",
                                                               "HOME",
                                                               "HOSTNAME",
                                                               "TERM",
                                                               "container",
                                                               "http_proxy",
                                                               "https_proxy",
                                                               "ftp_proxy",
                                                               "all_proxy",
                                                               "no_proxy",
                                                               "HTTP_PROXY",
                                                               "HTTPS_PROXY",
                                                               "FTP_PROXY",
                                                               "ALL_PROXY",
                                                               "NO_PROXY",
                                                               "KUBERNETES_SERVICE_HOST",
                                                               "KUBERNETES_SERVICE_PORT",
                                                               "KUBERNETES_SERVICE_PORT_HTTPS",
                                                               "KUBERNETES_PORT",
                                                               "KUBERNETES_PORT_443_TCP",
                                                               "KUBERNETES_PORT_443_TCP_ADDR",
                                                               "KUBERNETES_PORT_443_TCP_PORT",
                                                               "KUBERNETES_PORT_443_TCP_PROTO"};

// Where engines mount what is theirs, of any type.
constexpr std::array<std::string_view, 15> kEngineMounts = {"/proc",
                                                            "/sys",
                                                            "/sys/fs/cgroup",
                                                            "/dev",
                                                            "/dev/pts",
                                                            "/dev/shm",
                                                            "/dev/mqueue",
                                                            "/dev/termination-log",
                                                            "/etc/hosts",
                                                            "/etc/hostname",
                                                            "/etc/resolv.conf",
                                                            "/run/.containerenv",
                                                            "/run/secrets",
                                                            "/var/run/secrets",
                                                            "/etc/mtab"};
// Of these, what the kernel gives. Some engines bind the host's own, at the same place.
constexpr std::array<std::string_view, 6> kKernelMounts = {"/proc", "/sys",     "/sys/fs/cgroup",
                                                           "/dev",  "/dev/pts", "/dev/mqueue"};
// With --read-only they are memory.
constexpr std::array<std::string_view, 3> kEngineMemory = {"/run", "/tmp", "/var/tmp"};
constexpr std::array<std::string_view, 2> kSecretFolders = {"/run/secrets/", "/var/run/secrets/"};

constexpr std::array<std::string_view, 3> kMachineDevices = {"/dev/kvm", "/dev/sev",
                                                             "/dev/net/tun"};

// Together they are the whole of root's power, as --privileged gives it.
constexpr std::array<std::string_view, 3> kPrivileges = {"CAP_SYS_ADMIN", "CAP_SYS_MODULE",
                                                         "CAP_SYS_RAWIO"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Result<void> check_command(const Json& process) {
  const Json& args = member(process, "args");
  if (args == Json::array({kEntrypoint})) return {};
  // The first word alone is shown: others can be secrets.
  const bool some = args.is_array() && !args.empty() && args[0].is_string();
  return invalid(kOrigin,
                 "command {} of {} words: a confidential image runs the command that is encrypted "
                 "in it: leave command, --entrypoint and --init out; to change it, {}",
                 shown(some ? args[0].get<std::string>() : ""), args.size(), kRebuild);
}

Result<void> check_environment(const Json& process) {
  for (const Json& entry : member(process, "env")) {
    if (!entry.is_string())
      return make_error(ErrorCode::corrupt, kOrigin, "{}: env: not texts", kConfigName);
    const std::string text = entry.get<std::string>();
    const std::string name = text.substr(0, text.find('='));
    if (!contains(kEngineVariables, name))
      return invalid(
          kOrigin,
          "environment variable {}: the environment of a confidential image is encrypted "
          "in it: leave it out (--env; of a pod: env, and enableServiceLinks: false), or {}",
          shown(name), kRebuild);
  }
  return {};
}

// Absent is 0.
bool is_zero(const Json& value) {
  return value.is_null() || value == 0;
}

// A number as it stands there; absent is 0.
std::string number(const Json& value) {
  return value.is_number_integer() ? value.dump() : "0";
}

Result<void> check_user(const Json& process) {
  const Json& user = member(process, "user");
  bool root = is_zero(member(user, "uid")) && is_zero(member(user, "gid"));
  for (const Json& group : member(user, "additionalGids")) root &= is_zero(group);
  if (root) return {};
  return invalid(kOrigin,
                 "user {}:{}, or a group: a confidential image runs as the user that is encrypted "
                 "in it: leave --user and --group-add out, or {}",
                 number(member(user, "uid")), number(member(user, "gid")), kRebuild);
}

Result<void> check_folder(const Json& process) {
  const std::string cwd = text_of(process, "cwd");
  if (cwd == "/") return {};
  return invalid(kOrigin,
                 "working folder {}: that of a confidential image is encrypted in it: leave "
                 "--workdir out, or {}",
                 shown(cwd), kRebuild);
}

bool is_secret(std::string_view place) {
  return place.find("/..") == place.npos &&
         std::ranges::any_of(kSecretFolders,
                             [&](std::string_view folder) { return place.starts_with(folder); });
}

bool is_bind(const Json& mount) {
  const Json& options = member(mount, "options");
  return text_of(mount, "type") == "bind" ||
         (options.is_array() && std::ranges::any_of(options, [](const Json& option) {
            return option == "bind" || option == "rbind";
          }));
}

bool is_engines(const Json& mount) {
  const std::string place = text_of(mount, "destination");
  if (contains(kEngineMemory, place)) return text_of(mount, "type") == "tmpfs";
  if (contains(kKernelMounts, place) && is_bind(mount))
    return place != "/dev" && text_of(mount, "source") == place;
  return contains(kEngineMounts, place) || is_secret(place);
}

Result<void> check_mounts(const Json& config) {
  for (const Json& mount : member(config, "mounts")) {
    if (!is_engines(mount))
      return invalid(
          kOrigin,
          "mount of {} at {}: nothing of the host is mounted in a confidential VM: leave "
          "--volume, --mount and --tmpfs out, and let the workload fetch or keep its "
          "data itself (`bartizan build --scratch`)",
          shown(text_of(mount, "source")), shown(text_of(mount, "destination")));
  }
  return {};
}

Result<void> check_devices(const Json& linux_part) {
  for (const Json& device : member(linux_part, "devices")) {
    const std::string path = text_of(device, "path");
    if (!contains(kMachineDevices, path))
      return invalid(kOrigin,
                     "device {}: no device of the host is in a confidential VM: leave --device out",
                     shown(path));
  }
  return {};
}

bool is_any_device(const Json& rule) {
  const std::string type = text_of(rule, "type");
  return member(rule, "allow") == true && (type.empty() || type == "a") &&
         member(rule, "major").is_null() && member(rule, "minor").is_null();
}

bool has_privileges(const Json& config) {
  const Json& bounding = member(member(member(config, "process"), "capabilities"), "bounding");
  return std::ranges::all_of(kPrivileges, [&](std::string_view name) {
    return bounding.is_array() && std::ranges::find(bounding, Json(name)) != bounding.end();
  });
}

Result<void> check_privileges(const Json& config) {
  const Json& rules = member(member(member(config, "linux"), "resources"), "devices");
  const bool all_devices = rules.is_array() && std::ranges::any_of(rules, is_any_device);
  if (!all_devices && !has_privileges(config)) return {};
  return invalid(kOrigin,
                 "privileged container: the VM of a confidential image is confined like any other "
                 "container, and needs no privilege: leave --privileged out");
}

Result<void> check_namespaces(const Json& linux_part) {
  const Json& namespaces = member(linux_part, "namespaces");
  const bool own = namespaces.is_array() && std::ranges::any_of(namespaces, [](const Json& each) {
                     return text_of(each, "type") == "pid" && text_of(each, "path").empty();
                   });
  if (own) return {};
  return invalid(kOrigin,
                 "PID namespace of the host or of others: a confidential container has processes "
                 "of its own: leave --pid out");
}

constexpr uint64_t kUnlimited = UINT64_MAX;

uint64_t limit_of(const Json& memory) {
  const Json& limit = member(memory, "limit");
  return limit.is_number_integer() && limit > 0 ? limit.get<uint64_t>() : kUnlimited;
}

// As it is written into the cgroup's file: bytes, or "max".
uint64_t limit_of_file(const std::string& text) {
  uint64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  return error == std::errc() && end == text.data() + text.size() ? limit : kUnlimited;
}

// Bytes. The files of cgroup v2 come last, and count as they are written.
uint64_t memory_limit(const Json& resources) {
  return std::min(limit_of(member(resources, "memory")),
                  limit_of_file(text_of(member(resources, "unified"), "memory.max")));
}

Result<void> check_memory(const Json& linux_part, uint32_t ram_mib) {
  const uint64_t limit = memory_limit(member(linux_part, "resources"));
  const uint64_t needed_mib = ram_mib + kMachineMib;
  if (limit / kMiB >= needed_mib) return {};
  return make_error(ErrorCode::resource_exhausted, kOrigin,
                    "memory limit of {} MiB: the image's VM has {} MiB and needs {} MiB beside "
                    "them: give --memory {}m, or build the image with less (`bartizan build "
                    "--memory`)",
                    limit / kMiB, ram_mib, kMachineMib, needed_mib);
}

Result<void> check_process(const Json& process) {
  TRY(check_command(process));
  TRY(check_environment(process));
  TRY(check_user(process));
  return check_folder(process);
}

}  // namespace

Result<void> check_container(const Json& config, uint32_t ram_mib) {
  TRY(check_process(*TRY(json_member(config, "process", kConfigName))));
  const Json& linux_part = member(config, "linux");
  TRY(check_privileges(config));
  TRY(check_namespaces(linux_part));
  TRY(check_mounts(config));
  TRY(check_devices(linux_part));
  TRY(check_kernel_settings(config));
  return check_memory(linux_part, ram_mib);
}

}  // namespace bartizan::runtime
