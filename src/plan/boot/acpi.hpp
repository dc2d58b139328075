// The ACPI tables of the machine (ACPI 6.5, chapter 5): RSDP, XSDT, FADT, MADT and DSDT in one
// block of bytes.
//
// They are hardware-reduced and deny a CMOS clock, an 8042 and VGA: a stock kernel then polls none
// of them.
#pragma once

#include "base/bytes.hpp"

namespace bartizan::plan::boot {

// The block for `vcpus` (1 to kMaxVcpus) processors whose APIC ids are 0, 1, …; made to lie at
// `at`, where the RSDP is. `mailbox`: page by which Linux wakes processors that wait in the guest
// itself (TDX has no INIT and SIPI); 0: none.
Bytes acpi_tables(uint64_t at, uint32_t vcpus, uint64_t mailbox = 0);

}  // namespace bartizan::plan::boot
