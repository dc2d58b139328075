#include "plan/boot/page_tables.hpp"

#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

// APM volume 2, §5.3: present, writable; accessed and dirty set beforehand, so that nothing in the
// tables changes between measurement and use; page size.
constexpr uint64_t kTableFlags = 0x23;
constexpr uint64_t kPageFlags = 0xe3;
constexpr uint64_t kDirectories = 4;

void set_entry(Bytes* tables, uint64_t table, uint64_t index, uint64_t value) {
  store_le(tables->data() + table * kPageSize + index * 8, value);
}

uint64_t bit_of_page(AddressBit bit, uint64_t address) {
  bool in_hole = address >= kMmioHoleStart && address < kLastPrivatePages;
  bool staged = address >= guest_abi::kStagingAddress && address < guest_abi::kStagingEnd;
  bool set = (bit.means == AddressBit::Means::private_ && !in_hole) ||
             (bit.means == AddressBit::Means::shared && staged);
  return set ? 1ull << bit.position : 0;
}

}  // namespace

static_assert(guest_abi::kStagingAddress % kLargePageSize == 0 &&
              guest_abi::kStagingEnd % kLargePageSize == 0);
static_assert(kMmioHoleStart % kLargePageSize == 0 && kLastPrivatePages % kLargePageSize == 0);

Bytes identity_page_tables(uint64_t at, AddressBit bit) {
  Bytes tables(kPageTablesBytes);
  // Tables are private memory.
  uint64_t c = bit.means == AddressBit::Means::private_ ? 1ull << bit.position : 0;
  set_entry(&tables, 0, 0, (at + kPageSize) | kTableFlags | c);
  for (uint64_t directory = 0; directory < kDirectories; directory++) {
    set_entry(&tables, 1, directory, (at + (2 + directory) * kPageSize) | kTableFlags | c);
    for (uint64_t page = 0; page < 512; page++) {
      uint64_t address = (directory * 512 + page) * kLargePageSize;
      set_entry(&tables, 2 + directory, page, address | kPageFlags | bit_of_page(bit, address));
    }
  }
  return tables;
}

Bytes boot_gdt() {
  Bytes gdt(kGdtBytes);
  store_le<uint64_t>(&gdt[kCodeSelector],
                     0x00af9b000000ffff);  // present, accessed, code, long mode
  store_le<uint64_t>(&gdt[kDataSelector], 0x00cf93000000ffff);  // present, accessed, writable
  return gdt;
}

}  // namespace bartizan::plan::boot
