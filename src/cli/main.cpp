// The `bartizan` command.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <sstream>

#include "cli/command.hpp"
#include "cli/config_file.hpp"
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
  add_show(app, session);
  add_rotate_key(app, session);
  add_expire(app, session);
  add_audit(app, session);
  add_verify_audit(app, session);
  add_token(app, session);
  add_evidence(app, session);
  add_run(app, session);
  add_up(app, session);
  add_probe(app, session);
  add_doctor(app, session);
}

int wrong_usage(const Error& error, Invocation& session) {
  session.output.error(error);
  return kExitUsage;
}

// What --help or --version prints, --json or not.
int print_wanted_text(const CLI::App& app, const CLI::ParseError& error, Invocation& session) {
  std::ostringstream text;
  const int status = app.exit(error, text, text);
  session.output.json = false;
  session.output.text(text.str());
  return status;
}

// The command line could not be parsed, or asks for help.
int usage(const CLI::App& app, const CLI::ParseError& error, const Words& words,
          Invocation& session) {
  session.output.json |= std::ranges::find(words, "--json") != words.end();
  const bool wants_text = error.get_exit_code() == 0;  // --help, --version
  auto unknown = wants_text ? unknown_command(app, words) : unknown_word(app, words);
  if (unknown) return wrong_usage(*unknown, session);
  if (wants_text) return print_wanted_text(app, error, session);
  return wrong_usage(wrong_words(app, error), session);
}

// kExitUsage for words that are refused as they are read, whatever there is on this machine.
int status_of(const Error& error, const Invocation& session) {
  if (cancelling_signal() != 0) return kExitSignal + cancelling_signal();
  const bool words = error.code == ErrorCode::invalid_argument && error.origin == "cli";
  return words ? kExitUsage : session.error_status;
}

// Part of a word, a path or a value: not the name of an option.
bool continues_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_-/.=\"").find(c) != std::string_view::npos;
}

// The library's errors name options as programs have them: `force`, ram_mib.
Error with_flag_names(Error error) {
  std::string& message = error.message;
  for (const auto& [name, flag] : text::kLibraryNames) {
    const std::string word = name;
    for (size_t at = 0; (at = message.find(word, at)) != message.npos;
         at += std::string(flag).size()) {
      const size_t end = at + word.size();
      const bool inside = (at > 0 && continues_word(message[at - 1])) ||
                          (end < message.size() && continues_word(message[end]));
      if (!inside) message.replace(at, word.size(), flag);
    }
  }
  return error;
}

int run_work(Invocation& session) {
  Result<int> status = session.work();
  if (status.ok()) return *status;
  const Error error = with_flag_names(std::move(status).error());
  session.output.error(error);
  return status_of(error, session);
}

int run_command(const Words& words, Invocation& session) {
  CLI::App app{text::kSummary, "bartizan"};
  add_commands(app, session);
  auto filled = with_config_file(app, words);
  if (!filled.ok()) {
    session.output.json = std::ranges::find(words, "--json") != words.end();
    session.output.error(filled.error());
    return status_of(filled.error(), session);
  }
  try {
    app.parse(Words(filled->rbegin(), filled->rend()));  // CLI11 takes them from the back
  } catch (const CLI::ParseError& error) {
    return usage(app, error, *filled, session);
  }
  return run_work(session);
}

// Success, only if all of it could be written. The error goes to stderr, whatever --json wants.
int finish(int status, Invocation& session) {
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
  ::signal(SIGXFSZ, SIG_IGN);  // RLIMIT_FSIZE is an error like a full disk, and no end
  bartizan::cli::occupy_standard_descriptors();
  return bartizan::cli::command_main(bartizan::cli::with_help_as_option({argv + 1, argv + argc}));
}
