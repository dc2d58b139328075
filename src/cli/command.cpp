#include "cli/command.hpp"

namespace bartizan::cli {

void add_json_flag(CLI::App& command, Invocation& session) {
  command.add_flag("--json", session.output.json,
                   "Print the result, or the error, as one JSON object on stdout");
}

CLI::App& add_command(CLI::App& parent, Invocation& session, const CommandText& text, Work work) {
  CLI::App* command = parent.add_subcommand(text.name, text.summary);
  add_json_flag(*command, session);
  const std::string about = *text.about ? std::string("\n") + text.about : "";
  command->footer(std::string("\nExamples:\n") + text.examples + about);
  command->callback([&session, work = std::move(work)] {
    session.work = [&session, work] { return work(session.output); };
  });
  return *command;
}

}  // namespace bartizan::cli
