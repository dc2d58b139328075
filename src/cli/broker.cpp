// bartizan broker, bartizan broker backup, restore, check
#include "bartizan/broker.hpp"

#include <sys/resource.h>

#include <csignal>

#include "base/timestamp.hpp"
#include "cli/command.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct ServeArguments {
  BrokerOptions options;
  std::string listen = "127.0.0.1:8443";
  std::string config;  // read before the command line is parsed
  std::vector<std::string> tls_names, sev_roots;
  bool verbose = false;
};

struct StateArguments {
  std::string state, file;
};

// Blocked in every thread, so that only sigwait() gets them.
sigset_t block_stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// This process serves and does nothing else, so it takes the files that it may have: each
// connection is one.
void raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

void announce(const Broker& broker, const ServeArguments& arguments, const Printer& output) {
  const std::string ca = (arguments.options.state / "ca.pem").string();
  const std::string token = broker.admin_token_path().string();
  output.result({{"url", broker.url()},
                 {"port", broker.port()},
                 {"ca", ca},
                 {"admin_token_file", token},
                 {"certificate_expires", broker.certificate_expires()}},
                {{"url", broker.url()},
                 {"ca", ca},
                 {"admin token", token},
                 {"certificate ends", rfc3339(broker.certificate_expires())}});
}

Result<int> serve(ServeArguments& arguments, Printer& output) {
  auto endpoint = TRY(parse_endpoint(arguments.listen));
  arguments.options.address = endpoint.address;
  arguments.options.port = endpoint.port;
  for (const std::string& name : arguments.tls_names) arguments.options.tls_names.push_back(name);
  for (const std::string& path : arguments.sev_roots) {
    auto root = TRY(read_text("--sev-root", path));
    arguments.options.sev_roots.emplace_back(root.begin(), root.end());
  }
  output.verbose = arguments.verbose;
  arguments.options.log = output.log();
  const sigset_t stop = block_stop_signals();
  raise_file_limit();
  auto broker = TRY(Broker::start(arguments.options));
  announce(broker, arguments, output);
  TRY(flush_stdout());  // nobody would learn where it listens
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  broker.stop();
  return 0;
}

Result<int> back_up(const StateArguments& arguments, Printer& output) {
  TRY(require_file("--output", arguments.file));
  TRY(backup_broker(arguments.state, arguments.file));
  output.result({{"backup", arguments.file}}, {{"backup", arguments.file}});
  return 0;
}

Result<int> restore(const StateArguments& arguments, Printer& output) {
  TRY(restore_broker(arguments.state, arguments.file));
  output.result({{"state", arguments.state}}, {{"restored", arguments.state}});
  return 0;
}

Result<int> check(const StateArguments& arguments, Printer& output) {
  const std::string text = TRY(check_broker(arguments.state));
  const auto found = view::Json::parse(text, nullptr, false);
  std::vector<std::pair<std::string, std::string>> lines;
  for (const view::Json& one : found.at("checks")) {
    const std::string words = one.at("found").get<std::string>();
    lines.emplace_back(one.at("name").get<std::string>(),
                       one.at("good").get<bool>() ? words : "WRONG: " + words);
  }
  output.result(found, lines);
  return found.at("good").get<bool>() ? 0 : kExitError;
}

// `bartizan broker` is a command of its own: what it requires, its commands do without.
CLI::App& add_below(CLI::App& broker, Invocation& session, const CommandText& text, Work work) {
  CLI::App& command = add_command(broker, session, text, std::move(work));
  CLI::Option* state = broker.get_option(text::broker::kState.flags);
  command.preparse_callback([state](size_t) { state->required(false); });
  return command;
}

void add_state_commands(CLI::App& broker, Invocation& session) {
  const auto add = [&](const CommandText& text, auto work) {
    auto arguments = std::make_shared<StateArguments>();
    CLI::App& command = add_below(broker, session, text, [arguments, work](Printer& output) {
      return work(*arguments, output);
    });
    return std::pair<CLI::App&, std::shared_ptr<StateArguments>>(command, arguments);
  };
  auto [backup_command, backup] = add(text::broker_backup::kCommand, back_up);
  declare(backup_command, text::broker_backup::kState, backup->state);
  declare(backup_command, text::broker_backup::kOutput, backup->file);
  auto [restore_command, restored] = add(text::broker_restore::kCommand, restore);
  declare(restore_command, text::broker_restore::kBackup, restored->file);
  declare(restore_command, text::broker_restore::kState, restored->state);
  auto [check_command, checked] = add(text::broker_check::kCommand, check);
  declare(check_command, text::broker_check::kState, checked->state);
}

}  // namespace

void add_broker(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App& command =
      add_command(app, session, text::broker::kCommand,
                  [arguments](Printer& output) { return serve(*arguments, output); });
  declare(command, text::broker::kState, arguments->options.state);
  declare(command, text::broker::kListen, arguments->listen);
  declare(command, text::broker::kTlsName, arguments->tls_names);
  declare(command, text::broker::kSevRoot, arguments->sev_roots);
  declare(command, text::broker::kRequestsPerSecond, arguments->options.requests_per_second);
  declare(command, text::broker::kRequestBurst, arguments->options.request_burst);
  declare(command, text::broker::kTrustedProxy, arguments->options.trusted_proxies);
  declare(command, text::broker::kCollateral, arguments->options.collateral);
  declare(command, text::broker::kConfig, arguments->config);
  declare(command, text::broker::kVerbose, arguments->verbose);
  add_state_commands(command, session);
  command.callback([&command, &session, arguments] {
    if (!command.get_subcommands().empty()) return;
    session.work = [&session, arguments] { return serve(*arguments, session.output); };
  });
}

}  // namespace bartizan::cli
