#include "cli/build_registration.hpp"

#include "base/endpoint.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

constexpr const char* kHostOfGuests = "10.0.2.2";

// For the simulated TEE its own measurement counts, whatever the image names.
Result<std::vector<uint8_t>> measurement_of(const BuildPlan& plan, Tee tee,
                                            const std::string& bundle) {
  LaunchOptions launch;
  launch.tee = tee;
  launch.bundle = bundle;
  launch.vcpus = plan.vcpus;
  launch.ram_mib = plan.ram_mib;
  return TRY(measure(launch)).digest;
}

}  // namespace

void add_registration_options(CLI::App& command, RegistrationArguments& to) {
  using namespace text::build;  // NOLINT: of this command
  declare(command, kRegisterWith, to.url);
  declare(command, kTokenFile, to.token_file);
  declare(command, kBundle, to.bundle);
  declare(command, kAllowSimulated, to.allow_simulated);
  declare(command, kReplace, to.replace);
}

Result<void> check_registration(const RegistrationArguments& arguments, const BuildOptions& build) {
  constexpr const char* kWhere = "with --register-with";
  const Meaning rows[] = {
      {!arguments.token_file.empty(), "--token-file", arguments.wanted(), kWhere},
      {!arguments.bundle.empty(), "--bundle", arguments.wanted(), kWhere},
      {arguments.allow_simulated, "--allow-simulated", arguments.wanted(), kWhere},
      {arguments.replace, "--replace", arguments.wanted(), kWhere}};
  TRY(check_meanings("build: ", "here", rows));
  if (!arguments.wanted()) return {};
  if (arguments.token_file.empty())
    return invalid("cli", "build: --token-file: required with --register-with");
  if (build.broker_ca_pem.empty())
    return invalid("cli", "build: --broker-ca: required with --register-with");
  return {};
}

Result<std::string> guest_address(const std::string& url) {
  const Endpoint broker = TRY(as_word("--register-with", Endpoint::parse(url)));
  if (broker.host != "127.0.0.1" && broker.host != "localhost") return broker.url;
  return fmt::format("https://{}:{}", kHostOfGuests, broker.port);
}

Result<PreparedRegistration> PreparedRegistration::prepare(const RegistrationArguments& arguments,
                                                           const BuildOptions& build) {
  const BuildPlan plan = TRY(check_build(build));
  PreparedRegistration made;
  made.tee_ = arguments.allow_simulated ? Tee::simulated : plan.tee;
  made.measurement_ = TRY(measurement_of(plan, made.tee_, arguments.bundle));
  made.access_.url = arguments.url;
  made.access_.ca_pem = build.broker_ca_pem;
  made.access_.admin_token = TRY(read_secret("--token-file", arguments.token_file));
  made.access_.replace = arguments.replace;
  TRY(from_here(list_workloads(made.access_), arguments.url));  // the cheapest proof of both
  return made;
}

Result<Workload> PreparedRegistration::finish(const BuildReport& report) const {
  Workload workload;
  workload.id = report.workload_id;
  workload.workload_digest = report.workload_digest;
  workload.measurements = {measurement_};
  workload.allow_simulated = tee_ == Tee::simulated;
  workload.resource = report.resource;
  workload.disk_key = report.disk_key.clone();
  workload.tee = tee_;
  TRY(register_workload(access_, workload));
  return workload;
}

}  // namespace bartizan::cli
