#include "runtime/rewrite.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "runtime/choices.hpp"
#include "runtime/stock_annotations.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";
constexpr char kWhat[] = "config.json";
constexpr uint32_t kDeviceMode = 0666;
// Files of the image that would make the launcher load code of the image: the dynamic loader, name
// resolution and OpenSSL read them. The runtime hides them, like other masked paths.
constexpr const char* kMasked[] = {"/etc/ld.so.preload", "/etc/nsswitch.conf",
                                   "/usr/lib/ssl/openssl.cnf", "/etc/ssl/openssl.cnf",
                                   "/etc/gai.conf"};
constexpr char kKeepGroups[] = "run.oci.keep_original_groups";  // of crun

// `object[key]`, made if it is absent.
Result<Json*> part(Json& object, const char* key, Json::value_t type) {
  if (!object.is_object())
    return make_error(ErrorCode::corrupt, kOrigin, "{}: above {}: not an object", kWhat, key);
  Json& found = object[key];
  if (found.is_null()) found = Json(type);
  if (found.type() == type) return &found;
  return make_error(ErrorCode::corrupt, kOrigin, "{}: {}: not an {}", kWhat, key,
                    type == Json::value_t::array ? "array" : "object");
}

Json bind_mount(const std::filesystem::path& source, std::string_view place) {
  return {{"destination", place},
          {"type", "bind"},
          {"source", source.string()},
          {"options", {"bind", "ro", "nosuid", "nodev"}}};
}

Json memory_mount(std::string_view place, const char* mode) {
  return {{"destination", place},
          {"type", "tmpfs"},
          {"source", "tmpfs"},
          {"options", {"nosuid", "nodev", mode}}};
}

bool has_mount(const Json& mounts, std::string_view place) {
  return std::ranges::any_of(mounts, [&](const Json& mount) {
    return mount.is_object() && mount.value("destination", Json()) == place;
  });
}

Result<void> add_mounts(Json& config, const Launch& launch) {
  Json& mounts = *TRY(part(config, "mounts", Json::value_t::array));
  if (!has_mount(mounts, "/tmp")) mounts.push_back(memory_mount("/tmp", "mode=1777"));
  mounts.push_back(memory_mount(kLauncherFolder, "mode=755"));
  for (const HostFile& file : launch.files) mounts.push_back(bind_mount(file.source, file.name));
  mounts.push_back(bind_mount(launch.bundle, kBundle));
  if (!launch.wishes.key_file.empty())
    mounts.push_back(bind_mount(launch.wishes.key_file, kKeyFile));
  return {};
}

void add_device(Json& devices, const HostDevice& node) {
  const bool known = std::ranges::any_of(devices, [&](const Json& device) {
    return device.is_object() && device.value("path", Json()) == node.path;
  });
  if (known) return;
  devices.push_back({{"path", node.path},
                     {"type", "c"},
                     {"major", node.major},
                     {"minor", node.minor},
                     {"fileMode", kDeviceMode},
                     {"uid", 0},
                     {"gid", 0}});
}

Result<void> add_devices(Json& linux_part, const std::vector<HostDevice>& nodes) {
  Json& devices = *TRY(part(linux_part, "devices", Json::value_t::array));
  Json& resources = *TRY(part(linux_part, "resources", Json::value_t::object));
  Json& rules = *TRY(part(resources, "devices", Json::value_t::array));
  for (const HostDevice& node : nodes) {
    add_device(devices, node);
    rules.push_back({{"allow", true},
                     {"type", "c"},
                     {"major", node.major},
                     {"minor", node.minor},
                     {"access", "rw"}});
  }
  return {};
}

// Where OpenSSL and the C library look for code and settings by themselves: nowhere, for what is in
// the image at their usual places is not ours.
Result<void> set_environment(Json& process) {
  Json& environment = *TRY(part(process, "env", Json::value_t::array));
  for (const char* name : {"OPENSSL_MODULES", "OPENSSL_ENGINES", "OPENSSL_CONF", "GCONV_PATH",
                           "LOCPATH", "NLSPATH", "TERMINFO"})
    environment.push_back(fmt::format("{}={}/none", name, kLauncherFolder));
  return {};
}

Result<void> mask_files(Json& linux_part) {
  Json& masked = *TRY(part(linux_part, "maskedPaths", Json::value_t::array));
  for (const char* path : kMasked) masked.push_back(path);
  return {};
}

Result<void> keep_groups(Json& config) {
  (*TRY(part(config, "annotations", Json::value_t::object)))[kKeepGroups] = "1";
  return {};
}

}  // namespace

std::vector<std::string> launcher_command(const Json& config, const Launch& launch) {
  std::vector<std::string> words = {std::string(kLoader),
                                    "--inhibit-cache",
                                    "--library-path",
                                    std::string(kLibraries),
                                    "--argv0",
                                    "bartizan",
                                    std::string(kProgram),
                                    "run",
                                    "/",
                                    "--as-container",
                                    "--tee",
                                    std::string(to_string(launch.tee)),
                                    "--bundle",
                                    std::string(kBundle)};
  auto add = [&](auto... more) { (words.emplace_back(more), ...); };
  // What was checked against the container's limit, whatever the disk says by then.
  add("--max-memory", std::to_string(launch.image.ram_mib));
  if (launch.image.manifest.network) add("--publish", "[::]:auto");
  if (!launch.wishes.key_file.empty()) add("--key-file", kKeyFile);
  if (!launch.wishes.broker.empty()) add("--broker", launch.wishes.broker);
  for (const std::string& place : launch.wishes.allow) add("--allow", place);
  if (launch.wishes.log_guest) add("--log-guest");
  if (const auto place = scratch_of(launch.image, config); !place.empty())
    add("--scratch", place.string());
  return words;
}

Result<Json> rewrite_config(Json config, const Launch& launch) {
  Json& process = *TRY(part(config, "process", Json::value_t::object));
  process["args"] = launcher_command(config, launch);
  TRY(set_environment(process));
  process.erase("commandLine");
  TRY(add_mounts(config, launch));
  Json& linux_part = *TRY(part(config, "linux", Json::value_t::object));
  TRY(add_devices(linux_part, launch.devices));
  TRY(mask_files(linux_part));
  remove_stock_annotations(config);
  if (launch.keep_groups) TRY(keep_groups(config));
  return config;
}

bool is_rewritten(const Json& config) {
  if (!config.is_object() || !config.contains("process")) return false;
  const Json& process = config["process"];
  if (!process.is_object() || !process.contains("args")) return false;
  const Json& args = process["args"];
  return args.is_array() && !args.empty() && args[0] == kLoader;
}

Result<std::filesystem::path> root_of(const Json& config, const std::filesystem::path& bundle) {
  const Json& root = *TRY(json_member(config, "root", kWhat));
  return bundle / TRY(json_string(root, "path", "config.json: root"));
}

}  // namespace bartizan::runtime
