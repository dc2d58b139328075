// How a subcommand is declared and run.
//
// An add_* function declares its options, bound to an arguments struct that the command owns;
// parsing picks the work, main() runs it. The work returns the process's exit status or an Error,
// which main() prints.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "base/errors.hpp"
#include "cli/generated/texts.hpp"
#include "cli/output.hpp"

namespace bartizan::cli {

// Exit statuses, listed by `bartizan --help`.
constexpr int kExitError = 1;
constexpr int kExitUsage = 2;
constexpr int kExitNotLaunched = 125;  // `run` only, distinct from a workload's own 1
constexpr int kExitSignal = 128;       // and the number of the signal that cancelled the work

struct Invocation {
  Printer output;
  std::function<Result<int>()> work;  // what the command line asks for
  int error_status = kExitError;
};

using Work = std::function<Result<int>(Printer&)>;

void add_json_flag(CLI::App& command, Invocation& session);

// A subcommand with --json and a footer of examples.
CLI::App& add_command(CLI::App& parent, Invocation& session, const CommandText& text, Work work);

void add_build(CLI::App& app, Invocation& session);
void add_inspect(CLI::App& app, Invocation& session);
void add_verify(CLI::App& app, Invocation& session);
void add_diff(CLI::App& app, Invocation& session);
void add_measure(CLI::App& app, Invocation& session);
void add_probe(CLI::App& app, Invocation& session);
void add_bundle(CLI::App& app, Invocation& session);
void add_broker(CLI::App& app, Invocation& session);
void add_register(CLI::App& app, Invocation& session);
void add_unregister(CLI::App& app, Invocation& session);
void add_list(CLI::App& app, Invocation& session);
void add_show(CLI::App& app, Invocation& session);
void add_rotate_key(CLI::App& app, Invocation& session);
void add_expire(CLI::App& app, Invocation& session);
void add_audit(CLI::App& app, Invocation& session);
void add_verify_audit(CLI::App& app, Invocation& session);
void add_token(CLI::App& app, Invocation& session);
void add_evidence(CLI::App& app, Invocation& session);
void add_run(CLI::App& app, Invocation& session);
void add_up(CLI::App& app, Invocation& session);
void add_doctor(CLI::App& app, Invocation& session);

}  // namespace bartizan::cli
