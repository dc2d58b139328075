// What the processor needs to start in long mode: a GDT and an identity map of the first 4 GiB.
#pragma once

#include "base/bytes.hpp"

namespace bartizan::boot {

constexpr uint64_t kPageTablesBytes = 6 * 4096;  // PML4, PDPT, four page directories of 2 MiB pages

// Tables that lie at `at`. Every entry, for pages and for tables, has bit `c_bit` set; 0: no C-bit.
Bytes identity_page_tables(uint64_t at, uint8_t c_bit);

// Null, null, 64-bit code (kCodeSelector), data (kDataSelector).
Bytes boot_gdt();

}  // namespace bartizan::boot
