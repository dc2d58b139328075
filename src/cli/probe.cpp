// bartizan probe
#include "bartizan/tee.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

namespace {

std::string yes_or(bool yes, const std::string& missing) {
  return yes ? "yes" : "no: " + missing;
}

Result<int> probe_host(const ProbeOptions& options, Printer& output) {
  auto host = TRY(probe(options));
  std::vector<std::pair<std::string, std::string>> lines = {
      {"kvm", yes_or(host.kvm_usable, host.kvm_missing)},
      {"stock kernels", yes_or(host.runs_stock_kernels, host.kvm_missing)}};
  if (!host.kvm_advice.empty()) lines.emplace_back("", host.kvm_advice);
  for (const TeeProbe& tee : host.tees) {
    lines.emplace_back(to_string(tee.tee), yes_or(tee.available, tee.missing));
    if (tee.capacity != 0) {
      lines.emplace_back("", std::to_string(tee.in_use) + " of " + std::to_string(tee.capacity) +
                                 " places in use");
    }
    if (!tee.advice.empty()) lines.emplace_back("", tee.advice);
  }
  output.result(view::to_json(host), lines);
  return 0;
}

}  // namespace

void add_probe(CLI::App& app, Invocation& session) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App& command = add_command(app, session, text::probe::kCommand, [options](Printer& output) {
    return probe_host(*options, output);
  });
  declare(command, text::probe::kKvmDevice, options->kvm_device);
  declare(command, text::probe::kTimeLimit, options->guest_time_limit_ms);
}

}  // namespace bartizan::cli
