#include "runtime/command_line.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/errors.hpp"

namespace bartizan::runtime {
namespace {

// Options of crun and runc that take a value, for only these can hide a command or a container's
// name behind them. Others are flags, or have their value in the same word.
constexpr std::array<std::string_view, 8> kGlobalValues = {
    "--cgroup-manager", "--criu",     "--log",         "--log-format",
    "--root",           "--rootless", "--oci-runtime", "--config"};
constexpr std::array<std::string_view, 26> kCommandValues = {"--bundle",
                                                             "-b",
                                                             "--config",
                                                             "-f",
                                                             "--console-socket",
                                                             "--pid-file",
                                                             "--pidfd-socket",
                                                             "-p",
                                                             "--process",
                                                             "-u",
                                                             "--preserve-fds",
                                                             "--image-path",
                                                             "--work-path",
                                                             "-e",
                                                             "--env",
                                                             "-c",
                                                             "--parent-path",
                                                             "--cwd",
                                                             "--user",
                                                             "-g",
                                                             "--cap",
                                                             "-s",
                                                             "--additional-gids",
                                                             "--apparmor",
                                                             "--cgroup",
                                                             "--process-label"};

template <size_t N>
bool takes_value(const std::array<std::string_view, N>& options, std::string_view word) {
  return std::find(options.begin(), options.end(), word) != options.end();
}

struct Option {
  std::string name, value;
};

// One option of `words` at `at`, which is moved behind it.
template <size_t N>
Result<Option> next_option(const std::vector<std::string>& words, size_t& at,
                           const std::array<std::string_view, N>& with_value) {
  const std::string& word = words[at++];
  const size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
  if (equals != std::string::npos) return Option{word.substr(0, equals), word.substr(equals + 1)};
  if (word.size() > 2 && takes_value(with_value, word.substr(0, 2)))  // -bFOLDER
    return Option{word.substr(0, 2), word.substr(2)};
  if (!takes_value(with_value, word)) return Option{word, ""};
  if (at == words.size()) return invalid("runtime", "{}: its value is missing", word);
  return Option{word, words[at++]};
}

void take_global(const Option& option, RuntimeCommand& to) {
  if (option.name == "--log") to.log = option.value;
  if (option.name == "--log-format") to.log_json = option.value == "json";
  if (option.name == "--oci-runtime") to.oci_runtime = option.value;
  if (option.name == "--config") to.settings = option.value;
}

bool is_ours(const Option& option) {
  return option.name == "--oci-runtime" || option.name == "--config";
}

void take_argument(const Option& option, RuntimeCommand& to) {
  if (option.name == "--bundle" || option.name == "-b") to.bundle = option.value;
  if (option.name == "--config" || option.name == "-f") to.config = option.value;
}

Result<size_t> parse_global(const std::vector<std::string>& words, RuntimeCommand& to) {
  size_t at = 0;
  while (at < words.size() && words[at].starts_with('-')) {
    const auto begin = words.begin() + static_cast<ptrdiff_t>(at);
    auto option = TRY(next_option(words, at, kGlobalValues));
    take_global(option, to);
    if (!is_ours(option))
      to.global.insert(to.global.end(), begin, words.begin() + static_cast<ptrdiff_t>(at));
  }
  return at;
}

// Words after the container's name are its command (`exec`), whatever they look like.
Result<void> parse_arguments(RuntimeCommand& to) {
  for (size_t at = 0; at < to.arguments.size();) {
    if (!to.arguments[at].starts_with('-')) {
      to.id = to.arguments[at];
      return {};
    }
    take_argument(TRY(next_option(to.arguments, at, kCommandValues)), to);
  }
  return {};
}

}  // namespace

bool RuntimeCommand::starts_container() const {
  return command == "create" || command == "run" || command == "restore";
}

bool RuntimeCommand::enters_container() const {
  return command == "exec" || command == "checkpoint";
}

std::vector<std::string> RuntimeCommand::stock_arguments() const {
  std::vector<std::string> words = global;
  if (!command.empty()) words.push_back(command);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Result<RuntimeCommand> parse_command_line(const std::vector<std::string>& words) {
  RuntimeCommand parsed;
  size_t at = TRY(parse_global(words, parsed));
  if (at == words.size()) return parsed;
  parsed.command = words[at++];
  parsed.arguments.assign(words.begin() + static_cast<ptrdiff_t>(at), words.end());
  if (parsed.starts_container() || parsed.enters_container()) TRY(parse_arguments(parsed));
  return parsed;
}

}  // namespace bartizan::runtime
