// A CPUID table as KVM takes it: a list of (leaf, subleaf) -> registers, with the edits that VMMs
// make.
#pragma once

#include <vector>

#include "vmm/kvm/kvm_abi.hpp"

namespace bartizan::vmm::kvm {

class CpuidTable {
 public:
  CpuidTable() = default;
  explicit CpuidTable(std::vector<kvm_cpuid_entry2> entries) : entries_(std::move(entries)) {}

  kvm_cpuid_entry2* find(uint32_t leaf, uint32_t subleaf = 0);
  const kvm_cpuid_entry2* find(uint32_t leaf, uint32_t subleaf = 0) const;
  kvm_cpuid_entry2& find_or_add(uint32_t leaf);  // of a leaf without subleaves
  void remove(uint32_t leaf, uint32_t subleaf);

  std::vector<kvm_cpuid_entry2>& entries() { return entries_; }
  const std::vector<kvm_cpuid_entry2>& entries() const { return entries_; }

 private:
  std::vector<kvm_cpuid_entry2> entries_;
};

}  // namespace bartizan::vmm::kvm
