#include "guest/stub/memory.hpp"

#include <cstring>

#include "guest/stub/platform.hpp"
#include "guest/stub/table.hpp"
#include "guest/stub/tdx.hpp"

namespace bartizan::guest::stub {
namespace {

// APM volume 3, PVALIDATE: FAIL_SIZEMISMATCH.
constexpr uint32_t kSizeMismatch = 6;

// A GiB of RAM above 4 GiB at a time appears here: the second entry of the top table (APM volume
// 2, 5.3.3).
constexpr uint64_t kWindow = 1ull << 39;
constexpr uint64_t kWindowPdpt = guest_abi::kStubPageTables + 6 * kPageSize;
constexpr uint64_t kWindowDirectory = guest_abi::kStubPageTables + 7 * kPageSize;
constexpr uint64_t kTableFlags = 0x23;  // present, writable, accessed
constexpr uint64_t kPageFlags = 0xe3;   // and dirty, large

void set_entry(uint64_t table, uint64_t index, uint64_t value) {
  std::memcpy(platform::memory(table + index * 8), &value, sizeof value);
}

class MemoryAcceptor {
 public:
  MemoryAcceptor(const StubTable& table, const Processor& processor)
      : table_(table), processor_(processor) {}
  ~MemoryAcceptor() {
    if (mapped_ != 0) close_window();
  }
  MemoryAcceptor(const MemoryAcceptor&) = delete;
  MemoryAcceptor& operator=(const MemoryAcceptor&) = delete;

  StubRefusal take(const guest_abi::StubRange& range);

 private:
  enum class AcceptResult { done, too_large, valid_before, failed };

  AcceptResult take_page(uint64_t address, bool large);
  AcceptResult validate(uint64_t address, bool large);
  AcceptResult accept(uint64_t address, bool large);
  StubRefusal take_small(uint64_t address, uint64_t pages);
  uint64_t reach(uint64_t address);
  void close_window();
  void forget_translations();

  const StubTable& table_;
  const Processor& processor_;
  uint64_t mapped_ = 0;  // the GiB in the window
};

// Its virtual address.
uint64_t MemoryAcceptor::reach(uint64_t address) {
  if (address < kFourGiB) return address;
  uint64_t gib = address & ~(kGiB - 1);
  if (gib != mapped_) {
    uint64_t bits = private_bits(table_);
    for (uint64_t i = 0; i < 512; i++) {
      set_entry(kWindowDirectory, i, (gib + i * kLargePageSize) | kPageFlags | bits);
    }
    set_entry(kWindowPdpt, 0, kWindowDirectory | kTableFlags | bits);
    set_entry(guest_abi::kStubPageTables, 1, kWindowPdpt | kTableFlags | bits);
    forget_translations();
    mapped_ = gib;
  }
  return kWindow + (address - gib);
}

void MemoryAcceptor::close_window() {
  set_entry(guest_abi::kStubPageTables, 1, 0);
  forget_translations();
}

void MemoryAcceptor::forget_translations() {
  platform::load_cr3(guest_abi::kStubPageTables | private_bits(table_));
}

// Fn8000001F_EBX[31] (COHERENCY_SFW_NO) clear: a host may have left lines of the page's earlier
// life in the cache; reading the first and the last byte of each page evicts them.
void evict_lines(const uint8_t* at, uint64_t bytes) {
  for (uint64_t offset = 0; offset < bytes; offset += kPageSize) {
    (void)*static_cast<const volatile uint8_t*>(at + offset);
    (void)*static_cast<const volatile uint8_t*>(at + offset + kPageSize - 1);
  }
}

MemoryAcceptor::AcceptResult MemoryAcceptor::validate(uint64_t address, bool large) {
  uint64_t at = reach(address);
  platform::Validation validation = platform::pvalidate(at, large);
  if (large && validation.result == kSizeMismatch) return AcceptResult::too_large;
  if (validation.result != 0) return AcceptResult::failed;
  if (validation.unchanged) return AcceptResult::valid_before;
  if (processor_.evict_validated)
    evict_lines(platform::memory(at), large ? kLargePageSize : kPageSize);
  return AcceptResult::done;
}

MemoryAcceptor::AcceptResult MemoryAcceptor::accept(uint64_t address, bool large) {
  switch (tdx_accept(address, large)) {
    case 0:
      return AcceptResult::done;
    case kTdxAlreadyAccepted:
      return AcceptResult::valid_before;
    case kTdxPageSizeMismatch:
      return large ? AcceptResult::too_large : AcceptResult::failed;
    default:
      return AcceptResult::failed;
  }
}

MemoryAcceptor::AcceptResult MemoryAcceptor::take_page(uint64_t address, bool large) {
  return platform_of(table_) == StubPlatform::snp ? validate(address, large)
                                                  : accept(address, large);
}

StubRefusal MemoryAcceptor::take_small(uint64_t address, uint64_t pages) {
  for (; pages > 0; pages--, address += kPageSize) {
    AcceptResult outcome = take_page(address, false);
    if (outcome == AcceptResult::valid_before) return StubRefusal::validated;
    if (outcome != AcceptResult::done) return StubRefusal::memory;
  }
  return kDone;
}

StubRefusal MemoryAcceptor::take(const guest_abi::StubRange& range) {
  constexpr uint64_t kPagesInLarge = kLargePageSize / kPageSize;
  uint64_t address = range.address, left = range.pages;
  while (left > 0) {
    bool large = address % kLargePageSize == 0 && left >= kPagesInLarge;
    AcceptResult outcome = large ? take_page(address, true) : AcceptResult::too_large;
    if (outcome == AcceptResult::valid_before) return StubRefusal::validated;
    if (outcome == AcceptResult::failed) return StubRefusal::memory;
    uint64_t pages = large ? kPagesInLarge : 1;
    if (outcome == AcceptResult::too_large) {
      StubRefusal why = take_small(address, pages);
      if (why != kDone) return why;
    }
    address += pages * kPageSize, left -= pages;
  }
  return kDone;
}

// Page 0 is the guest's from the start, or became so as a part of a range; as a launch page of SNP
// or TDX it is zero.
bool zero_page_is_ours(const StubTable& table) {
  StubPlatform platform = platform_of(table);
  if (platform != StubPlatform::snp && platform != StubPlatform::tdx) return true;
  return table.range_count > 0 && table.ranges[0].address == 0;
}

}  // namespace

uint64_t private_bits(const StubTable& table) {
  StubPlatform platform = platform_of(table);
  bool c_bit = platform != StubPlatform::none && platform != StubPlatform::tdx;
  return c_bit ? 1ull << table.address_bit : 0;
}

StubRefusal accept_memory(const StubTable& table, const Processor& processor) {
  {
    MemoryAcceptor taker(table, processor);
    for (uint32_t i = 0; i < table.range_count; i++) {
      StubRefusal why = taker.take(table.ranges[i]);
      if (why != kDone) return why;
    }
  }
  if (zero_page_is_ours(table)) std::memset(platform::memory(0), 0, kPageSize);
  return kDone;
}

}  // namespace bartizan::guest::stub
