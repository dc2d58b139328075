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

void declare(CLI::App& command, Arguments& to) {
  command
      .add_option("SOURCE", to.options.source,
                  "OCI layout folder; with skopeo installed also an archive, docker://…, "
                  "containers-storage:…")
      ->required();
  command
      .add_option("--output,-o", to.options.output,
                  "OCI layout folder to make, or an archive of one: oci-archive:FILE, or a name in "
                  ".tar; must not exist")
      ->required();
  command.add_option("--reference", to.options.reference, "Tag in SOURCE; default: its only image");
  command.add_option("--output-reference", to.options.output_reference, "Tag in the output")
      ->capture_default_str();
  command
      .add_option("--base-image", to.options.base_image,
                  "Put the output on this image as one more layer; given as SOURCE is")
      ->type_name("IMAGE");
  command.add_option("--base-reference", to.options.base_reference, "Tag in the base image");
  command
      .add_option("--created", to.created,
                  "Time of the output, in seconds since 1970; default: SOURCE_DATE_EPOCH of the "
                  "environment, else now, with --key-from SOURCE's")
      ->type_name("SECONDS");
  command.add_flag("--anonymous", to.options.anonymous,
                   "Tell nothing of SOURCE in public: no annotation, label or digest; needs --id");
  command.add_option("--id", to.options.workload_id, "Workload id; default: from SOURCE's digest");
  command.add_option("--broker", to.options.broker_url, "Broker's URL as the guest reaches it")
      ->type_name("URL");
  command.add_option("--broker-ca", to.ca, "Certificate authority of the broker, PEM")
      ->type_name("FILE");
  command.add_option("--resource", to.options.resource,
                     "Name of the key at the broker; default: default/disk-key/ID");
  command.add_option("--cpus", to.options.vcpus, "Virtual CPUs of a launch")->capture_default_str();
  command.add_option("--memory", to.options.ram_mib, "MiB of memory of a launch")
      ->capture_default_str();
  command
      .add_option("--scratch", to.scratch,
                  "What the workload writes goes to an encrypted, authenticated disk of this size "
                  "(64M, 1G), made anew at each boot; default: to memory")
      ->type_name("SIZE");
  command.add_flag("--no-network", to.no_network, "The guest gets no network");
  command
      .add_option("--key-file", to.disk_key_file, "Disk key to use; default: 256 fresh random bits")
      ->type_name("FILE");
  command
      .add_option("--key-from", to.key_from,
                  "As --key-file, and nothing is drawn at random: the same SOURCE and options make "
                  "the same bytes. The key must hold 256 random bits")
      ->type_name("FILE")
      ->excludes("--key-file");
  command
      .add_option("--recovery-file", to.recovery_file,
                  "Passphrase that opens the disk too, hardened by Argon2id; \"-\": standard input")
      ->type_name("FILE");
  command.add_option("--key-out", to.key_out, "Where to put the disk key (0600); must not exist")
      ->type_name("FILE");
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
Result<void> prepare(Arguments& arguments) {
  if (arguments.key_out.empty() && arguments.disk_key_file.empty() && arguments.key_from.empty())
    return invalid("cli", "build: --key-out, --key-file or --key-from: one is required");
  if (!arguments.key_out.empty() && std::filesystem::exists(arguments.key_out))
    return make_error(ErrorCode::already_exists, "cli", "{}: exists", arguments.key_out);
  arguments.options.reproducible = !arguments.key_from.empty();
  arguments.options.disk_key = TRY(read_optional_secret(
      arguments.options.reproducible ? arguments.key_from : arguments.disk_key_file));
  arguments.options.recovery_passphrase = TRY(read_optional_secret(
      arguments.recovery_file == "-" ? "/dev/stdin" : arguments.recovery_file));
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
  TRY(prepare(arguments));
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
  CLI::App& command = add_command(
      app, session, "build", "Turn an OCI image into a confidential image",
      "  # an image whose key the broker at 10.0.2.2:8443 (the host, seen from the guest) "
      "releases\n"
      "  bartizan build oci/ -o confidential/ --broker https://10.0.2.2:8443 --broker-ca "
      "state/ca.pem "
      "--key-out disk.key\n"
      "  # an image for tests, opened with a key from a file\n"
      "  bartizan build oci/ -o confidential/ --key-file my.key\n"
      "  # one file, on a base image that tells people what to do\n"
      "  bartizan build oci/ -o confidential.tar --base-image oci:base/ --key-out disk.key\n"
      "  # a workload that writes much, and a passphrase on paper for the day the broker is gone\n"
      "  bartizan build oci/ -o confidential/ --key-out disk.key --scratch 1G --recovery-file -\n",
      [arguments](Printer& output) { return build(*arguments, output); });
  declare(command, *arguments);
}

}  // namespace bartizan::cli
