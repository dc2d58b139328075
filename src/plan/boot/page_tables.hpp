// Page tables and a GDT: what a processor needs to run in long mode.
#pragma once

#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::plan::boot {

// PML4, PDPT, four page directories of 2 MiB pages.
constexpr uint64_t kPageTablesBytes = 6 * kPageSize;

// The bit of page table entries by which a guest distinguishes private memory from shared.
struct AddressBit {
  enum class Means { nothing, private_, shared };
  Means means = Means::nothing;
  uint8_t position = 0;
};

// An identity map of the first 4 GiB, in tables that lie at `at`. A C-bit is set in every entry but
// those for the hole below kLastPrivatePages, where devices and the staging window are; a shared
// bit (TDX) exactly in those for the staging window.
Bytes identity_page_tables(uint64_t at, AddressBit bit = {});

// Null, null, 64-bit code (kCodeSelector), data (kDataSelector).
Bytes boot_gdt();

}  // namespace bartizan::plan::boot
