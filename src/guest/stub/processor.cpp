#include "guest/stub/processor.hpp"

#include "guest/stub/ghcb.hpp"
#include "guest/stub/platform.hpp"
#include "guest/stub/tdx.hpp"

namespace bartizan::guest::stub {
namespace {

constexpr uint32_t kFeatureLeaf = 7;  // structured extended features
constexpr uint32_t kShaBit = 1u << 29;
constexpr uint32_t kEncryptionLeaf = 0x8000001f;  // APM volume 3, E.4.17
constexpr uint32_t kBitPosition = 0x3f;
constexpr uint32_t kCoherent = 1u << 31;  // validation needs no eviction

// SEV_STATUS, APM volume 2, 15.34.10: SEV, SEV-ES, SNP active.
uint64_t status_of(StubPlatform platform) {
  if (platform == StubPlatform::snp) return 7;
  return platform == StubPlatform::sev_es ? 3 : 1;
}

// SNP firmware ABI, CPUID page: firmware has checked it. 48 bytes an entry, at most 64 of them.
struct CpuidEntry {
  uint32_t leaf, subleaf;
  uint64_t xcr0, xss;
  uint32_t eax, ebx, ecx, edx;
  uint64_t reserved;
};
static_assert(sizeof(CpuidEntry) == 48);
constexpr uint32_t kCpuidEntries = 64;

uint32_t page_ebx(uint32_t leaf) {
  const uint8_t* page = platform::memory(guest_abi::kSnpCpuidAddress);
  uint32_t count = *reinterpret_cast<const uint32_t*>(page);
  auto entries = reinterpret_cast<const CpuidEntry*>(page + 16);
  for (uint32_t i = 0; i < count && i < kCpuidEntries; i++) {
    if (entries[i].leaf == leaf && entries[i].subleaf == 0) return entries[i].ebx;
  }
  return 0;
}

uint32_t instruction_ebx(uint32_t leaf) {
  uint32_t highest = platform::cpuid(leaf & 0x80000000, 0).eax;
  return leaf <= highest ? platform::cpuid(leaf, 0).ebx : 0;
}

uint32_t cpuid_ebx(StubPlatform platform, uint32_t leaf) {
  if (platform == StubPlatform::snp) return page_ebx(leaf);
  if (platform == StubPlatform::sev_es) return ghcb_cpuid(leaf, CpuidRegister::ebx);
  return instruction_ebx(leaf);
}

}  // namespace

StubRefusal look_at_processor(const StubTable& table, Processor* processor) {
  StubPlatform platform = platform_of(table);
  processor->sha_instructions = false;
  if (platform == StubPlatform::tdx) {
    uint32_t bits = tdx_address_bits();
    if (bits == 0) return StubRefusal::platform;
    if (bits - 1 != table.address_bit) return StubRefusal::address_bit;
  } else if (platform != StubPlatform::none) {
    if ((platform::read_msr(platform::kMsrSevStatus) & 7) != status_of(platform)) {
      return StubRefusal::platform;
    }
    uint32_t encryption = cpuid_ebx(platform, kEncryptionLeaf);
    if ((encryption & kBitPosition) != table.address_bit) return StubRefusal::address_bit;
    processor->evict_validated = (encryption & kCoherent) == 0;
  }
  processor->sha_instructions = (cpuid_ebx(platform, kFeatureLeaf) & kShaBit) != 0;
  return kDone;
}

}  // namespace bartizan::guest::stub
