#include "guest/init/workload/process_config.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>

#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr std::string_view kWhat = "image config";
constexpr std::string_view kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// POSIX real-time signals as libcs number them for programs: the first two are the libc's own.
constexpr int kFirstRealTime = 34, kLastRealTime = 64;

Error corrupt(std::string_view member, std::string_view why) {
  return make_error(ErrorCode::corrupt, "guest/process", "{}: {}: {}", kWhat, member, why);
}

// Absent and null mean the same in image configs ("Cmd": null is what tools write).
const Json* member_or_null(const Json& object, const char* key) {
  auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// A NUL inside would silently cut the word at exec.
bool is_word(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().find('\0') == std::string::npos;
}

Result<void> append_words(const Json& object, const char* key, std::vector<std::string>* to) {
  const Json* list = member_or_null(object, key);
  if (list == nullptr) return {};
  if (!list->is_array() || list->size() > kMaxWords) return corrupt(key, "not a list of strings");
  for (const Json& item : *list) {
    if (!is_word(item)) return corrupt(key, "not a list of strings");
    to->push_back(item.get<std::string>());
  }
  return {};
}

Result<std::string> text(const Json& object, const char* key) {
  const Json* value = member_or_null(object, key);
  if (value == nullptr) return std::string();
  if (!is_word(*value)) return corrupt(key, "not a string");
  return value->get<std::string>();
}

Result<void> check_environment(const std::vector<std::string>& environment) {
  for (const std::string& word : environment) {
    size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) return corrupt("Env", "not NAME=value");
  }
  return {};
}

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes what is before the next `separator` off the front of `rest`.
std::string_view next_field(std::string_view* rest, char separator) {
  size_t end = rest->find(separator);
  std::string_view field = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return field;
}

struct Account {
  std::string_view name;
  uint32_t user = 0, group = 0;
  std::string_view home;
};

// passwd(5): name:password:uid:gid:comment:home:shell. Lines that are none are passed over.
std::optional<Account> find_account(std::string_view passwd, std::string_view wanted) {
  const auto wanted_number = number(wanted);
  while (!passwd.empty()) {
    std::string_view line = next_field(&passwd, '\n');
    std::string_view name = next_field(&line, ':');
    next_field(&line, ':');
    auto user = number(next_field(&line, ':')), group = number(next_field(&line, ':'));
    next_field(&line, ':');
    if (!user || !group) continue;
    if (name == wanted || wanted_number == user)
      return Account{name, *user, *group, next_field(&line, ':')};
  }
  return std::nullopt;
}

bool lists_member(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    if (next_field(&members, ',') == name) return true;
  }
  return false;
}

// group(5): name:password:gid:member,member. Calls `visit(name, gid, members)` until it returns
// true.
template <typename Visit>
bool visit_groups(std::string_view text, Visit visit) {
  while (!text.empty()) {
    std::string_view line = next_field(&text, '\n');
    std::string_view name = next_field(&line, ':');
    next_field(&line, ':');
    auto id = number(next_field(&line, ':'));
    if (id && visit(name, *id, line)) return true;
  }
  return false;
}

Result<uint32_t> group_number(std::string_view wanted, std::string_view group) {
  if (auto id = number(wanted)) return *id;
  uint32_t found = 0;
  if (visit_groups(group, [&](std::string_view name, uint32_t id, std::string_view) {
        found = id;
        return name == wanted;
      })) {
    return found;
  }
  return make_error(ErrorCode::not_found, "guest/process",
                    "group \"{}\": not in the image's /etc/group", wanted);
}

std::vector<uint32_t> supplementary_groups(std::string_view name, std::string_view group) {
  std::vector<uint32_t> groups;
  visit_groups(group, [&](std::string_view, uint32_t id, std::string_view members) {
    if (lists_member(members, name)) groups.push_back(id);
    return groups.size() == kMaxWords;
  });
  return groups;
}

}  // namespace

Result<int> signal_number(std::string_view name) {
  const std::string_view whole = name;
  if (auto value = number(name); value && *value >= 1 && *value <= kLastRealTime) {
    return static_cast<int>(*value);
  }
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  if (name.starts_with("RTMIN")) {
    std::string_view offset = name.substr(5);
    if (offset.empty()) return kFirstRealTime;
    auto count = number(offset.substr(1));
    if (offset[0] == '+' && count && *count <= kLastRealTime - kFirstRealTime) {
      return kFirstRealTime + static_cast<int>(*count);
    }
  }
  return corrupt("StopSignal", fmt::format("\"{}\" is not a signal", whole));
}

Result<ProcessConfig> parse_process_config(std::string_view json) {
  Json document = TRY(parse_json(json, kWhat));
  const Json& config = *TRY(json_member(document, "config", kWhat));
  if (!config.is_object()) return corrupt("config", "not an object");
  ProcessConfig process;
  TRY(append_words(config, "Entrypoint", &process.arguments));
  TRY(append_words(config, "Cmd", &process.arguments));
  TRY(append_words(config, "Env", &process.environment));
  TRY(check_environment(process.environment));
  process.user = TRY(text(config, "User"));
  std::string directory = TRY(text(config, "WorkingDir"));
  // The specification wants an absolute path; tools that forgot the slash meant it.
  if (!directory.empty())
    process.working_directory = directory[0] == '/' ? directory : "/" + directory;
  std::string signal = TRY(text(config, "StopSignal"));
  if (!signal.empty()) process.stop_signal = TRY(signal_number(signal));
  if (process.arguments.empty() || process.arguments[0].empty()) {
    return make_error(ErrorCode::invalid_argument, "guest/process",
                      "{}: neither Entrypoint nor Cmd names a program", kWhat);
  }
  return process;
}

Result<Credentials> resolve_user(std::string_view user, std::string_view passwd,
                                 std::string_view group) {
  const size_t colon = user.find(':');
  std::string_view wanted_user = user.substr(0, colon);
  if (wanted_user.empty()) wanted_user = "0";
  Credentials result;
  auto account = find_account(passwd, wanted_user);
  if (account) {
    result.user = account->user;
    result.group = account->group;
    if (account->home.starts_with('/')) result.home = account->home;
  } else if (auto id = number(wanted_user)) {
    result.user = *id;
    if (*id == 0) result.home = "/root";
  } else {
    return make_error(ErrorCode::not_found, "guest/process",
                      "user \"{}\": not in the image's /etc/passwd", wanted_user);
  }
  if (colon != std::string_view::npos) {
    result.group = TRY(group_number(user.substr(colon + 1), group));
  } else if (account) {
    result.groups = supplementary_groups(account->name, group);
  }
  return result;
}

std::string_view environment_value(const std::vector<std::string>& environment,
                                   std::string_view name) {
  for (std::string_view word : environment) {
    if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=') {
      return word.substr(name.size() + 1);
    }
  }
  return {};
}

std::vector<std::string> complete_environment(const ProcessConfig& config, std::string_view home) {
  std::vector<std::string> environment = config.environment;
  const auto sets = [&environment](std::string_view prefix) {
    return std::any_of(environment.begin(), environment.end(),
                       [prefix](const std::string& word) { return word.starts_with(prefix); });
  };
  if (!sets("PATH=")) environment.emplace_back(kDefaultPath);
  if (!sets("HOME=")) environment.push_back(fmt::format("HOME={}", home));
  if (!sets("TERM=")) environment.emplace_back("TERM=xterm");
  return environment;
}

}  // namespace bartizan::guest::init::workload
