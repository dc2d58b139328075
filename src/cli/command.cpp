#include "cli/command.hpp"

namespace bartizan::cli {

CLI::App& add_command(CLI::App& parent, Invocation& session, const std::string& name,
                      const std::string& description, const std::string& examples, Work work) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->add_flag("--json", session.output.json,
                    "Result, or error, as one JSON object on stdout");
  command->footer("\nExamples:\n" + examples);
  command->callback([&session, work = std::move(work)] {
    session.work = [&session, work] { return work(session.output); };
  });
  return *command;
}

}  // namespace bartizan::cli
