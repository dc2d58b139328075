// bartizan broker, bartizan audit
#include "bartizan/broker.hpp"

#include <csignal>
#include <filesystem>

#include "bartizan/image.hpp"
#include "cli/command.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct AccessArguments {
  std::string url, ca, token_file;
};

void add_access_options(CLI::App& command, AccessArguments& to) {
  declare(command, text::audit::kBroker, to.url);
  declare(command, text::audit::kCa, to.ca);
  declare(command, text::audit::kTokenFile, to.token_file);
}

Result<BrokerAccess> access_of(const AccessArguments& arguments) {
  auto pem = TRY(read_certificates("--ca", arguments.ca));
  auto token = TRY(read_secret("--token-file", arguments.token_file));
  return BrokerAccess{arguments.url, std::move(pem), std::move(token)};
}

// ---- broker

struct ServeArguments {
  BrokerOptions options;
  std::string listen = "127.0.0.1:8443";
  std::vector<std::string> tls_names, sev_roots;
  bool verbose = false;
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

void announce(const Broker& broker, const ServeArguments& arguments, const Printer& output) {
  const std::string ca = (arguments.options.state / "ca.pem").string();
  const std::string token = broker.admin_token_path().string();
  output.result(
      {{"url", broker.url()}, {"port", broker.port()}, {"ca", ca}, {"admin_token_file", token}},
      {{"url", broker.url()}, {"ca", ca}, {"admin token", token}});
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
  auto broker = TRY(Broker::start(arguments.options));
  announce(broker, arguments, output);
  TRY(flush_stdout());  // nobody would learn where it listens
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  broker.stop();
  return 0;
}

// ---- audit

struct AuditArguments {
  AccessArguments access;
  std::string workload_id;
};

// An id has no file of its name; an image has its id in it.
Result<std::string> id_of(const std::string& workload) {
  std::error_code ignored;
  if (!std::filesystem::exists(workload, ignored)) return workload;
  return TRY(inspect_image(workload)).workload_id;
}

Result<int> audit(const AuditArguments& arguments, Printer& output) {
  auto access = TRY(access_of(arguments.access));
  const std::string workload_id = TRY(id_of(arguments.workload_id));
  auto text = TRY(broker_audit(access, workload_id));
  const view::Json list = view::Json::parse(text, nullptr, false);
  if (!list.is_array())
    return make_error(ErrorCode::protocol, "cli", "broker: the audit is not a JSON array");
  std::vector<std::pair<std::string, std::string>> lines;
  const auto word = [](const view::Json& entry, const char* key) {
    const auto found = entry.find(key);
    if (found == entry.end() || found->is_null()) return std::string();
    return found->is_string() ? found->get<std::string>() : view::to_text(*found);
  };
  for (const view::Json& entry : list) {
    if (!entry.is_object()) continue;
    std::string line = word(entry, "decision");
    if (!word(entry, "reason").empty())
      line += " [" + word(entry, "reason") + "] expected " + word(entry, "expected") + ", got " +
              word(entry, "got");
    lines.emplace_back(word(entry, "time"), line);
  }
  if (lines.empty()) lines.emplace_back(workload_id, "no launch has asked for its key yet");
  output.result(list, lines);
  return 0;
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
  declare(command, text::broker::kVerbose, arguments->verbose);
}

void add_audit(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AuditArguments>();
  CLI::App& command =
      add_command(app, session, text::audit::kCommand,
                  [arguments](Printer& output) { return audit(*arguments, output); });
  declare(command, text::audit::kWorkload, arguments->workload_id);
  add_access_options(command, arguments->access);
}

}  // namespace bartizan::cli
