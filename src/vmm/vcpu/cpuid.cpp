// CPUID: what KVM_GET_SUPPORTED_CPUID leaves to the VMM (Intel SDM volume 2A, CPUID).
#include <algorithm>
#include <bit>

#include "vmm/vcpu/setup.hpp"

namespace bartizan::vmm::vcpu {
namespace {

constexpr uint32_t kLeaf1Hypervisor = 1u << 31;  // ECX. Without it: no kvm-clock, slow calibrations
// ECX. KVM emulates it; with it the guest need not calibrate a timer
constexpr uint32_t kLeaf1TscDeadline = 1u << 24;
constexpr uint32_t kLeaf1Osxsave = 1u << 27;  // ECX: the guest's doing, not ours
constexpr uint32_t kLeaf1Threads = 1u << 28;  // EDX

void set_features(kvm::CpuidTable& table, uint32_t id, uint32_t count) {
  kvm_cpuid_entry2& leaf = table.find_or_add(1);
  leaf.ecx = (leaf.ecx | kLeaf1Hypervisor | kLeaf1TscDeadline) & ~kLeaf1Osxsave;
  leaf.ebx = (leaf.ebx & 0x0000'ffff) | std::min(count, 255u) << 16 | id << 24;
  if (count > 1) leaf.edx |= kLeaf1Threads;
}

kvm_cpuid_entry2 topology_level(uint32_t leaf, uint32_t level, uint32_t type, uint32_t shift,
                                uint32_t logical, uint32_t id) {
  kvm_cpuid_entry2 entry{};
  entry.function = leaf;
  entry.index = level;
  entry.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  entry.eax = shift;
  entry.ebx = logical;
  entry.ecx = type << 8 | level;
  entry.edx = id;
  return entry;
}

// One socket, a core for each vCPU, one thread per core; leaf 0x1F would contain the same and is
// left out.
void set_topology(kvm::CpuidTable& table, uint32_t id, uint32_t count) {
  std::erase_if(table.entries(),
                [](const auto& entry) { return entry.function == 0xb || entry.function == 0x1f; });
  auto bits = static_cast<uint32_t>(std::bit_width(count - 1));
  table.entries().push_back(topology_level(0xb, 0, 1, 0, 1, id));
  table.entries().push_back(topology_level(0xb, 1, 2, bits, count, id));
  table.entries().push_back(topology_level(0xb, 2, 0, 0, 0, id));
  if (kvm_cpuid_entry2* leaf = table.find(0x8000'0008))
    leaf->ecx = (count - 1) | bits << 12;  // AMD: cores
  if (kvm_cpuid_entry2* leaf = table.find(0x8000'001e)) {
    leaf->eax = leaf->ebx = id;
    leaf->ecx = 0;
  }
}

// State components (XCR0 bits) that make no sense without their feature.
struct Component {
  uint64_t mask;
  uint32_t leaf, bit;
  uint32_t kvm_cpuid_entry2::*reg;
};
constexpr Component kComponents[] = {
    {1ull << 2, 1, 28, &kvm_cpuid_entry2::ecx},   // AVX
    {3ull << 3, 7, 14, &kvm_cpuid_entry2::ebx},   // MPX
    {7ull << 5, 7, 16, &kvm_cpuid_entry2::ebx},   // AVX-512
    {1ull << 9, 7, 3, &kvm_cpuid_entry2::ecx},    // protection keys
    {3ull << 17, 7, 24, &kvm_cpuid_entry2::edx},  // AMX
};

uint64_t supported_components(const kvm::CpuidTable& table, const kvm_cpuid_entry2& main) {
  uint64_t mask = static_cast<uint64_t>(main.edx) << 32 | main.eax;
  for (const Component& component : kComponents) {
    const kvm_cpuid_entry2* leaf = table.find(component.leaf);
    bool there = leaf != nullptr && (leaf->*component.reg >> component.bit & 1) != 0;
    if (!there) mask &= ~component.mask;
  }
  return mask;
}

// A guest compares leaf 0xD's sizes with the sum of the parts and warns when they differ.
void fix_xstate(kvm::CpuidTable& table) {
  kvm_cpuid_entry2* main = table.find(0xd, 0);
  if (main == nullptr) return;
  uint64_t mask = supported_components(table, *main);
  main->eax = static_cast<uint32_t>(mask);
  main->edx = static_cast<uint32_t>(mask >> 32);
  uint32_t size = 512 + 64;  // legacy area and header
  std::erase_if(table.entries(), [&](const kvm_cpuid_entry2& entry) {
    bool user_state =
        entry.function == 0xd && entry.index >= 2 && entry.index < 63 && (entry.ecx & 1) == 0;
    if (!user_state) return false;
    if ((mask >> entry.index & 1) == 0) return true;
    size = std::max(size, entry.eax + entry.ebx);
    return false;
  });
  table.find(0xd, 0)->ecx = size;
}

}  // namespace

kvm::CpuidTable cpuid_of(const kvm::CpuidTable& supported, uint32_t id, uint32_t count) {
  kvm::CpuidTable table = supported;
  set_features(table, id, count);
  set_topology(table, id, count);
  fix_xstate(table);
  return table;
}

}  // namespace bartizan::vmm::vcpu
