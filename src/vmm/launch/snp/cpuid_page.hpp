// The CPUID page of an SNP guest (SNP firmware ABI, "CPUID page"): what the guest believes about
// its processor, after the firmware has compared it with the real one. Its content is not measured.
#pragma once

#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "vmm/kvm/cpuid.hpp"

namespace bartizan::vmm::launch::snp {

constexpr size_t kMaxCpuidPageEntries = 64;

// 4096 bytes. `table`: what KVM_SET_CPUID2 got; leaves that are all zero are left out, a guest
// reads missing ones as zero. unsupported: more than 64 entries.
Result<Bytes> cpuid_page(const kvm::CpuidTable& table);

// The entries that differ, one line each: "leaf 0x7.0: ebx 0x2 -> 0x0". corrupt: not a correction
// of `asked`, but another table.
Result<std::vector<std::string>> cpuid_page_changes(ByteView asked, ByteView corrected);

}  // namespace bartizan::vmm::launch::snp
