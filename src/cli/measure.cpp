// bartizan measure
#include <charconv>

#include "cli/id_block.hpp"
#include "cli/launch.hpp"
#include "cli/measure_output.hpp"
#include "cli/parse.hpp"

namespace bartizan::cli {

namespace {

struct MeasureArguments {
  LaunchArguments launch;
  std::string image;
  std::string vcpus;  // "4", "1-4"; empty: the image's, or 1
  std::vector<std::string> vcpu_types, host_kernels;
  std::vector<uint32_t> vcpu_signatures, c_bits;
  FirmwareLaunch firmware;
  std::string vmm, ovmf_digest;  // vmm "": qemu
  bool pages = false;
  IdBlockArguments id_block;
};

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
  if (!good) return invalid_value("--vcpus", text, "N or FROM-TO");
  return {};
}

// "all" stands for both.
Result<std::vector<HostKernel>> host_kernels(const std::vector<std::string>& names) {
  std::vector<HostKernel> kernels;
  for (const std::string& name : names) {
    if (name == "all") return std::vector{HostKernel::since_6_10, HostKernel::before_6_10};
    kernels.push_back(TRY(as_word("--host-kernel", host_kernel_from_string(name))));
  }
  if (kernels.empty()) kernels.push_back(HostKernel::since_6_10);
  return kernels;
}

Result<FirmwareLaunch> firmware_launch(const MeasureArguments& arguments) {
  FirmwareLaunch firmware = arguments.firmware;
  if (!arguments.vmm.empty()) firmware.vmm = TRY(as_word("--vmm", vmm_from_string(arguments.vmm)));
  if (arguments.ovmf_digest.empty()) return firmware;
  firmware.ovmf_digest = TRY(parse_hex("--ovmf-digest", arguments.ovmf_digest, 48));
  return firmware;
}

Result<MeasureOptions> measure_options(const MeasureArguments& arguments, const ImageInfo* image) {
  MeasureOptions options;
  options.launch = TRY(launch_options(arguments.launch, image));
  TRY(set_vcpus(arguments.vcpus, &options));
  options.host_kernels = TRY(host_kernels(arguments.host_kernels));
  options.firmware = TRY(firmware_launch(arguments));
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

Result<void> check_id_block(const MeasureArguments& arguments, const MeasureOptions& options) {
  if (!arguments.id_block.wanted() || (options.launch.tee == Tee::snp && !asks_for_set(options)))
    return {};
  return invalid("cli", "--id-key: an ID block is for one snp launch");
}

Result<void> check_meanings(const MeasureArguments& arguments, const MeasureOptions& options) {
  const bool firmware = !options.firmware.ovmf.empty();
  const Tee tee = options.launch.tee;
  const bool sev = tee == Tee::sev || tee == Tee::sev_es || tee == Tee::snp;
  const LaunchArguments& launch = arguments.launch;
  const Meaning rows[] = {
      {!arguments.vmm.empty(), "--vmm", firmware, "with --ovmf"},
      {!options.vcpu_types.empty(), "--vcpu-type", sev, "with sev, sev-es and snp"},
      {!options.vcpu_signatures.empty(), "--vcpu-sig", sev, "with sev, sev-es and snp"},
      {!arguments.host_kernels.empty(), "--host-kernel", sev && tee != Tee::sev,
       "with sev-es and snp"},
      {!launch.bundle.empty(), "--bundle", !firmware, "without --ovmf"},
      {launch.ram_mib != 0, "--memory", !firmware, "without --ovmf"},
      {!launch.append_cmdline.empty(), "--append-cmdline", !firmware, "without --ovmf"}};
  return check_meanings("", "in this measurement", rows);
}

Result<int> measure_launch(const MeasureArguments& arguments, Printer& output) {
  std::optional<ImageInfo> image;
  if (!arguments.image.empty()) image = TRY(inspect_image(arguments.image));
  auto options = TRY(measure_options(arguments, image ? &*image : nullptr));
  TRY(check_meanings(arguments, options));
  TRY(check_id_block(arguments, options));
  auto set = TRY(measure_set(options));
  if (arguments.id_block.wanted())
    TRY(write_id_block(arguments.id_block, set.front().digest, output));
  if (asks_for_set(options)) {
    print_measurement_set(set, arguments.pages, output);
  } else {
    print_measurement(set.front(), arguments.pages, output);
  }
  return 0;
}

void add_variant_options(CLI::App& command, MeasureArguments& to) {
  // Of the launch options this one alone may be a range here.
  command.remove_option(command.get_option(text::launch::kVcpus.flags));
  declare(command, text::measure::kVcpus, to.vcpus);
  declare(command, text::measure::kVcpuType, to.vcpu_types);
  declare(command, text::measure::kVcpuSig, to.vcpu_signatures);
  declare(command, text::measure::kCBit, to.c_bits);
  declare(command, text::measure::kHostKernel, to.host_kernels);
  declare(command, text::measure::kPages, to.pages);
}

void add_firmware_options(CLI::App& command, MeasureArguments& to) {
  declare(command, text::measure::kOvmf, to.firmware.ovmf);
  declare(command, text::measure::kKernel, to.firmware.kernel);
  declare(command, text::measure::kInitrd, to.firmware.initrd);
  declare(command, text::measure::kAppend, to.firmware.append);
  declare(command, text::measure::kVmm, to.vmm);
  declare(command, text::measure::kOvmfDigest, to.ovmf_digest);
}

}  // namespace

void add_measure(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<MeasureArguments>();
  CLI::App& command =
      add_command(app, session, text::measure::kCommand,
                  [arguments](Printer& output) { return measure_launch(*arguments, output); });
  add_launch_options(command, arguments->launch);
  declare(command, text::measure::kImage, arguments->image)->check(check_operand);
  add_variant_options(command, *arguments);
  add_firmware_options(command, *arguments);
  add_id_block_options(command, arguments->id_block);
}

}  // namespace bartizan::cli
