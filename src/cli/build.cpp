// bartizan build
#include <cstdlib>

#include "bartizan/image.hpp"
#include "cli/command.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct Arguments {
  BuildOptions options;
  std::string ca, disk_key_file, key_from, key_out, created, scratch, recovery_file;
  bool no_network = false;
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
  declare(command, kVcpus, to.options.vcpus);
  declare(command, kMemory, to.options.ram_mib);
  declare(command, kScratch, to.scratch);
  declare(command, kNoNetwork, to.no_network);
  CLI::Option* key_file = declare(command, kKeyFile, to.disk_key_file);
  declare(command, kKeyFrom, to.key_from)->excludes(key_file);
  declare(command, kRecoveryFile, to.recovery_file);
  declare(command, kKeyOut, to.key_out);
  declare(command, kForce, to.options.force);
}

// An empty SOURCE_DATE_EPOCH counts as none (reproducible-builds.org).
Result<void> set_created(Arguments& arguments) {
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  if (!arguments.created.empty())
    arguments.options.created = TRY(parse_seconds("--created", arguments.created));
  else if (epoch && *epoch)
    arguments.options.created = TRY(parse_seconds("SOURCE_DATE_EPOCH", epoch));
  return {};
}

// A fresh key that nobody keeps would make an image that nobody can open.
Result<void> check_places(const Arguments& arguments, Printer& output) {
  if (arguments.key_out.empty() && arguments.disk_key_file.empty() && arguments.key_from.empty())
    return invalid("cli", "build: --key-out, --key-file or --key-from: one is required");
  TRY(require_file("SOURCE", arguments.options.source));
  TRY(require_file("--output", arguments.options.output));
  output.stdout_taken = is_standard_stream(arguments.key_out);
  if (output.stdout_taken && output.json)
    return invalid("cli", "--key-out: \"-\": standard output is the result's with --json");
  if (!arguments.key_out.empty() && !output.stdout_taken &&
      std::filesystem::exists(arguments.key_out))
    return make_error(ErrorCode::already_exists, "cli", "{}: exists", arguments.key_out);
  return {};
}

Result<void> prepare(Arguments& arguments, Printer& output) {
  TRY(check_places(arguments, output));
  arguments.options.reproducible = !arguments.key_from.empty();
  arguments.options.disk_key = TRY(read_optional_secret(
      arguments.options.reproducible ? arguments.key_from : arguments.disk_key_file));
  arguments.options.recovery_passphrase = TRY(read_optional_secret(arguments.recovery_file));
  if (!arguments.scratch.empty()) {
    arguments.options.scratch_bytes = TRY(parse_size("--scratch", arguments.scratch));
  }
  if (!arguments.ca.empty()) {
    arguments.options.broker_ca_pem = TRY(read_text(arguments.ca));
  }
  arguments.options.network = !arguments.no_network;
  return set_created(arguments);
}

Result<BuildReport> build_with_bar(Arguments& arguments, const Printer& output) {
  ProgressBar bar(output);
  arguments.options.progress = bar.sink();
  return build_image(arguments.options);
}

Result<int> build(Arguments& arguments, Printer& output) {
  TRY(prepare(arguments, output));
  auto report = TRY(build_with_bar(arguments, output));
  if (!arguments.key_out.empty()) {
    if (auto kept = write_secret(arguments.key_out, report.disk_key); !kept.ok()) {
      std::error_code ignored;  // without its key the image is of no use
      std::filesystem::remove_all(report.output, ignored);
      return std::move(kept).error();
    }
  }
  output.result(view::to_json(report), {{"image", report.output.string()},
                                        {"workload id", report.workload_id},
                                        {"workload digest", to_hex(report.workload_digest)},
                                        {"resource", report.resource},
                                        {"entries", std::to_string(report.entries)},
                                        {"content", human_bytes(report.content_bytes)},
                                        {"disk", human_bytes(report.disk_bytes)}});
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
