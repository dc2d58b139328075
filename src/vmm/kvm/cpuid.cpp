#include "vmm/kvm/cpuid.hpp"

#include <utility>

namespace bartizan::vmm::kvm {

const kvm_cpuid_entry2* CpuidTable::find(uint32_t leaf, uint32_t subleaf) const {
  for (const kvm_cpuid_entry2& entry : entries_) {
    bool indexed = (entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
    if (entry.function == leaf && (!indexed || entry.index == subleaf)) return &entry;
  }
  return nullptr;
}

kvm_cpuid_entry2* CpuidTable::find(uint32_t leaf, uint32_t subleaf) {
  return const_cast<kvm_cpuid_entry2*>(std::as_const(*this).find(leaf, subleaf));
}

kvm_cpuid_entry2& CpuidTable::find_or_add(uint32_t leaf) {
  if (kvm_cpuid_entry2* entry = find(leaf)) return *entry;
  kvm_cpuid_entry2 entry{};
  entry.function = leaf;
  return entries_.emplace_back(entry);
}

void CpuidTable::remove(uint32_t leaf, uint32_t subleaf) {
  std::erase_if(entries_, [&](const kvm_cpuid_entry2& entry) {
    return entry.function == leaf && entry.index == subleaf;
  });
}

}  // namespace bartizan::vmm::kvm
