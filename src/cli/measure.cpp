// bartizan measure, bartizan probe
#include "cli/launch.hpp"

namespace bartizan::cli {

namespace {

struct MeasureArguments {
  LaunchArguments launch;
  std::string image;
};

Result<int> measure_launch(const MeasureArguments& arguments, Output& output) {
  std::optional<ImageInfo> image;
  if (!arguments.image.empty()) {
    auto info = inspect_image(arguments.image);
    CLI_CHECK(info);
    image = *std::move(info);
  }
  auto options = launch_options(arguments.launch, image ? &*image : nullptr);
  CLI_CHECK(options);
  auto measurement = measure(*options);
  CLI_CHECK(measurement);
  output.result(view::to_json(*measurement), {{"tee", std::string(to_string(measurement->tee))},
                                              {"digest", view::to_hex(measurement->digest)},
                                              {"pages", std::to_string(measurement->page_count)}});
  return 0;
}

std::string yes_or(bool yes, const std::string& missing) {
  return yes ? "yes" : "no: " + missing;
}

Result<int> probe_host(const ProbeOptions& options, Output& output) {
  auto host = probe(options);
  CLI_CHECK(host);
  std::vector<std::pair<std::string, std::string>> lines = {
      {"kvm", yes_or(host->kvm_usable, host->kvm_missing)},
      {"stock kernels", yes_or(host->runs_stock_kernels, host->kvm_missing)}};
  if (!host->kvm_advice.empty()) lines.emplace_back("", host->kvm_advice);
  for (const TeeProbe& tee : host->tees) {
    lines.emplace_back(to_string(tee.tee), yes_or(tee.available, tee.missing));
    if (!tee.advice.empty()) lines.emplace_back("", tee.advice);
  }
  output.result(view::to_json(*host), lines);
  return 0;
}

}  // namespace

void add_measure(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<MeasureArguments>();
  CLI::App& command = add_command(
      app, session, "measure", "Compute what a launch will measure; needs no KVM",
      "  bartizan measure --cpus 2 --memory 1024\n"
      "  bartizan measure --image confidential/ --tee simulated --json | jq -r .digest\n",
      [arguments](Output& output) { return measure_launch(*arguments, output); });
  add_launch_options(command, arguments->launch, "the image's, or 1 and 512");
  command.add_option("--image", arguments->image, "Take --cpus and --memory from this image")
      ->type_name("IMAGE");
}

void add_probe(CLI::App& app, Session& session) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App& command =
      add_command(app, session, "probe", "Tell what this host can run, and what is missing",
                  "  bartizan probe\n"
                  "  bartizan probe --json | jq '.tees[] | select(.available) | .tee'\n",
                  [options](Output& output) { return probe_host(*options, output); });
  command.add_option("--kvm-device", options->kvm_device, "KVM's device")->capture_default_str();
  command
      .add_option("--time-limit", options->guest_time_limit_ms, "Milliseconds for the probe guest")
      ->capture_default_str();
}

}  // namespace bartizan::cli
