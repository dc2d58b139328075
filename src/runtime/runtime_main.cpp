// bartizan-runtime: an OCI runtime in front of the stock one.
#include <signal.h>

#include <exception>

#include "base/blocked_signal.hpp"
#include "base/errors.hpp"
#include "runtime/command_line.hpp"
#include "runtime/container.hpp"
#include "runtime/own_commands.hpp"
#include "runtime/programs.hpp"
#include "runtime/report.hpp"
#include "runtime/settings.hpp"

namespace bartizan::runtime {
namespace {

constexpr int kFailed = 1;  // of crun and runc too

// What is done before the stock runtime, which inherits nothing of it but the bundle.
Result<void> prepare(const RuntimeCommand& command, const Settings& settings,
                     const std::filesystem::path& stock) {
  const BlockedSignal quiet(SIGXFSZ);  // RLIMIT_FSIZE is an error like a full disk, and no end
  if (command.starts_container()) {
    const auto remarks = TRY(prepare_container(command, settings));
    for (const std::string& remark : remarks) warn(remark, command);
  }
  if (command.enters_container()) TRY(check_entering(command, stock));
  return {};
}

// Returns only with an error.
Result<void> pass_on(const RuntimeCommand& command) {
  auto read = read_settings(command.settings);
  // A container that runs can be stopped, whatever became of our settings.
  if (!read.ok() && (command.starts_container() || command.enters_container())) return read.error();
  const Settings settings = read.ok() ? *std::move(read) : Settings();
  const auto stock = TRY(find_stock_runtime(command.oci_runtime, settings.oci_runtime));
  TRY(prepare(command, settings, stock));
  return become(stock, command.stock_arguments());
}

int own_status(const RuntimeCommand& command) {
  const BlockedSignal quiet(SIGXFSZ);
  const auto status = run_own_command(command);
  if (status.ok()) return *status;
  report(status.error(), command);
  return kFailed;
}

int runtime_main(const std::vector<std::string>& words) {
  auto command = parse_command_line(words);
  if (!command.ok()) {
    report(command.error(), {});
    return kFailed;
  }
  if (is_own_command(*command)) return own_status(*command);
  report(pass_on(*command).error(), *command);
  return kFailed;
}

}  // namespace
}  // namespace bartizan::runtime

int main(int argc, char** argv) {
  using namespace bartizan;  // NOLINT: of a main program
  try {
    return runtime::runtime_main({argv + 1, argv + argc});
  } catch (const std::exception& exception) {
    runtime::report(make_error(ErrorCode::internal, "runtime", "{}", exception.what()), {});
    return runtime::kFailed;
  }
}
