// bartizan register
#include "cli/register.hpp"

#include "cli/launch.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct RegisterArguments {
  std::string url, ca, token_file, admin_key_file, kind = "bartizan";
  BrokerAccess admin;  // its claims and what to send
  LaunchArguments launch;
  std::string image, disk_key_file, policy_file, signer_file;
  uint64_t minimum_version = 0;
  std::vector<std::string> measurements;  // in hexadecimal; empty: measured here
  bool allow_simulated = false, allow_debug = false, keep_reference_values = false,
       show_policy = false, force = false;
  uint64_t minimum_tcb = 0;
};

Error missing(const char* option) {
  return invalid("cli", "register: {}: required", option);
}

Result<void> check_meanings(const RegisterArguments& arguments) {
  const bool measures = arguments.measurements.empty(), ours = arguments.kind == "bartizan";
  const LaunchArguments& launch = arguments.launch;
  const Meaning rows[] = {
      {!launch.bundle.empty(), "--bundle", measures, "without --measurement"},
      {launch.vcpus != 0, "--vcpus", measures, "without --measurement"},
      {launch.ram_mib != 0, "--memory", measures, "without --measurement"},
      {!launch.append_cmdline.empty(), "--append-cmdline", measures, "without --measurement"},
      {launch.guest_features != 0, "--guest-features", measures, "without --measurement"},
      {!arguments.admin_key_file.empty(), "--admin-key", !ours, "with --kind trustee"},
      {!arguments.token_file.empty(), "--token-file", ours, "with --kind bartizan"},
      {!arguments.signer_file.empty(), "--signer", ours, "with --kind bartizan"},
      {arguments.minimum_version != 0, "--minimum-version", !arguments.signer_file.empty(),
       "with --signer"},
      {!arguments.policy_file.empty(), "--policy", ours, "with --kind bartizan"},
      {arguments.keep_reference_values, "--keep-reference-values", !ours, "with --kind trustee"},
      {arguments.admin.resource_policy, "--resource-policy", !ours, "with --kind trustee"},
      {arguments.admin.keep_resource_policy, "--keep-resource-policy", !ours,
       "with --kind trustee"}};
  return check_meanings("register: ", "here", rows);
}

Result<BrokerAccess> register_access(const RegisterArguments& arguments) {
  if (arguments.url.empty()) return missing("--broker");
  if (arguments.ca.empty()) return missing("--ca");
  BrokerAccess access;
  access.kind = TRY(as_word("--kind", broker_kind_from_string(arguments.kind)));
  if (access.kind == BrokerKind::bartizan && arguments.token_file.empty())
    return missing("--token-file");
  access.url = arguments.url;
  access.ca_pem = TRY(read_certificates("--ca", arguments.ca));
  auto token = TRY(read_optional_secret("--token-file", arguments.token_file));
  if (token) access.admin_token = *std::move(token);
  auto key = TRY(read_optional_secret("--admin-key", arguments.admin_key_file));
  if (key) access.admin_key = *std::move(key);
  access.admin_issuer = arguments.admin.admin_issuer;
  access.admin_audience = arguments.admin.admin_audience;
  access.admin_role = arguments.admin.admin_role;
  access.reference_values = !arguments.keep_reference_values;
  access.resource_policy = arguments.admin.resource_policy;
  access.keep_resource_policy = arguments.admin.keep_resource_policy;
  access.replace = arguments.admin.replace;
  return access;
}

Result<std::vector<std::vector<uint8_t>>> measurements_of(const RegisterArguments& arguments,
                                                          const ImageInfo& info) {
  std::vector<std::vector<uint8_t>> all;
  for (const std::string& text : arguments.measurements) {
    all.push_back(TRY(parse_hex("--measurement", text)));
  }
  if (!all.empty()) return all;
  auto options = TRY(launch_options(arguments.launch, &info));
  auto measurement = TRY(measure(options));
  all.push_back(measurement.digest);
  return all;
}

// A guest asks the broker that its manifest names, and no other.
Result<void> check_names_broker(const ImageInfo& info, const RegisterArguments& arguments) {
  if (!info.broker_url.empty() || arguments.force) return {};
  return invalid("cli",
                 "register: {}: its manifest names no broker, so no guest would ask for the key: "
                 "build it with --broker and --broker-ca, or register it anyway with --force",
                 arguments.image);
}

Result<Workload> workload_of(const RegisterArguments& arguments) {
  auto info = TRY(inspect_image(arguments.image));
  if (!arguments.show_policy) TRY(check_names_broker(info, arguments));
  Workload workload;
  workload.measurements = TRY(measurements_of(arguments, info));
  workload.tee = TRY(as_word("--tee", tee_from_string(arguments.launch.tee)));
  workload.id = info.workload_id;
  if (arguments.signer_file.empty()) {
    workload.workload_digest = info.workload_digest;
  } else {
    workload.signer = TRY(read_text("--signer", arguments.signer_file));
    workload.minimum_version = arguments.minimum_version;
  }
  workload.allow_simulated = arguments.allow_simulated;
  workload.allow_debug = arguments.allow_debug;
  workload.minimum_tcb = arguments.minimum_tcb;
  if (!arguments.policy_file.empty())
    workload.policy = TRY(read_text("--policy", arguments.policy_file));
  workload.resource =
      info.resource.empty() ? "default/disk-key/" + info.workload_id : info.resource;
  return workload;
}

void print_registration(const Workload& workload, std::string_view kind, Printer& output) {
  std::vector<std::pair<std::string, std::string>> lines = {
      {"broker", std::string(kind)},
      {"workload id", workload.id},
      {"workload digest",
       workload.signer.empty() ? to_hex(workload.workload_digest) : "of each build that is signed"},
      {"resource", workload.resource}};
  for (auto& line : registration_lines(workload)) lines.push_back(std::move(line));
  output.result(registration_value(workload), lines);
}

Result<int> show_policy(const Workload& workload, Printer& output) {
  auto policy = TRY(trustee_resource_policy(workload));
  if (output.json) output.result({{"policy", policy}}, {});
  output.text(policy);
  return 0;
}

Result<int> register_image(const RegisterArguments& arguments, Printer& output) {
  if (!arguments.show_policy) TRY(check_meanings(arguments));
  auto workload = TRY(workload_of(arguments));
  if (arguments.show_policy) return show_policy(workload, output);
  auto access = TRY(register_access(arguments));
  if (arguments.disk_key_file.empty()) return missing("--key-file");
  workload.disk_key = TRY(read_secret("--key-file", arguments.disk_key_file));
  TRY(check_disk_key(arguments.image, workload.disk_key));
  TRY(from_here(register_workload(access, workload), access.url));
  print_registration(workload, to_string(access.kind), output);
  return 0;
}

void add_trustee_options(CLI::App& command, RegisterArguments& to) {
  declare(command, text::register_image::kAdminKey, to.admin_key_file);
  declare(command, text::register_image::kAdminRole, to.admin.admin_role);
  declare(command, text::register_image::kAdminIssuer, to.admin.admin_issuer);
  declare(command, text::register_image::kAdminAudience, to.admin.admin_audience);
  declare(command, text::register_image::kKeepReferenceValues, to.keep_reference_values);
  declare(command, text::register_image::kResourcePolicy, to.admin.resource_policy);
  declare(command, text::register_image::kKeepResourcePolicy, to.admin.keep_resource_policy);
  declare(command, text::register_image::kShowPolicy, to.show_policy);
}

}  // namespace

view::Json registration_value(const Workload& workload) {
  view::Json all = view::Json::array();
  for (const auto& one : workload.measurements) all.push_back(to_hex(one));
  const bool of_signer = !workload.signer.empty();
  return {
      {"workload_id", workload.id},
      {"workload_digest", of_signer ? view::Json() : view::Json(to_hex(workload.workload_digest))},
      {"signer", of_signer ? view::Json(workload.signer) : view::Json()},
      {"measurement", all[0]},
      {"measurements", all},
      {"resource", workload.resource},
      {"allow_simulated", workload.allow_simulated}};
}

std::vector<std::pair<std::string, std::string>> registration_lines(const Workload& workload) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& one : workload.measurements) lines.emplace_back("measurement", to_hex(one));
  lines.emplace_back("simulated",
                     workload.allow_simulated ? "allowed: protects nothing" : "refused");
  return lines;
}

void add_register(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<RegisterArguments>();
  CLI::App& command =
      add_command(app, session, text::register_image::kCommand,
                  [arguments](Printer& output) { return register_image(*arguments, output); });
  declare(command, text::register_image::kImage, arguments->image);
  declare(command, text::register_image::kBroker, arguments->url);
  declare(command, text::register_image::kKind, arguments->kind);
  declare(command, text::register_image::kCa, arguments->ca);
  declare(command, text::register_image::kTokenFile, arguments->token_file);
  declare(command, text::register_image::kKeyFile, arguments->disk_key_file);
  add_launch_options(command, arguments->launch);
  declare(command, text::register_image::kMeasurement, arguments->measurements);
  declare(command, text::register_image::kAllowSimulated, arguments->allow_simulated);
  declare(command, text::register_image::kAllowDebug, arguments->allow_debug);
  declare(command, text::register_image::kMinimumTcb, arguments->minimum_tcb);
  declare(command, text::register_image::kSigner, arguments->signer_file);
  declare(command, text::register_image::kMinimumVersion, arguments->minimum_version);
  declare(command, text::register_image::kPolicy, arguments->policy_file);
  declare(command, text::register_image::kReplace, arguments->admin.replace);
  declare(command, text::register_image::kForce, arguments->force);
  add_trustee_options(command, *arguments);
}

}  // namespace bartizan::cli
