// The `bartizan` command.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iostream>

#include "cli/command.hpp"
#include "cli/help.hpp"
#include "cli/usage.hpp"

namespace bartizan::cli {

namespace {

void add_commands(CLI::App& app, Invocation& session) {
  app.formatter(std::make_shared<WrappedHelp>());
  app.require_subcommand(1);
  app.set_version_flag("--version,-V", BARTIZAN_VERSION, "Print the version");
  add_json_flag(app, session);
  app.footer(std::string("\n") + text::kFooter);
  add_build(app, session);
  add_inspect(app, session);
  add_verify(app, session);
  add_diff(app, session);
  add_measure(app, session);
  add_bundle(app, session);
  add_broker(app, session);
  add_register(app, session);
  add_unregister(app, session);
  add_list(app, session);
  add_audit(app, session);
  add_run(app, session);
  add_probe(app, session);
}

int wrong_usage(const Error& error, Invocation& session) {
  session.output.error(error);
  return kExitUsage;
}

// The command line could not be parsed, or asks for help.
int usage(const CLI::App& app, const CLI::ParseError& error, const Words& words,
          Invocation& session) {
  session.output.json |= std::ranges::find(words, "--json") != words.end();
  const bool wants_text = error.get_exit_code() == 0;  // --help, --version
  auto unknown = wants_text ? unknown_command(app, words) : unknown_word(app, words);
  if (unknown) return wrong_usage(*unknown, session);
  if (wants_text) return app.exit(error);
  if (app.get_subcommands().empty())
    return wrong_usage(invalid("cli", "a command is required; see bartizan --help"), session);
  return wrong_usage(invalid("cli", "{}", error.what()), session);
}

// One status for one kind of mistake, whichever part of the library noticed it.
int status_of(const Error& error, const Invocation& session) {
  if (cancelling_signal() != 0) return kExitSignal + cancelling_signal();
  return error.code == ErrorCode::invalid_argument ? kExitUsage : session.error_status;
}

int run_work(Invocation& session) {
  Result<int> status = session.work();
  if (status.ok()) return *status;
  session.output.error(status.error());
  return status_of(status.error(), session);
}

int run_command(const Words& words, Invocation& session) {
  CLI::App app{text::kSummary, "bartizan"};
  add_commands(app, session);
  try {
    app.parse(Words(words.rbegin(), words.rend()));  // CLI11 takes them from the back
  } catch (const CLI::ParseError& error) {
    return usage(app, error, words, session);
  }
  return run_work(session);
}

// Success, only if all of it could be written. The error goes to stderr, whatever --json wants.
int finish(int status, Invocation& session) {
  std::cout.flush();
  auto written = flush_stdout();
  if (written.ok()) return status;
  session.output.json = false;
  session.output.error(written.error());
  return status == 0 ? session.error_status : status;
}

int command_main(const Words& words) {
  Invocation session;
  int status = kExitError;
  try {
    status = run_command(words, session);
  } catch (const std::exception& exception) {
    session.output.error(make_error(ErrorCode::internal, "cli", "{}", exception.what()));
    status = session.error_status;
  }
  return finish(status, session);
}

// A closed standard descriptor would be given to the next file that is opened, which then gets what
// is meant for people. Open the wrong way round, it fails when it is used.
void occupy_standard_descriptors() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

}  // namespace

}  // namespace bartizan::cli

int main(int argc, char** argv) {
  bartizan::cli::occupy_standard_descriptors();
  return bartizan::cli::command_main(bartizan::cli::with_help_as_option({argv + 1, argv + argc}));
}
