#include "runtime/command_line.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "base/errors.hpp"

namespace bartizan::runtime {
namespace {

// The options of crun (1.8 to main) and runc (1.1, 1.2). Both take other spellings too (`-root
// DIR`, `--roo DIR`), behind which a command or a container's name could hide: where these count, a
// word that is not listed is refused. What takes a value may have it in the next word.
struct KnownOptions {
  std::span<const std::string_view> with_value, flags;
};

constexpr std::string_view kGlobalValues[] = {"--cgroup-manager", "--criu",        "--log",
                                              "--log-format",     "--log-level",   "--root",
                                              "--rootless",       "--oci-runtime", "--config"};
constexpr std::string_view kGlobalFlags[] = {"--debug", "--systemd-cgroup", "--help", "-h", "-?",
                                             "--usage", "--version",        "-v",     "-V"};
constexpr std::string_view kCommandValues[] = {"--bundle",
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
                                               "--process-label",
                                               "--status-fd",
                                               "--page-server",
                                               "--manage-cgroups-mode",
                                               "--network-lock",
                                               "--empty-ns",
                                               "--lsm-profile",
                                               "--lsm-mount-context"};
constexpr std::string_view kCommandFlags[] = {"--detach",
                                              "-d",
                                              "--keep",
                                              "--no-pivot",
                                              "--no-new-keyring",
                                              "--tty",
                                              "-t",
                                              "--no-new-privs",
                                              "--ignore-paused",
                                              "--no-subreaper",
                                              "--leave-running",
                                              "-R",
                                              "--tcp-established",
                                              "--tcp-close",
                                              "--tcp-skip-in-flight",
                                              "--skip-in-flight",
                                              "--link-remap",
                                              "--ext-unix-sk",
                                              "--shell-job",
                                              "-j",
                                              "--lazy-pages",
                                              "--file-locks",
                                              "--pre-dump",
                                              "--auto-dedup",
                                              "--help",
                                              "-h",
                                              "-?",
                                              "--usage",
                                              "--version",
                                              "-V"};
constexpr KnownOptions kGlobal{kGlobalValues, kGlobalFlags};
constexpr KnownOptions kOfCommand{kCommandValues, kCommandFlags};

bool is_one_of(std::span<const std::string_view> options, std::string_view word) {
  return std::ranges::find(options, word) != options.end();
}

struct Option {
  std::string name, value;
};

Error unknown_option(const std::string& word) {
  return invalid("runtime",
                 "{}: not an option that is known here, and a container's name could hide behind "
                 "it: write options in full, as --root FOLDER",
                 word.substr(0, 200));
}

// "-bFOLDER". runc takes "-bundle" for "--bundle", and "-b=FOLDER" is one folder to it and another
// one to crun.
Result<Option> short_with_value(const std::string& word, const KnownOptions& known) {
  const std::string name = word.substr(0, 2), as_long = "-" + word;
  const bool good = is_one_of(known.with_value, name) && word[2] != '=' &&
                    !is_one_of(known.with_value, as_long) && !is_one_of(known.flags, as_long);
  if (good) return Option{name, word.substr(2)};
  return unknown_option(word);
}

// One option of `words` at `at`, which is moved behind it.
Result<Option> next_option(const std::vector<std::string>& words, size_t& at,
                           const KnownOptions& known) {
  const std::string& word = words[at++];
  if (!word.starts_with("--") && word.size() > 2) return short_with_value(word, known);
  const size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const bool flag = is_one_of(known.flags, name);
  if (!flag && !is_one_of(known.with_value, name)) return unknown_option(word);
  if (equals != std::string::npos) return Option{name, word.substr(equals + 1)};
  if (flag) return Option{name, ""};
  if (at == words.size()) return invalid("runtime", "{}: its value is missing", word);
  return Option{name, words[at++]};
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
    auto option = TRY(next_option(words, at, kGlobal));
    take_global(option, to);
    if (!is_ours(option))
      to.global.insert(to.global.end(), begin, words.begin() + static_cast<ptrdiff_t>(at));
  }
  return at;
}

// Words after the container's name are its command (`exec`), whatever they look like.
Result<void> parse_arguments(RuntimeCommand& to) {
  const auto& words = to.arguments;
  size_t at = 0;
  while (at < words.size() && words[at].starts_with('-') && words[at] != "--")
    take_argument(TRY(next_option(words, at, kOfCommand)), to);
  if (at < words.size() && words[at] == "--") ++at;
  if (at < words.size()) to.id = words[at];
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
