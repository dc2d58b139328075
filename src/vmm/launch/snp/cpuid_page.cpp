#include "vmm/launch/snp/cpuid_page.hpp"

#include <cstring>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::launch::snp {
namespace {

constexpr size_t kEntriesAt = 16;  // after the count and reserved words

struct CpuidPageEntry {
  uint32_t leaf = 0, subleaf = 0;
  uint64_t xcr0 = 0, xss = 0;  // for leaf 0xD: the state in which the answer holds
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  uint64_t reserved = 0;
};
static_assert(sizeof(CpuidPageEntry) == 48 && offsetof(CpuidPageEntry, eax) == 24);
static_assert(kEntriesAt + kMaxCpuidPageEntries * sizeof(CpuidPageEntry) <= kPageSize);

constexpr uint32_t kXstateLeaf = 0xd;
// Size of the XSAVE area with x87 and SSE alone: XCR0 is 1 when the guest asks first, and Linux
// takes entries for that state only, computing others from the components' own.
constexpr uint32_t kLegacyXsaveBytes = 0x240;

CpuidPageEntry entry_of(const kvm_cpuid_entry2& from) {
  CpuidPageEntry entry{from.function, 0, 0, 0, from.eax, from.ebx, from.ecx, from.edx, 0};
  if ((from.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0) entry.subleaf = from.index;
  if (entry.leaf == kXstateLeaf && entry.subleaf <= 1) {
    entry.xcr0 = 1;
    entry.ebx = kLegacyXsaveBytes;
  }
  return entry;
}

bool says_nothing(const CpuidPageEntry& entry) {
  return (entry.eax | entry.ebx | entry.ecx | entry.edx) == 0;
}

CpuidPageEntry entry_at(ByteView page, size_t index) {
  CpuidPageEntry entry;
  std::memcpy(&entry, page.data() + kEntriesAt + index * sizeof entry, sizeof entry);
  return entry;
}

uint32_t count_of(ByteView page) {
  uint32_t count = 0;
  if (page.size() >= kEntriesAt) std::memcpy(&count, page.data(), sizeof count);
  return count;
}

void add_change(std::string& line, const char* name, uint32_t before, uint32_t after) {
  if (before != after) line += fmt::format(" {} {:#x} -> {:#x}", name, before, after);
}

std::string change(const CpuidPageEntry& before, const CpuidPageEntry& after) {
  std::string line;
  add_change(line, "eax", before.eax, after.eax);
  add_change(line, "ebx", before.ebx, after.ebx);
  add_change(line, "ecx", before.ecx, after.ecx);
  add_change(line, "edx", before.edx, after.edx);
  if (line.empty()) return line;
  return fmt::format("leaf {:#x}.{}:{}", before.leaf, before.subleaf, line);
}

bool same_question(const CpuidPageEntry& a, const CpuidPageEntry& b) {
  return a.leaf == b.leaf && a.subleaf == b.subleaf && a.xcr0 == b.xcr0 && a.xss == b.xss;
}

}  // namespace

Result<Bytes> cpuid_page(const kvm::CpuidTable& table) {
  Bytes page(kPageSize);
  uint32_t count = 0;
  for (const kvm_cpuid_entry2& from : table.entries()) {
    CpuidPageEntry entry = entry_of(from);
    if (says_nothing(entry)) continue;
    if (count == kMaxCpuidPageEntries) {
      return make_error(ErrorCode::unsupported, "tee/snp", "CPUID page: more than {} leaves",
                        kMaxCpuidPageEntries);
    }
    std::memcpy(page.data() + kEntriesAt + count++ * sizeof entry, &entry, sizeof entry);
  }
  std::memcpy(page.data(), &count, sizeof count);
  return page;
}

Result<std::vector<std::string>> cpuid_page_changes(ByteView asked, ByteView corrected) {
  uint32_t count = count_of(asked);
  bool same_shape = asked.size() == kPageSize && corrected.size() == asked.size() &&
                    count_of(corrected) == count && count <= kMaxCpuidPageEntries;
  std::vector<std::string> changes;
  for (uint32_t i = 0; same_shape && i < count; ++i) {
    CpuidPageEntry before = entry_at(asked, i), after = entry_at(corrected, i);
    same_shape = same_question(before, after);
    if (std::string line = change(before, after); !line.empty()) changes.push_back(line);
  }
  if (same_shape) return changes;
  return make_error(ErrorCode::corrupt, "tee/snp",
                    "CPUID page: what came back from the firmware is another table");
}

}  // namespace bartizan::vmm::launch::snp
