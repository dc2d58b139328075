// bartizan doctor: what this host can do, and what to do about the rest.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "bartizan/machine.hpp"
#include "base/environment.hpp"
#include "cli/command.hpp"
#include "cli/up.hpp"

namespace bartizan::cli {

namespace {

namespace fs = std::filesystem;

struct Check {
  std::string name;
  bool needed = false;  // without it no guest can be launched here
  bool good = false;
  std::string found;  // what there is, or what is missing
  std::string advice;
};

Check of_kvm(const HostProbe& host, const std::string& device) {
  if (host.runs_stock_kernels) return {"kvm", true, true, device + " runs stock kernels", ""};
  return {"kvm", true, false, host.kvm_missing, host.kvm_advice};
}

// The TEEs that protect something: any one will do, so none is needed.
Check of_tee(const TeeProbe& tee) {
  Check check{std::string(to_string(tee.tee)), false, tee.available, tee.missing, tee.advice};
  if (tee.available) check.found = "available";
  if (tee.available && tee.capacity != 0)
    check.found += fmt::format(", {} of {} places in use", tee.in_use, tee.capacity);
  return check;
}

// What `bundle create` would take: it reads kernel and init, and is stopped before it makes
// anything.
Check of_bundle_sources() {
  Check check{"kernel and init", true, false, "", ""};
  BundleOptions options;
  options.progress = [&](const Progress& progress) { return progress.stage != "modules"; };
  auto made = create_bundle(options);
  check.good = !made.ok() && made.error().code == ErrorCode::cancelled;
  check.found =
      check.good ? "`bartizan bundle create` takes " + made.error().got : made.error().message;
  if (!check.good)
    check.advice =
        "apt-get install linux-image-6.12-cloud-amd64 (Debian 12) or linux-image-cloud-amd64, or "
        "`bartizan bundle create --kernel "
        "FILE --init FILE`";
  return check;
}

Check of_bundle() {
  const fs::path path = default_bundle_path();
  auto bundle = read_bundle(path);
  if (bundle.ok())
    return {"bundle", false, true,
            fmt::format("{}, kernel {}, which can be a guest of {}", path.string(),
                        bundle->kernel_release, to_string(bundle->tees)),
            ""};
  return {"bundle", false, false, bundle.error().message,
          "bartizan bundle create (`bartizan up` makes its own)"};
}

bool in_path(const std::string& program) {
  const std::string path = environment("PATH").value_or("");
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const fs::path file = fs::path(rest.substr(0, colon)) / program;
    if (access(file.c_str(), X_OK) == 0) return true;
    rest = colon == rest.npos ? "" : rest.substr(colon + 1);
  }
  return false;
}

Check of_program(const std::string& program, const std::string& package, const std::string& what) {
  const bool good = in_path(program);
  return {program, false, good, good ? what : "not installed: " + what,
          good ? "" : "apt-get install " + package};
}

view::Json json_of(const std::vector<Check>& checks, bool ready, std::string_view tee,
                   const HostProbe& host) {
  view::Json list = view::Json::array();
  for (const Check& check : checks)
    list.push_back({{"name", check.name},
                    {"needed", check.needed},
                    {"good", check.good},
                    {"found", check.found},
                    {"advice", check.advice}});
  return {{"ready", ready}, {"tee", tee}, {"checks", list}, {"host", view::to_json(host)}};
}

std::vector<std::string> lines_of(const std::vector<Check>& checks, bool ready, Tee tee) {
  std::vector<std::string> lines;
  for (const Check& check : checks) {
    const char* mark = check.good ? "ok" : check.needed ? "MISSING" : "no";
    lines.push_back(fmt::format("{:<8} {:<18} {}", mark, check.name, check.found));
    if (!check.good && !check.advice.empty())
      lines.push_back(fmt::format("{:<27} -> {}", "", check.advice));
  }
  lines.emplace_back();
  if (!ready)
    lines.emplace_back("This host cannot launch a guest; images can be built and measured here.");
  else if (tee == Tee::simulated)
    lines.emplace_back(
        "This host can launch guests in the simulated TEE alone: it protects nothing.");
  else
    lines.push_back(fmt::format("This host can launch confidential guests: {}.", to_string(tee)));
  return lines;
}

Result<int> doctor(const ProbeOptions& options, Printer& output) {
  auto host = TRY(probe(options));
  std::vector<Check> checks = {of_kvm(host, options.kvm_device.string())};
  for (const TeeProbe& tee : host.tees) {
    if (tee.tee != Tee::none && tee.tee != Tee::simulated) checks.push_back(of_tee(tee));
  }
  checks.push_back(of_bundle_sources());
  checks.push_back(of_bundle());
  checks.push_back(of_program("skopeo", "skopeo", "reads images from registries and archives"));
  checks.push_back(of_program("qemu-system-x86_64", "qemu-system-x86",
                              "scripts/on-kvm-host: guests in the lab, without usable KVM"));
  bool ready = true;
  for (const Check& check : checks) ready &= check.good || !check.needed;
  const Tee tee = strongest_tee(host);
  ready &= tee != Tee::none;
  output.tree(json_of(checks, ready, to_string(tee), host), lines_of(checks, ready, tee));
  return ready ? 0 : kExitError;
}

}  // namespace

Tee strongest_tee(const HostProbe& host) {
  for (Tee tee : {Tee::snp, Tee::tdx, Tee::sev_es, Tee::sev, Tee::simulated}) {
    for (const TeeProbe& probed : host.tees) {
      if (probed.tee == tee && probed.available) return tee;
    }
  }
  return Tee::none;
}

void add_doctor(CLI::App& app, Invocation& session) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App& command = add_command(app, session, text::doctor::kCommand,
                                  [options](Printer& output) { return doctor(*options, output); });
  declare(command, text::doctor::kKvmDevice, options->kvm_device);
}

}  // namespace bartizan::cli
