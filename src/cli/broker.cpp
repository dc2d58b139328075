// bartizan broker
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
}

}  // namespace bartizan::cli
