// Every combination of vCPU count, processor and host kernel that a launch may meet, measured.
#include <algorithm>
#include <optional>
#include <set>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "plan/measure/launch_planner.hpp"
#include "plan/tee/snp/cpu_model.hpp"
#include "plan/tee/snp/digest.hpp"
#include "plan/tee/snp/firmware_plan.hpp"

namespace bartizan {
namespace {

namespace snp = plan::tee::snp;

constexpr const char* kOrigin = "plan/measure/measure_set";
// Each costs at least milliseconds. Bounds the work that a mistyped range can cause.
constexpr uint64_t kMaxCombinations = 4096;
constexpr uint32_t kMaxFirmwareVcpus = 512;  // QEMU/KVM's maximum, with headroom
constexpr uint64_t kMaxKernelBytes = kGiB;   // kernel or initrd: must not fill memory

struct MeasuredProcessor {
  std::string name;
  uint32_t signature = 0;
  uint32_t c_bit = 0;  // of our own launches; 0: the TEE's usual one
};

Result<std::vector<MeasuredProcessor>> processors(const MeasureOptions& options) {
  std::vector<MeasuredProcessor> list;
  for (const auto& name : options.vcpu_types) {
    list.push_back({name, TRY(snp::cpu_signature(name))});
  }
  for (uint32_t signature : options.vcpu_signatures) list.push_back({"", signature});
  if (list.empty()) list.push_back({});
  return list;
}

bool has_choice_of_c_bit(Tee tee) {
  return tee == Tee::sev || tee == Tee::sev_es || tee == Tee::snp;
}

// Our own launches: registers hold no signature, so processors differ in their C-bit alone.
std::vector<MeasuredProcessor> by_c_bit(const MeasureOptions& options,
                                        const std::vector<MeasuredProcessor>& all) {
  std::vector<MeasuredProcessor> list;
  for (uint32_t c_bit : options.c_bits) list.push_back({"", 0, c_bit});
  if (!list.empty()) return list;
  for (MeasuredProcessor processor : all) {
    bool known = processor.signature != 0 && has_choice_of_c_bit(options.launch.tee);
    processor.c_bit = known ? snp::c_bit_position(processor.signature) : options.launch.c_bit;
    auto same = [&](const MeasuredProcessor& other) { return other.c_bit == processor.c_bit; };
    if (std::ranges::none_of(list, same)) list.push_back(std::move(processor));
  }
  return list;
}

// What of a firmware launch is read once for all combinations.
struct FirmwareImage {
  snp::Ovmf ovmf;
  std::optional<snp::KernelHashes> hashes;
};

Result<void> check_firmware(const MeasureOptions& options) {
  const auto& [ovmf, kernel, initrd, append, vmm, ovmf_digest] = options.firmware;
  const Tee tee = options.launch.tee;
  if (ovmf.empty() && !(kernel.empty() && initrd.empty() && append.empty() && ovmf_digest.empty()))
    return invalid(kOrigin, "kernel, initrd, append, firmware digest: given without a firmware");
  if (ovmf.empty()) return {};
  if (tee != Tee::sev && tee != Tee::sev_es && tee != Tee::snp)
    return make_error(ErrorCode::unsupported, kOrigin,
                      "TEE \"{}\": firmware is measured for sev, sev-es and snp", to_string(tee));
  if (kernel.empty() && !(initrd.empty() && append.empty()))
    return invalid(kOrigin, "initrd, append: given without a kernel");
  if (!ovmf_digest.empty() &&
      (tee != Tee::snp || ovmf_digest.size() != sizeof(crypto::Sha384Digest)))
    return invalid(kOrigin, "firmware digest of {} bytes for TEE \"{}\": 48 bytes, with snp alone",
                   ovmf_digest.size(), to_string(tee));
  return {};
}

// QEMU's registers hold the processor's signature, so there is no digest without one.
Result<void> check_processor(const MeasureOptions& options) {
  const auto& firmware = options.firmware;
  bool named = !options.vcpu_types.empty() || !options.vcpu_signatures.empty();
  if (named || firmware.ovmf.empty() || firmware.vmm != Vmm::qemu ||
      options.launch.tee == Tee::sev) {
    return {};
  }
  return invalid(kOrigin, "firmware launched by QEMU: needs a vCPU type or a signature");
}

Result<void> check_c_bits(const MeasureOptions& options) {
  bool given = !options.c_bits.empty() || options.launch.c_bit != 0;
  if (given && !options.firmware.ovmf.empty()) {
    return invalid(kOrigin,
                   "C-bit of a firmware launch: page tables are made by the firmware itself");
  }
  if (options.c_bits.empty()) return {};
  if (options.launch.c_bit == 0 && options.vcpu_types.empty() && options.vcpu_signatures.empty())
    return {};
  return invalid(kOrigin, "C-bits: given twice, as a list and by a launch or vCPU types");
}

Result<void> check_features(const MeasureOptions& options) {
  TRY(plan::measure::check_guest_features(options.launch.tee, options.launch.guest_features));
  return plan::measure::check_guest_features(options.launch.tee, options.guest_features);
}

uint64_t features_of(const MeasureOptions& options) {
  if (options.guest_features != 0) return options.guest_features;
  if (options.launch.guest_features != 0) return options.launch.guest_features;
  return plan::measure::default_guest_features(options.launch.tee);
}

// First and last vCPU count.
Result<std::pair<uint32_t, uint32_t>> vcpu_range(const MeasureOptions& options) {
  uint32_t first = options.launch.vcpus;
  uint32_t last = options.max_vcpus == 0 ? first : options.max_vcpus;
  if (first == 0 || last < first)
    return invalid(kOrigin, "{} to {} vCPUs: not a range", first, last);
  if (!options.firmware.ovmf.empty() && last > kMaxFirmwareVcpus)
    return invalid(kOrigin, "vCPU count {} exceeds the maximum of {}", last, kMaxFirmwareVcpus);
  return std::pair(first, last);
}

Result<FirmwareImage> read_firmware(const FirmwareLaunch& from) {
  FirmwareImage firmware{TRY(snp::parse_ovmf(TRY(read_file(from.ovmf, snp::kMaxOvmfBytes)))), {}};
  if (from.kernel.empty()) return firmware;
  Bytes kernel = TRY(read_file(from.kernel, kMaxKernelBytes)), initrd;
  if (!from.initrd.empty()) initrd = TRY(read_file(from.initrd, kMaxKernelBytes));
  firmware.hashes = snp::KernelHashes::of(kernel, initrd, from.append);
  return firmware;
}

// The digest when the firmware is known by its own digest: that stands for the plan's first item.
void use_firmware_digest(const std::vector<uint8_t>& known, const plan::tee::LaunchPlan& plan,
                         const snp::VmsaOptions& vmsa, Measurement* measurement) {
  crypto::Sha384Digest start;
  std::ranges::copy(known, start.begin());
  auto digest = snp::resume_launch_digest(start, 1, plan, vmsa);
  measurement->digest.assign(digest.begin(), digest.end());
}

class Measurer {
 public:
  Measurer(const MeasureOptions& options, std::optional<FirmwareImage> firmware)
      : options_(options), firmware_(std::move(firmware)) {
    features_ = features_of(options);
  }

  Result<void> add_all(uint32_t vcpus, const MeasuredProcessor& processor);
  std::vector<Measurement> take() { return std::move(list_); }

 private:
  Result<plan::tee::LaunchPlan> plan(uint32_t vcpus, const MeasuredProcessor& processor) const;
  void add(Measurement measurement);

  const MeasureOptions& options_;
  std::optional<FirmwareImage> firmware_;
  uint64_t features_ = 0;
  std::vector<Measurement> list_;
  std::set<std::vector<uint8_t>> digests_;
};

Result<plan::tee::LaunchPlan> Measurer::plan(uint32_t vcpus,
                                             const MeasuredProcessor& processor) const {
  if (firmware_) {
    return snp::firmware_plan(firmware_->ovmf, {options_.launch.tee, options_.firmware.vmm, vcpus,
                                                processor.signature, firmware_->hashes});
  }
  LaunchOptions launch = options_.launch;
  launch.vcpus = vcpus;
  launch.c_bit = processor.c_bit;
  return plan::measure::make_plan(launch, false);
}

void Measurer::add(Measurement measurement) {
  if (!measurement.digest.empty() && !digests_.insert(measurement.digest).second) return;
  list_.push_back(std::move(measurement));
}

Result<void> Measurer::add_all(uint32_t vcpus, const MeasuredProcessor& processor) {
  auto made = TRY(plan(vcpus, processor));
  for (HostKernel kernel : options_.host_kernels) {
    // The simulated TEE's digest is our own doing: no host's kernel has a part in it.
    if (options_.launch.tee == Tee::simulated) kernel = HostKernel::since_6_10;
    snp::VmsaOptions vmsa{features_, kernel};
    if (firmware_) vmsa = snp::vmsa_options(options_.firmware.vmm, features_, kernel);
    auto measurement = plan::measure::measure_plan(made, vmsa);
    const auto& known = options_.firmware.ovmf_digest;
    if (!known.empty()) use_firmware_digest(known, made, vmsa, &measurement);
    measurement.vcpu_type = processor.name;
    measurement.vcpu_signature = processor.signature;
    add(std::move(measurement));
  }
  return {};
}

Result<void> check_count(const MeasureOptions& options, uint64_t vcpus, uint64_t processors) {
  if (options.host_kernels.empty()) return invalid(kOrigin, "host kernels: none given");
  uint64_t limit = kMaxCombinations / options.host_kernels.size();
  if (processors <= limit && vcpus <= limit / processors) return {};
  return invalid(kOrigin, "{} vCPU counts, {} processors, {} host kernels: at most {} combinations",
                 vcpus, processors, options.host_kernels.size(), kMaxCombinations);
}

}  // namespace

Result<std::vector<Measurement>> measure_set(const MeasureOptions& options) {
  TRY(check_firmware(options));
  TRY(check_processor(options));
  TRY(check_features(options));
  TRY(check_c_bits(options));
  auto [first, last] = TRY(vcpu_range(options));
  auto list = TRY(processors(options));
  if (options.firmware.ovmf.empty()) list = by_c_bit(options, list);
  TRY(check_count(options, uint64_t{last} - first + 1, list.size()));
  std::optional<FirmwareImage> firmware;
  if (!options.firmware.ovmf.empty()) firmware = TRY(read_firmware(options.firmware));
  Measurer measurer(options, std::move(firmware));
  for (uint32_t vcpus = first; vcpus <= last; vcpus++) {
    for (const auto& processor : list) TRY(measurer.add_all(vcpus, processor));
  }
  return measurer.take();
}

std::vector<std::string> vcpu_type_names() {
  std::vector<std::string> names;
  for (const auto& model : snp::cpu_models()) names.emplace_back(model.name);
  return names;
}

}  // namespace bartizan
