#include "vmm/host/probe_tee.hpp"

#include <unistd.h>

#include <charconv>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "vmm/kvm/gmem_abi.hpp"
#include "vmm/kvm/system.hpp"

namespace bartizan::vmm::host {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxParameterBytes = 64;    // /sys/module/*/parameters/*
constexpr uint64_t kMaxMiscBytes = 64 * kKiB;  // misc.capacity: a line for each resource
constexpr const char* kMiscCapacity = "sys/fs/cgroup/misc.capacity";
constexpr const char* kMiscCurrent = "sys/fs/cgroup/misc.current";

// CPUID Fn8000_001F (AMD APM volume 3): position of the C-bit in EBX.
constexpr uint32_t kEncryptionLeaf = 0x8000'001f;
constexpr uint32_t kCBitMask = 0x3f;

// What differs between the TEEs. `resource`: its name in the misc cgroup; SNP guests take SEV-ES's.
struct Needs {
  Tee tee;
  kvm::VmType type;
  const char* module;
  const char* parameter;
  const char* device;  // under /dev, or empty
  const char* resource;
  const char* processor;
  const char* firmware;
  const char* linux_version;
};
constexpr Needs kNeeds[] = {
    {Tee::sev, kvm::VmType::sev, "kvm_amd", "sev", "sev", "sev", "an AMD EPYC",
     "SMEE and SEV enabled in the BIOS", "6.10"},
    {Tee::sev_es, kvm::VmType::sev_es, "kvm_amd", "sev_es", "sev", "sev_es",
     "an AMD EPYC (Rome or later)",
     "SEV-ES ASIDs set aside in the BIOS (SEV-ES ASID space limit above 1)", "6.10"},
    {Tee::snp, kvm::VmType::snp, "kvm_amd", "sev_snp", "sev", "sev_es",
     "an AMD EPYC (Milan or later)", "SEV-SNP, its RMP table and the IOMMU enabled in the BIOS",
     "6.11"},
    {Tee::tdx, kvm::VmType::tdx, "kvm_intel", "tdx", "", "tdx",
     "an Intel Xeon (Sapphire Rapids or later)", "TDX and TME-MT enabled in the BIOS", "6.16"},
};

const Needs* needs_of(Tee tee) {
  for (const Needs& needs : kNeeds) {
    if (needs.tee == tee) return &needs;
  }
  return nullptr;
}

bool is_on(const fs::path& path) {
  auto bytes = read_file(path, kMaxParameterBytes);
  return bytes.ok() && !bytes->empty() && ((*bytes)[0] == 'Y' || (*bytes)[0] == '1');
}

// "name value" lines. Nothing: not there.
std::optional<uint64_t> value_in(const fs::path& path, std::string_view name) {
  auto bytes = read_file(path, kMaxMiscBytes);
  if (!bytes.ok()) return std::nullopt;
  std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    size_t space = line.find(' ');
    if (space == line.npos || line.substr(0, space) != name) continue;
    uint64_t value = 0;
    const char* end = line.data() + line.size();
    if (std::from_chars(line.data() + space + 1, end, value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

// The first thing that is missing, with advice; both empty: nothing is.
struct Lack {
  std::string missing, advice;
};

Lack lack_of_module(const Needs& needs, const fs::path& root) {
  auto module = root / "sys/module" / needs.module;
  std::error_code ignored;
  if (is_on(module / "parameters" / needs.parameter)) return {};
  auto all = fmt::format("needs {}, {}, Linux {} or later and {} {}=1", needs.processor,
                         needs.firmware, needs.linux_version, needs.module, needs.parameter);
  if (!fs::exists(module, ignored)) {
    return {fmt::format("/sys/module/{}/parameters/{}: not there", needs.module, needs.parameter),
            all};
  }
  return {
      fmt::format("/sys/module/{}/parameters/{}: off or not there", needs.module, needs.parameter),
      fmt::format("load {} with {}=1; if it stays off: {}", needs.module, needs.parameter, all)};
}

Lack lack_of_device(const Needs& needs, const fs::path& root) {
  std::error_code ignored;
  auto name = fs::path("/dev") / needs.device;
  auto path = root / "dev" / needs.device;
  if (*needs.device == 0) return {};
  if (!fs::exists(path, ignored)) {
    return {fmt::format("{}: not there", name.native()),
            "load the ccp module; in a container, pass the device in"};
  }
  if (::access(path.c_str(), R_OK | W_OK) == 0) return {};
  return {fmt::format("{}: may not be opened", name.native()),
          "add the user to the group that owns it, or have udev give it to group kvm"};
}

Lack lack_of_vm_type(const Needs& needs, const HostFiles& host) {
  auto system = kvm::System::open(host.kernel, host.kvm_device);
  if (!system.ok()) return {system.error().describe(), "see the advice for KVM itself"};
  auto types = system->check_extension(kvm::kCapVmTypes);
  if (types.ok() && (*types >> static_cast<unsigned>(needs.type) & 1) != 0) return {};
  return {fmt::format("KVM_CAP_VM_TYPES: no VMs of type {}", static_cast<unsigned>(needs.type)),
          fmt::format("needs Linux {} or later and firmware that initialised the platform: look "
                      "for \"SEV\" or \"tdx\" in the kernel's log",
                      needs.linux_version)};
}

Lack lack_of_capacity(const Needs& needs, const fs::path& root) {
  auto capacity = tee_capacity(needs.tee, root);
  if (!capacity || capacity->used < capacity->total) return {};
  if (capacity->total == 0) {
    return {fmt::format("misc.capacity: no {} slot", needs.resource),
            fmt::format("needs {}", needs.firmware)};
  }
  return {fmt::format("all {} {} slots are in use", capacity->total, needs.resource),
          "stop a confidential guest, or place this one on another host"};
}

Lack lack_of(const Needs& needs, const HostFiles& host) {
  Lack lack = lack_of_module(needs, host.root);
  if (lack.missing.empty()) lack = lack_of_device(needs, host.root);
  if (lack.missing.empty()) lack = lack_of_vm_type(needs, host);
  if (lack.missing.empty()) lack = lack_of_capacity(needs, host.root);
  return lack;
}

}  // namespace

std::optional<TeeCapacity> tee_capacity(Tee tee, const fs::path& root) {
  const Needs* needs = needs_of(tee);
  if (needs == nullptr) return std::nullopt;
  auto total = value_in(root / kMiscCapacity, needs->resource);
  if (!total) return std::nullopt;
  return TeeCapacity{*total, value_in(root / kMiscCurrent, needs->resource).value_or(0)};
}

std::optional<uint8_t> host_c_bit(const HostFiles& host) {
  auto system = kvm::System::open(host.kernel, host.kvm_device);
  if (!system.ok()) return std::nullopt;
  auto cpuid = system->supported_cpuid();
  const kvm_cpuid_entry2* leaf = cpuid.ok() ? cpuid->find(kEncryptionLeaf) : nullptr;
  if (leaf == nullptr || (leaf->ebx & kCBitMask) == 0) return std::nullopt;
  return static_cast<uint8_t>(leaf->ebx & kCBitMask);
}

TeeProbe probe_hardware_tee(Tee tee, const HostFiles& host) {
  TeeProbe probe{tee, false, "not a hardware TEE", "ask for sev, sev-es, snp or tdx"};
  const Needs* needs = needs_of(tee);
  if (needs == nullptr) return probe;
  Lack lack = lack_of(*needs, host);
  probe.available = lack.missing.empty();
  probe.missing = std::move(lack.missing);
  probe.advice = std::move(lack.advice);
  if (auto capacity = tee_capacity(tee, host.root)) {
    probe.capacity = capacity->total;
    probe.in_use = capacity->used;
  }
  return probe;
}

Result<void> require_tee(Tee tee, const HostFiles& host) {
  if (needs_of(tee) == nullptr) return {};
  TeeProbe probe = probe_hardware_tee(tee, host);
  if (probe.available) return {};
  return make_error(ErrorCode::unsupported, "machine", "TEE {}: {}; {}", to_string(tee),
                    probe.missing, probe.advice);
}

}  // namespace bartizan::vmm::host
