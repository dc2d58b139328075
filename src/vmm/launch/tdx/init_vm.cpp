#include "vmm/launch/tdx/init_vm.hpp"

#include <algorithm>
#include <cstring>

#include "base/errors.hpp"
#include "vmm/launch/causes.hpp"

namespace bartizan::vmm::launch::tdx {
namespace {

// KVM does not report how many entries there are, only E2BIG. Real modules list about 30; more than
// this many would not fit into KVM_TDX_INIT_VM.
constexpr uint32_t kFirstEntries = 64;

constexpr uint32_t kX2apic = 1u << 21;         // leaf 1 ECX
constexpr uint32_t kTsx = 1u << 4 | 1u << 11;  // leaf 7 EBX: HLE, RTM
constexpr uint32_t kWaitpkg = 1u << 5;         // leaf 7 ECX
constexpr uint32_t kGuestBits = 48;            // leaf 0x80000008 EAX[23:16]
constexpr uint32_t kGuestBitsMask = 0xffu << 16;
constexpr uint64_t kXfamAlways = 3;  // x87, SSE: fixed by the module
// needs a permission of the host's process that we do not ask
constexpr uint64_t kAmx = 3ull << 17;

}  // namespace

Result<Capabilities> capabilities(const kvm::Vm& vm) {
  auto id = kvm::TdxCommandId::capabilities;
  for (uint32_t space = kFirstEntries; space <= kvm::kTdxMaxInitCpuids; space *= 2) {
    Bytes buffer(sizeof(kvm::TdxCapabilities) + space * sizeof(kvm_cpuid_entry2));
    kvm::TdxCapabilities head;
    head.cpuid.count = space;
    std::memcpy(buffer.data(), &head, sizeof head);
    auto outcome = vm.tdx(id, buffer.data());
    if (outcome.os_errno == E2BIG) continue;
    TRY(explain(id, outcome));
    std::memcpy(&head, buffer.data(), sizeof head);
    Capabilities answer{head.supported_attrs, head.supported_xfam, {}};
    answer.configurable.resize(std::min(head.cpuid.count, space));
    std::memcpy(answer.configurable.data(), buffer.data() + sizeof head,
                answer.configurable.size() * sizeof(kvm_cpuid_entry2));
    return answer;
  }
  return explain(id, {E2BIG, 0}).error();
}

void edit_cpuid(kvm::CpuidTable& table) {
  table.find_or_add(1).ecx |= kX2apic;
  kvm_cpuid_entry2& sizes = table.find_or_add(0x8000'0008);
  sizes.eax = (sizes.eax & ~kGuestBitsMask) | kGuestBits << 16;
  if (kvm_cpuid_entry2* leaf = table.find(7)) {
    leaf->ebx &= ~kTsx;
    leaf->ecx &= ~kWaitpkg;
  }
}

std::vector<kvm_cpuid_entry2> chosen_cpuid(const kvm::CpuidTable& table,
                                           const std::vector<kvm_cpuid_entry2>& configurable) {
  std::vector<kvm_cpuid_entry2> chosen;
  for (kvm_cpuid_entry2 entry : configurable) {
    const kvm_cpuid_entry2* wanted = table.find(entry.function, entry.index);
    const kvm_cpuid_entry2 nothing{};
    const kvm_cpuid_entry2& from = wanted == nullptr ? nothing : *wanted;
    entry.eax &= from.eax;
    entry.ebx &= from.ebx;
    entry.ecx &= from.ecx;
    entry.edx &= from.edx;
    chosen.push_back(entry);
  }
  return chosen;
}

uint64_t chosen_xfam(const kvm::CpuidTable& table, uint64_t supported) {
  uint64_t wanted = kXfamAlways;
  if (const kvm_cpuid_entry2* state = table.find(0xd)) {
    wanted |= static_cast<uint64_t>(state->edx) << 32 | state->eax;
  }
  return wanted & supported & ~kAmx;
}

Result<void> init_vm(const kvm::Vm& vm, const kvm::CpuidTable& table,
                     const std::array<uint8_t, 32>& workload_digest, uint64_t attributes) {
  auto offered = TRY(capabilities(vm));
  kvm::TdxInitVm head;
  head.attributes = kvm::kTdxAttributeSeptVeDisable | attributes;
  if (uint64_t lacking = head.attributes & ~offered.attributes; lacking != 0) {
    return make_error(ErrorCode::unsupported, "tee/tdx",
                      "KVM_TDX_CAPABILITIES: attributes {:#x} lack {:#x}{}", offered.attributes,
                      lacking,
                      lacking & kvm::kTdxAttributeSeptVeDisable ? " (SEPT_VE_DISABLE)" : "");
  }
  head.xfam = chosen_xfam(table, offered.xfam);
  std::ranges::copy(workload_digest, head.mrconfigid);
  auto entries = chosen_cpuid(table, offered.configurable);
  head.cpuid.count = static_cast<uint32_t>(entries.size());
  Bytes buffer(sizeof head + entries.size() * sizeof entries[0]);
  std::memcpy(buffer.data(), &head, sizeof head);
  std::memcpy(buffer.data() + sizeof head, entries.data(), entries.size() * sizeof entries[0]);
  auto id = kvm::TdxCommandId::init_vm;
  return explain(id, vm.tdx(id, buffer.data()));
}

}  // namespace bartizan::vmm::launch::tdx
