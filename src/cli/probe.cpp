// bartizan probe
#include "bartizan/tee.hpp"
#include "cli/command.hpp"
#include "cli/parse.hpp"

namespace bartizan::cli {

namespace {

std::string yes_or(bool yes, const std::string& missing) {
  return yes ? "yes" : "no: " + missing;
}

struct Arguments {
  ProbeOptions options;
  std::string tee;
};

void add_tee(const TeeProbe& tee, std::vector<std::pair<std::string, std::string>>* lines) {
  lines->emplace_back(to_string(tee.tee), yes_or(tee.available, tee.missing));
  if (tee.capacity != 0) {
    lines->emplace_back(
        "", std::to_string(tee.in_use) + " of " + std::to_string(tee.capacity) + " places in use");
  }
  if (!tee.advice.empty()) lines->emplace_back("", tee.advice);
}

// Its status is the answer, for scripts.
Result<int> probe_tee(const HostProbe& host, const std::string& name, Printer& output) {
  const Tee wanted = TRY(as_word("--tee", tee_from_string(name)));
  for (const TeeProbe& tee : host.tees) {
    if (tee.tee != wanted) continue;
    std::vector<std::pair<std::string, std::string>> lines;
    add_tee(tee, &lines);
    output.result(view::to_json(tee), lines);
    return tee.available ? 0 : kExitError;
  }
  return invalid("cli", "--tee: {}: is not probed", name);
}

Result<int> probe_host(const Arguments& arguments, Printer& output) {
  auto host = TRY(probe(arguments.options));
  if (!arguments.tee.empty()) return probe_tee(host, arguments.tee, output);
  std::vector<std::pair<std::string, std::string>> lines = {
      {"kvm", yes_or(host.kvm_usable, host.kvm_missing)},
      {"stock kernels", yes_or(host.runs_stock_kernels, host.kvm_missing)}};
  if (!host.kvm_advice.empty()) lines.emplace_back("", host.kvm_advice);
  for (const TeeProbe& tee : host.tees) add_tee(tee, &lines);
  output.result(view::to_json(host), lines);
  return 0;
}

}  // namespace

void add_probe(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, text::probe::kCommand,
                  [arguments](Printer& output) { return probe_host(*arguments, output); });
  declare(command, text::probe::kTee, arguments->tee);
  declare(command, text::probe::kKvmDevice, arguments->options.kvm_device);
  declare(command, text::probe::kTimeLimit, arguments->options.guest_time_limit_ms);
  declare(command, text::probe::kBundle, arguments->options.bundle);
}

}  // namespace bartizan::cli
