// bartizan build
#include <cstdlib>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "cli/build_registration.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct Arguments {
  BuildOptions options;
  std::string ca, disk_key_file, key_from, key_out, created, scratch, recovery_file, signing_key;
  std::string tee_config, source_passphrase_file;
  bool no_network = false;
  RegistrationArguments registration;
};

void declare_options(CLI::App& command, Arguments& to) {
  using namespace text::build;  // NOLINT: of this command
  declare(command, kSource, to.options.source);
  declare(command, kOutput, to.options.output);
  declare(command, kReference, to.options.reference);
  declare(command, kOutputReference, to.options.output_reference);
  declare(command, kBaseImage, to.options.base_image);
  declare(command, kBaseReference, to.options.base_reference);
  declare(command, kCreated, to.created);
  declare(command, kAnonymous, to.options.anonymous);
  declare(command, kId, to.options.workload_id);
  declare(command, kBroker, to.options.broker_url);
  declare(command, kBrokerCa, to.ca);
  declare(command, kResource, to.options.resource);
  declare(command, kVcpus, to.options.vcpus)->check(CLI::PositiveNumber);
  declare(command, kMemory, to.options.ram_mib)->check(CLI::PositiveNumber);
  declare(command, kTee, to.options.tee);
  declare(command, kTeeData, to.options.tee_data);
  declare(command, kTeeConfig, to.tee_config);
  declare(command, kScratch, to.scratch);
  declare(command, kHostMay, to.options.host_may);
  declare(command, kAddFile, to.options.add_files);
  declare(command, kNoNetwork, to.no_network);
  CLI::Option* key_file = declare(command, kKeyFile, to.disk_key_file);
  declare(command, kKeyFrom, to.key_from)->excludes(key_file);
  declare(command, kRecoveryFile, to.recovery_file);
  declare(command, kSignWith, to.signing_key);
  declare(command, kImageVersion, to.options.version);
  declare(command, kSourcePassphraseFile, to.source_passphrase_file);
  declare(command, kKeyOut, to.key_out);
  add_registration_options(command, to.registration);
  declare(command, kForce, to.options.force);
}

// An empty SOURCE_DATE_EPOCH counts as none (reproducible-builds.org).
Result<void> set_created(Arguments& arguments) {
  const auto epoch = environment("SOURCE_DATE_EPOCH");
  if (!arguments.created.empty())
    arguments.options.created = TRY(parse_seconds("--created", arguments.created));
  else if (epoch)
    arguments.options.created = TRY(parse_seconds("SOURCE_DATE_EPOCH", *epoch));
  return {};
}

bool lies_in(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  std::error_code ignored;
  const auto path = std::filesystem::weakly_canonical(inner, ignored);
  const auto folder = std::filesystem::weakly_canonical(outer, ignored);
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

Result<void> check_key_out(const std::string& key_out, const std::filesystem::path& output) {
  if (std::filesystem::exists(key_out))
    return make_error(ErrorCode::already_exists, "cli", "--key-out {}: exists", key_out);
  if (lies_in(key_out, output))
    return invalid("cli", "--key-out {}: is in the image at {}, which others get", key_out,
                   output.native());
  return require_parent("--key-out", key_out);
}

bool keeps_key(const Arguments& arguments) {
  return !arguments.key_out.empty() || !arguments.disk_key_file.empty() ||
         !arguments.key_from.empty();
}

// A fresh key that nobody keeps would make an image that nobody can open.
Result<void> check_places(const Arguments& arguments, Printer& output) {
  if (!keeps_key(arguments) && !arguments.registration.wanted())
    return invalid("cli",
                   "build: --key-out, --key-file or --key-from: one is required, unless "
                   "--register-with names a broker that keeps the key");
  TRY(require_file("--output", arguments.options.output));
  if (std::filesystem::is_directory(arguments.options.source) &&
      lies_in(arguments.options.output, arguments.options.source))
    return invalid("cli", "--output {}: is in the source {}", arguments.options.output.native(),
                   arguments.options.source.native());
  output.stdout_taken = is_standard_stream(arguments.key_out);
  if (output.stdout_taken && output.json)
    return invalid("cli", "--key-out: \"-\": standard output is the result's with --json");
  const bool key_file = !arguments.key_out.empty() && !output.stdout_taken;
  return key_file ? check_key_out(arguments.key_out, arguments.options.output) : Result<void>();
}

Result<void> prepare(Arguments& arguments, Printer& output) {
  TRY(check_places(arguments, output));
  arguments.options.reproducible = !arguments.key_from.empty();
  arguments.options.disk_key =
      arguments.options.reproducible
          ? TRY(read_optional_secret("--key-from", arguments.key_from))
          : TRY(read_optional_secret("--key-file", arguments.disk_key_file));
  arguments.options.signing_key = TRY(read_optional_secret("--sign-with", arguments.signing_key));
  arguments.options.recovery_passphrase =
      TRY(read_optional_secret("--recovery-file", arguments.recovery_file));
  arguments.options.source_passphrase =
      TRY(read_optional_secret("--source-passphrase-file", arguments.source_passphrase_file));
  if (!arguments.tee_config.empty())
    arguments.options.tee_config = TRY(read_text("--tee-config", arguments.tee_config));
  if (!arguments.scratch.empty()) {
    arguments.options.scratch_bytes = TRY(parse_size("--scratch", arguments.scratch));
  }
  if (!arguments.ca.empty()) {
    arguments.options.broker_ca_pem = TRY(read_certificates("--broker-ca", arguments.ca));
  }
  arguments.options.network = !arguments.no_network;
  TRY(check_registration(arguments.registration, arguments.options));
  if (arguments.registration.wanted() && arguments.options.broker_url.empty())
    arguments.options.broker_url = TRY(guest_address(arguments.registration.url));
  return set_created(arguments);
}

Result<BuildReport> build_with_bar(Arguments& arguments, const Printer& output) {
  ProgressBar bar(output);
  arguments.options.progress = bar.sink();
  return build_image(arguments.options);
}

void remove_image(const BuildReport& report) {
  std::error_code ignored;
  std::filesystem::remove_all(report.output, ignored);
}

Result<void> keep_key(const Arguments& arguments, const BuildReport& report) {
  if (arguments.key_out.empty()) return {};
  auto kept = write_secret(arguments.key_out, report.disk_key);
  if (!kept.ok()) remove_image(report);  // without its key it is of no use
  return kept;
}

// What becomes of an image that was built, and then could not be registered.
Error not_registered(Error error, const Arguments& arguments, const BuildReport& report) {
  const bool kept = keeps_key(arguments);
  if (!kept) remove_image(report);
  error.message += kept ? fmt::format("; {} is built, and not registered: `bartizan register`",
                                      report.output.native())
                        : fmt::format(
                              "; nobody has the key of {}, so build it again (--key-out "
                              "keeps a key)",
                              report.output.native());
  return error;
}

using ResultLines = std::vector<std::pair<std::string, std::string>>;

ResultLines lines_of(const BuildReport& report) {
  return {{"image", report.output.string()},
          {"workload id", report.workload_id},
          {"workload digest", to_hex(report.workload_digest)},
          {"resource", report.resource},
          {"entries", std::to_string(report.entries)},
          {"content", human_bytes(report.content_bytes)},
          {"disk", human_bytes(report.disk_bytes)}};
}

Result<int> build_and_register(Arguments& arguments, const Printer& output) {
  auto registration = TRY(PreparedRegistration::prepare(arguments.registration, arguments.options));
  auto report = TRY(build_with_bar(arguments, output));
  TRY(keep_key(arguments, report));
  auto workload = registration.finish(report);
  if (!workload.ok()) return not_registered(std::move(workload).error(), arguments, report);
  view::Json value = view::to_json(report);
  value["registration"] = registration_value(*workload);
  ResultLines lines = lines_of(report);
  lines.emplace_back("broker", arguments.options.broker_url);
  lines.emplace_back("registered at", arguments.registration.url);
  for (auto& line : registration_lines(*workload)) lines.push_back(std::move(line));
  output.result(value, lines);
  return 0;
}

Result<int> build(Arguments& arguments, Printer& output) {
  TRY(prepare(arguments, output));
  if (arguments.registration.wanted()) return build_and_register(arguments, output);
  auto report = TRY(build_with_bar(arguments, output));
  TRY(keep_key(arguments, report));
  output.result(view::to_json(report), lines_of(report));
  return 0;
}

}  // namespace

void add_build(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, text::build::kCommand,
                  [arguments](Printer& output) { return build(*arguments, output); });
  declare_options(command, *arguments);
}

}  // namespace bartizan::cli
