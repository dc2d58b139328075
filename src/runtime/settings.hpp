// /etc/bartizan/runtime.json: what the operator of a host decides for all its confidential
// containers. Every member may be absent:
//
//   {"oci_runtime":"/usr/bin/crun",      the stock runtime; default: crun, else runc, in PATH
//    "bundle":"/usr/share/bartizan/bundle",
//    "tee":"snp",                        default: that of the image
//    "annotations":["broker","log","tee"]}   org.bartizan.* that a container may carry
//
// Annotations are not the operator's word: podman takes those of the image, whose author the host
// need not know. So `bundle`, `key-file` and `allow`, which hand files and places of the host to a
// container, count only where "annotations" lists them. Of `broker` the image itself must say that
// a host may choose it.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"
#include "base/json.hpp"
#include "base/units.hpp"

namespace bartizan::runtime {

// A list of a few paths; more would be somebody's other file.
constexpr uint64_t kMaxSettingsBytes = 64 * kKiB;

struct Settings {
  std::string oci_runtime;
  std::filesystem::path bundle;
  std::optional<Tee> tee;
  std::set<std::string> annotations = {"broker", "log", "tee"};
};

// What a container asks for by annotations; all optional.
struct Wishes {
  std::optional<Tee> tee;          // org.bartizan.tee
  std::filesystem::path bundle;    // org.bartizan.bundle
  std::filesystem::path key_file;  // org.bartizan.key-file
  std::vector<std::string> allow;  // org.bartizan.allow, comma separated
  std::string broker;              // org.bartizan.broker, a URL
  bool log_guest = false;          // org.bartizan.log=guest
};

// corrupt names the member that is wrong or not known; errors begin with `what`.
Result<Settings> parse_settings(std::string_view text, const std::string& what = "configuration");

// $BARTIZAN_RUNTIME_CONFIG, else /etc/bartizan/runtime.json.
std::filesystem::path settings_path(const std::string& given);
// Without a file at the default place: the defaults. A file that is named must be there.
Result<Settings> read_settings(const std::string& given);

// Of the annotations of config.json. invalid_argument: one that is not known, or has no such value;
// permission_denied: one that the settings do not list.
Result<Wishes> parse_wishes(const Json& config, const Settings& settings);

}  // namespace bartizan::runtime
