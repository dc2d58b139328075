// bartizan measure, bartizan probe
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "cli/launch.hpp"

namespace bartizan::cli {

namespace {

struct MeasureArguments {
  LaunchArguments launch;
  std::string image;
  std::string vcpus;  // "4", "1-4"; empty: the image's, or 1
  std::vector<std::string> vcpu_types, host_kernels;
  std::vector<uint32_t> vcpu_signatures, c_bits;
  FirmwareLaunch firmware;
  std::string vmm = "qemu", ovmf_digest;
  bool pages = false;
  IdBlockOptions id;
  std::string family_id, image_id, id_block_path, id_auth_path;
};

Error wrong(const std::string& option, const std::string& text, const char* form) {
  return {ErrorCode::invalid_argument,
          0,
          "cli",
          option + ": \"" + text + "\" is not " + form,
          {},
          {},
          {}};
}

bool parse_count(std::string_view text, uint32_t* to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *to);
  return error == std::errc() && end == text.data() + text.size() && *to != 0;
}

// "4" or "1-4".
Result<void> set_vcpus(const std::string& text, MeasureOptions* options) {
  if (text.empty()) return {};
  const size_t dash = text.find('-');
  bool good = parse_count(text.substr(0, dash), &options->launch.vcpus);
  if (dash != std::string::npos)
    good = good && parse_count(text.substr(dash + 1), &options->max_vcpus) &&
           options->max_vcpus >= options->launch.vcpus;
  if (!good) return wrong("--cpus", text, "N or FROM-TO");
  return {};
}

Result<std::vector<uint8_t>> parse_hex(const char* option, const std::string& text, size_t size) {
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(&text[at], &text[at] + 2, byte, 16);
    if (error != std::errc() || end != &text[at] + 2) break;
    bytes.push_back(byte);
  }
  if (text.size() == 2 * size && bytes.size() == size) return bytes;
  return wrong(option, text, (std::to_string(size) + " bytes in hexadecimal").c_str());
}

// "all" stands for both.
Result<std::vector<HostKernel>> host_kernels(const std::vector<std::string>& names) {
  std::vector<HostKernel> kernels;
  for (const std::string& name : names) {
    if (name == "all") return std::vector{HostKernel::since_6_10, HostKernel::before_6_10};
    auto kernel = host_kernel_from_string(name);
    CLI_CHECK(kernel);
    kernels.push_back(*kernel);
  }
  if (kernels.empty()) kernels.push_back(HostKernel::since_6_10);
  return kernels;
}

Result<FirmwareLaunch> firmware_launch(const MeasureArguments& arguments) {
  FirmwareLaunch firmware = arguments.firmware;
  auto vmm = vmm_from_string(arguments.vmm);
  CLI_CHECK(vmm);
  firmware.vmm = *vmm;
  if (arguments.ovmf_digest.empty()) return firmware;
  auto digest = parse_hex("--ovmf-digest", arguments.ovmf_digest, 48);
  CLI_CHECK(digest);
  firmware.ovmf_digest = *std::move(digest);
  return firmware;
}

Result<MeasureOptions> measure_options(const MeasureArguments& arguments, const ImageInfo* image) {
  auto launch = launch_options(arguments.launch, image);
  CLI_CHECK(launch);
  MeasureOptions options;
  options.launch = *std::move(launch);
  CLI_CHECK(set_vcpus(arguments.vcpus, &options));
  auto kernels = host_kernels(arguments.host_kernels);
  CLI_CHECK(kernels);
  options.host_kernels = *std::move(kernels);
  auto firmware = firmware_launch(arguments);
  CLI_CHECK(firmware);
  options.firmware = *std::move(firmware);
  options.vcpu_types = arguments.vcpu_types;
  options.vcpu_signatures = arguments.vcpu_signatures;
  options.c_bits = arguments.c_bits;
  return options;
}

// Alternatives were asked for: the answer is a list, even when one digest serves them all.
bool asks_for_set(const MeasureOptions& options) {
  return options.max_vcpus != 0 || options.host_kernels.size() > 1 ||
         options.vcpu_types.size() + options.vcpu_signatures.size() > 1 ||
         options.c_bits.size() > 1;
}

std::string hexadecimal(uint64_t number) {
  char text[19];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(number));
  return text;
}

using Lines = std::vector<std::pair<std::string, std::string>>;

void add_pages(const Measurement& measurement, Lines* lines) {
  for (const MeasuredPage& page : measurement.pages)
    lines->emplace_back("  " + hexadecimal(page.guest_address),
                        page.kind + ", " + std::to_string(page.count) + ": " + page.what);
}

std::string cost(const Measurement& measurement) {
  std::string text = std::to_string(measurement.page_count);
  if (measurement.launch_milliseconds == 0) return text;
  return text + " through the security processor: about " +
         std::to_string(measurement.launch_milliseconds) + " ms";
}

std::string variant(const Measurement& measurement) {
  std::string text = std::to_string(measurement.vcpus) + " vCPUs";
  if (!measurement.vcpu_type.empty()) text += ", " + measurement.vcpu_type;
  if (measurement.vcpu_signature) text += ", " + hexadecimal(measurement.vcpu_signature);
  if (measurement.c_bit) text += ", C-bit " + std::to_string(measurement.c_bit);
  return text + ", host kernel " + std::string(to_string(measurement.host_kernel));
}

void print_one(const Measurement& measurement, bool pages, Printer& output) {
  Lines lines = {{"tee", std::string(to_string(measurement.tee))},
                 {"digest", view::to_hex(measurement.digest)},
                 {"pages", cost(measurement)}};
  for (size_t i = 0; i < measurement.rtmrs.size(); ++i)
    lines.emplace_back("RTMR " + std::to_string(i), view::to_hex(measurement.rtmrs[i]));
  if (pages) add_pages(measurement, &lines);
  output.result(view::to_json(measurement), lines);
}

void print_set(const std::vector<Measurement>& set, bool pages, Printer& output) {
  Lines lines;
  view::Json json = view::to_json(set);
  for (size_t i = 0; i < set.size(); ++i) {
    lines.emplace_back(view::to_hex(set[i].digest), variant(set[i]));
    if (pages) add_pages(set[i], &lines);
    if (!pages) json[i].erase("pages");
  }
  output.result({{"tee", to_string(set.front().tee)}, {"measurements", json}}, lines);
}

Result<void> save(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file) return {};
  return Error{ErrorCode::io, 0, "cli", path + ": cannot be written", {}, {}, {}};
}

Result<void> set_id(const char* option, const std::string& text, std::array<uint8_t, 16>* to) {
  if (text.empty()) return {};
  auto bytes = parse_hex(option, text, to->size());
  CLI_CHECK(bytes);
  std::copy(bytes->begin(), bytes->end(), to->begin());
  return {};
}

Result<void> write_id_block(const MeasureArguments& arguments, const Measurement& measurement,
                            Printer& output) {
  IdBlockOptions options = arguments.id;
  options.digest = measurement.digest;
  CLI_CHECK(set_id("--family-id", arguments.family_id, &options.family_id));
  CLI_CHECK(set_id("--image-id", arguments.image_id, &options.image_id));
  auto made = make_id_block(options);
  CLI_CHECK(made);
  CLI_CHECK(save(arguments.id_block_path, made->block));
  CLI_CHECK(save(arguments.id_auth_path, made->authentication));
  output.note("ID key digest " + view::to_hex(made->id_key_digest));
  if (!made->author_key_digest.empty())
    output.note("author key digest " + view::to_hex(made->author_key_digest));
  return {};
}

Result<void> check_id_block(const MeasureArguments& arguments, const MeasureOptions& options) {
  if (arguments.id.id_key.empty() || (options.launch.tee == Tee::snp && !asks_for_set(options)))
    return {};
  return Error{ErrorCode::invalid_argument,
               0,
               "cli",
               "--id-key: an ID block is for one snp launch",
               {},
               {},
               {}};
}

Result<int> measure_launch(const MeasureArguments& arguments, Printer& output) {
  std::optional<ImageInfo> image;
  if (!arguments.image.empty()) {
    auto info = inspect_image(arguments.image);
    CLI_CHECK(info);
    image = *std::move(info);
  }
  auto options = measure_options(arguments, image ? &*image : nullptr);
  CLI_CHECK(options);
  CLI_CHECK(check_id_block(arguments, *options));
  auto set = measure_set(*options);
  CLI_CHECK(set);
  if (!arguments.id.id_key.empty()) CLI_CHECK(write_id_block(arguments, set->front(), output));
  if (asks_for_set(*options)) {
    print_set(*set, arguments.pages, output);
  } else {
    print_one(set->front(), arguments.pages, output);
  }
  return 0;
}

std::string yes_or(bool yes, const std::string& missing) {
  return yes ? "yes" : "no: " + missing;
}

Result<int> probe_host(const ProbeOptions& options, Printer& output) {
  auto host = probe(options);
  CLI_CHECK(host);
  std::vector<std::pair<std::string, std::string>> lines = {
      {"kvm", yes_or(host->kvm_usable, host->kvm_missing)},
      {"stock kernels", yes_or(host->runs_stock_kernels, host->kvm_missing)}};
  if (!host->kvm_advice.empty()) lines.emplace_back("", host->kvm_advice);
  for (const TeeProbe& tee : host->tees) {
    lines.emplace_back(to_string(tee.tee), yes_or(tee.available, tee.missing));
    if (tee.capacity != 0) {
      lines.emplace_back("", std::to_string(tee.in_use) + " of " + std::to_string(tee.capacity) +
                                 " places in use");
    }
    if (!tee.advice.empty()) lines.emplace_back("", tee.advice);
  }
  output.result(view::to_json(*host), lines);
  return 0;
}

}  // namespace

namespace {

void add_variant_options(CLI::App& command, MeasureArguments& to) {
  // Of the launch options this one alone may be a range here.
  command.remove_option(command.get_option("--cpus"));
  command.add_option("--cpus", to.vcpus, "Virtual CPUs; a range gives every digest to register")
      ->type_name("N|FROM-TO");
  command
      .add_option("--vcpu-type,--cpu-model", to.vcpu_types,
                  "Processors by QEMU's names: EPYC-Milan, EPYC-Genoa-v1 ...")
      ->delimiter(',')
      ->type_name("NAME");
  command.add_option("--vcpu-sig", to.vcpu_signatures, "Processors by CPUID leaf 1 EAX")
      ->delimiter(',')
      ->type_name("NUMBER");
  command.add_option("--c-bit", to.c_bits, "sev, sev-es, snp: where it is in page tables: 47,51")
      ->delimiter(',')
      ->type_name("N");
  command
      .add_option("--host-kernel", to.host_kernels,
                  "since-6.10 (default), before-6.10 or all: register pages differ")
      ->delimiter(',')
      ->type_name("GENERATION");
  command.add_flag("--pages", to.pages, "List what is measured, in order");
}

void add_firmware_options(CLI::App& command, MeasureArguments& to) {
  const std::string group = "Launches by QEMU and clouds";
  command.add_option("--ovmf", to.firmware.ovmf, "Firmware: measure its launch instead of ours")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--kernel", to.firmware.kernel, "Kernel that the firmware shall boot")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--initrd", to.firmware.initrd, "Its initrd")->type_name("FILE")->group(group);
  command.add_option("--append", to.firmware.append, "Its command line")
      ->type_name("TEXT")
      ->group(group);
  command.add_option("--vmm", to.vmm, "qemu, ec2 or gce")
      ->capture_default_str()
      ->type_name("VMM")
      ->group(group);
  command.add_option("--ovmf-digest", to.ovmf_digest, "snp: what the firmware alone measures to")
      ->type_name("HEX")
      ->group(group);
}

void add_id_options(CLI::App& command, MeasureArguments& to) {
  const std::string group = "ID block of an snp launch";
  CLI::Option* key = command.add_option("--id-key", to.id.id_key, "Signs it: ECDSA P-384, PEM")
                         ->type_name("FILE")
                         ->group(group);
  const auto option = [&](const char* name, auto& value, const char* help, const char* type) {
    return command.add_option(name, value, help)->needs(key)->type_name(type)->group(group);
  };
  option("--author-key", to.id.author_key, "Signs the ID key", "FILE");
  key->needs(option("--id-block", to.id_block_path, "Where to put its 96 bytes", "FILE"));
  key->needs(option("--id-auth", to.id_auth_path, "Where to put 4096 bytes of signatures", "FILE"));
  option("--family-id", to.family_id, "16 bytes for the report", "HEX");
  option("--image-id", to.image_id, "16 bytes for the report", "HEX");
  option("--guest-svn", to.id.guest_svn, "Version for the report", "N");
  option("--policy", to.id.policy, "Guest policy; default 0x30000", "NUMBER");
}

}  // namespace

void add_measure(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<MeasureArguments>();
  CLI::App& command = add_command(
      app, session, "measure", "Compute what a launch will measure; needs no KVM",
      "  bartizan measure --cpus 2 --memory 1024\n"
      "  bartizan measure --cpus 1-4 --json | jq -r '.measurements[].digest'\n"
      "  bartizan measure --image confidential/ --tee simulated --json | jq -r .digest\n"
      "  bartizan measure --tee snp --ovmf OVMF.fd --kernel vmlinuz --append 'console=ttyS0' \\\n"
      "      --cpus 4 --vcpu-type EPYC-Milan,EPYC-Genoa --host-kernel all\n",
      [arguments](Printer& output) { return measure_launch(*arguments, output); });
  add_launch_options(command, arguments->launch, "the image's, or 1 and 512");
  command.add_option("--image", arguments->image, "Take --cpus and --memory from this image")
      ->type_name("IMAGE");
  add_variant_options(command, *arguments);
  add_firmware_options(command, *arguments);
  add_id_options(command, *arguments);
}

void add_probe(CLI::App& app, Invocation& session) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App& command =
      add_command(app, session, "probe", "Tell what this host can run, and what is missing",
                  "  bartizan probe\n"
                  "  bartizan probe --json | jq '.tees[] | select(.available) | .tee'\n",
                  [options](Printer& output) { return probe_host(*options, output); });
  command.add_option("--kvm-device", options->kvm_device, "KVM's device")->capture_default_str();
  command
      .add_option("--time-limit", options->guest_time_limit_ms, "Milliseconds for the probe guest")
      ->capture_default_str();
}

}  // namespace bartizan::cli
