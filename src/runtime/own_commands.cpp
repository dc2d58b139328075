#include "runtime/own_commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "bartizan/machine.hpp"
#include "base/environment.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "runtime/engines.hpp"
#include "runtime/host.hpp"
#include "runtime/launcher.hpp"
#include "runtime/programs.hpp"
#include "runtime/settings.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "runtime";

constexpr char kHelp[] =
    R"(bartizan-runtime: an OCI runtime that starts confidential images in a VM

usage: bartizan-runtime [--oci-runtime PROGRAM] [--config FILE] COMMAND …
  create, run, start, state, kill, delete, pause, resume, ps, exec, update, events, spec, features:
           as crun and runc have them; passed on to one of these, after config.json of a
           confidential image was rewritten. Ordinary images are passed on as they are.
  install  [--dry-run] [--root FOLDER]   tells podman, containerd and CRI-O of this runtime
  check    says what this host lacks, with the next step
  help     prints this

  --oci-runtime PROGRAM   the stock runtime: a path or a name. Else $BARTIZAN_OCI_RUNTIME, else
                          "oci_runtime" in the configuration, else crun, else runc
  --config FILE           configuration; else $BARTIZAN_RUNTIME_CONFIG, else
                          /etc/bartizan/runtime.json, which may be absent:
                            {"oci_runtime": "crun", "bundle": "FOLDER", "tee": "snp",
                             "annotations": ["broker", "log", "tee"]}
All other options before COMMAND are the stock runtime's.

Annotations of a container, if "annotations" lists them: org.bartizan.tee=TEE,
org.bartizan.broker=URL, org.bartizan.log=guest; org.bartizan.bundle=FOLDER,
org.bartizan.key-file=FILE and org.bartizan.allow=PLACE,… only by the operator's word, because
images may carry annotations.

--version is the stock runtime's.
)";

struct InstallOptions {
  bool dry_run = false;
  fs::path root = "/";
};

Result<InstallOptions> install_options(const std::vector<std::string>& words) {
  InstallOptions options;
  for (size_t at = 0; at < words.size(); ++at) {
    if (words[at] == "--dry-run")
      options.dry_run = true;
    else if (words[at] == "--root" && at + 1 < words.size())
      options.root = words[++at];
    else
      return invalid(kOrigin, "{}: the command takes --dry-run and --root FOLDER", words[at]);
  }
  return options;
}

fs::path home_config() {
  if (auto folder = environment("XDG_CONFIG_HOME")) return *folder;
  return fs::path(environment("HOME").value_or("/")) / ".config";
}

Result<std::vector<DropIn>> all_drop_ins() {
  const fs::path program = TRY(own_program());
  return ::geteuid() == 0 ? drop_ins_of_root(program) : drop_ins_of_user(program, home_config());
}

// What `install` would make of containerd's configuration. not_found: there is none.
Result<std::string> own_containerd_config(const fs::path& path) {
  const Bytes own = TRY(read_regular_file(path, kMaxContainerdConfig));
  return containerd_config(as_text(own), TRY(own_program()));
}

Result<void> install_containerd(const InstallOptions& options) {
  const fs::path path = options.root / fs::path(kContainerdConfig).relative_path();
  const auto text = own_containerd_config(path);
  if (!text.ok() && text.error().code == ErrorCode::not_found) {
    std::printf("%scontainerd: left out, there is no %s\n", options.dry_run ? "# " : "",
                path.c_str());
    return {};
  }
  const std::string content = TRY(text);
  if (options.dry_run) {
    std::printf("# %s, at its end\n%s\n", path.c_str(),
                content.substr(content.find(kWrittenHere)).c_str());
    return {};
  }
  TRY(write_containerd_config(TRY(own_program()), options.root));
  std::printf("containerd: %s, at its end; restart containerd\n", path.c_str());
  return {};
}

Result<int> install(const std::vector<std::string>& words) {
  const auto options = TRY(install_options(words));
  for (const DropIn& file : TRY(all_drop_ins())) {
    const fs::path path = options.root / file.path.relative_path();
    if (options.dry_run) {
      std::printf("# %s\n%s\n", path.c_str(), file.content.c_str());
      continue;
    }
    TRY(write_drop_in(file, options.root));
    std::printf("%s: %s\n", file.engine.c_str(), path.c_str());
  }
  if (::geteuid() == 0) TRY(install_containerd(options));
  return 0;
}

// Lines of `check`: what is good, or an error with the next step.
class HostChecks {
 public:
  void good(const std::string& what) { std::printf("ok       %s\n", what.c_str()); }
  void note(const std::string& what) { std::printf("no       %s\n", what.c_str()); }
  void missing(const std::string& what) { bad("MISSING", what); }
  template <typename T>
  void result(const Result<T>& found, const std::string& what) {
    if (found.ok())
      good(what);
    else
      wrong(found.error());
  }
  // What is there, but not as it should be, is not missing.
  void wrong(Error error) {
    error.origin.clear();
    bad(error.code == ErrorCode::not_found ? "MISSING" : "WRONG", error.describe());
  }
  bool ready() const { return ready_; }

 private:
  void bad(const char* how, const std::string& what) {
    std::printf("%-7s  %s\n", how, what.c_str());
    ready_ = false;
  }

  bool ready_ = true;
};

void check_tee(HostChecks& to) {
  const auto devices = devices_of(Tee::snp);
  if (devices.ok())
    to.good("/dev/sev: for AMD's TEEs (see `bartizan doctor`)");
  else
    to.note(devices.error().message);
}

void check_bundle(const Settings& settings, HostChecks& to) {
  const fs::path path = settings.bundle.empty() ? default_bundle_path() : settings.bundle;
  const auto bundle = read_bundle(path);
  if (bundle.ok())
    return to.good(
        fmt::format("guest bundle {}, kernel {}", path.string(), bundle->kernel_release));
  to.missing(fmt::format("guest bundle: {}: {}", bundle.error().message, bundle_advice(path)));
}

void check_engine(const DropIn& file, HostChecks& to) {
  const DropInState state = state_of(file);
  if (state == DropInState::current)
    to.good(fmt::format("{}: {}", file.engine, file.path.string()));
  else
    to.note(fmt::format("{}: {} {}: `bartizan-runtime install`", file.engine, file.path.string(),
                        state == DropInState::missing ? "is missing" : "has another content"));
}

void check_containerd(HostChecks& to) {
  const auto own = read_regular_file(kContainerdConfig, kMaxContainerdConfig);
  if (!own.ok()) return to.note("containerd: " + own.error().message);
  const auto wanted = own_containerd_config(kContainerdConfig);
  if (wanted.ok() && *wanted == as_text(*own))
    return to.good(fmt::format("containerd: {}", kContainerdConfig));
  to.note("containerd: " + (wanted.ok() ? fmt::format("{} does not have the runtime: "
                                                      "`bartizan-runtime install`, then restart "
                                                      "containerd",
                                                      kContainerdConfig)
                                        : wanted.error().message));
}

Result<int> check(const RuntimeCommand& command) {
  if (!command.arguments.empty())
    return invalid(kOrigin, "{}: the command takes no options", command.arguments[0]);
  HostChecks checks;
  const auto settings = read_settings(command.settings);
  const fs::path file = settings_path(command.settings);
  std::error_code ignored;
  checks.result(settings,
                fmt::format("configuration {}{}", file.string(),
                            fs::exists(file, ignored) ? "" : ": absent, so the defaults"));
  const Settings known = settings.ok() ? *settings : Settings{};
  const auto stock = find_stock_runtime(command.oci_runtime, known.oci_runtime);
  checks.result(stock, "stock runtime " + (stock.ok() ? stock->string() : std::string()));
  checks.result(launcher_files(), "launcher: `bartizan` and its libraries");
  checks.result(devices_of(Tee::none), "/dev/kvm");
  check_tee(checks);
  check_bundle(known, checks);
  for (const DropIn& file : TRY(all_drop_ins())) check_engine(file, checks);
  check_containerd(checks);
  return checks.ready() ? 0 : 1;
}

bool wants_help(const RuntimeCommand& command) {
  if (command.command == "help") return true;
  return command.command.empty() &&
         (command.global.empty() || std::ranges::any_of(command.global, [](const auto& word) {
            return word == "--help" || word == "-h";
          }));
}

}  // namespace

bool is_own_command(const RuntimeCommand& command) {
  return command.command == "install" || command.command == "check" || wants_help(command);
}

Result<int> run_own_command(const RuntimeCommand& command) {
  if (command.command == "install") return install(command.arguments);
  if (command.command == "check") return check(command);
  std::fputs(kHelp, stdout);
  return 0;
}

}  // namespace bartizan::runtime
