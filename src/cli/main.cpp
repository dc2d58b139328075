// The `bartizan` command.
#include <cstring>
#include <exception>

#include "cli/command.hpp"

namespace bartizan::cli {

namespace {

void add_commands(CLI::App& app, Invocation& session) {
  app.require_subcommand(1);
  app.set_version_flag("--version", BARTIZAN_VERSION);
  app.footer(std::string("\n") + text::kFooter);
  add_build(app, session);
  add_inspect(app, session);
  add_verify(app, session);
  add_diff(app, session);
  add_measure(app, session);
  add_bundle(app, session);
  add_broker(app, session);
  add_register(app, session);
  add_audit(app, session);
  add_run(app, session);
  add_up(app, session);
  add_probe(app, session);
  add_doctor(app, session);
}

// The command line could not be parsed, or asks for help.
int usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv,
          Invocation& session) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  for (int i = 1; i < argc; ++i) session.output.json |= !std::strcmp(argv[i], "--json");
  std::string message = error.what();
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands().empty())
    message = std::string(argv[1]) + ": no such command; see bartizan --help";
  session.output.error(invalid("cli", "{}", message));
  return kExitUsage;
}

int run_work(Invocation& session) {
  Result<int> status = session.work();
  if (status.ok()) return *status;
  session.output.error(status.error());
  return session.error_status;
}

int command_main(int argc, char** argv) {
  CLI::App app{text::kSummary, "bartizan"};
  Invocation session;
  add_commands(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage(app, error, argc, argv, session);
  }
  try {
    return run_work(session);
  } catch (const std::exception& exception) {
    session.output.error(make_error(ErrorCode::internal, "cli", "{}", exception.what()));
    return session.error_status;
  }
}

}  // namespace

}  // namespace bartizan::cli

int main(int argc, char** argv) {
  return bartizan::cli::command_main(argc, argv);
}
