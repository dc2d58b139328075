// Where everything is in guest-physical memory: the one list of addresses that loader, ACPI tables,
// devices and page tables share. All of it is measured, directly or through the tables that name
// it; a change here changes every launch digest.
//
//   0x0000'0000  a zero page (Linux reads the words 0x40e and 0x413 in it)
//   0x0000'3000  SNP: CPUID page, secrets page, hand-over page; 0x7000 boot_params
//   0x0002'0000  command line
//   0x0004'0000  ACPI tables (e820 type 3)
//   0x0005'0000  boot stub and what is its own (e820 type 4): stub_table.hpp has these addresses
//   0x0010'0000  RAM; the kernel at its preferred address (16 MiB), the initrd behind what the
//                kernel may use
//   0xd000'0000  hole: virtio-mmio slots, staging window, I/O APIC, local APICs; TDX: the page of
//                the reset vector; up to 4 GiB, where RAM goes on
#pragma once

#include <cstdint>
#include <vector>

#include "base/guest_address.hpp"
#include "base/units.hpp"
#include "guest_abi/stub_table.hpp"

namespace bartizan::plan::boot {

constexpr uint64_t kBootParamsAddress = 0x7000;
constexpr uint64_t kCommandLineAddress = 0x20000;
constexpr uint64_t kAcpiAddress = 0x40000;
constexpr uint64_t kAcpiEnd = 0x50000;
static_assert(kAcpiEnd == guest_abi::kStubAddress);

// The memory map ends below the extended BIOS area and goes on at 1 MiB: 0xa0000 to 1 MiB is not
// RAM for the guest, because Linux before 6.9 validates the ROM range of an SNP guest itself and
// stops if it was validated before (arch/x86/kernel/probe_roms.c, snp_prep_roms).
constexpr uint64_t kLowRamEnd = 0x9f000;
constexpr uint64_t kRamAbove1MiB = kMiB;

// RAM beyond 3328 MiB continues at 4 GiB, where the hole ends.
constexpr uint64_t kMmioHoleStart = 0xd0000000;
constexpr uint64_t kRamAbove4GiB = 4 * kGiB;

// The memory of a guest with `bytes` of RAM, a multiple of kPageSize: around the hole, and for a TD
// also the page of its reset vector.
std::vector<RamRegion> ram_regions(uint64_t bytes, guest_abi::StubPlatform platform);

// The virtio-mmio bus: all slots are announced, in the order of docs/reference/guest-abi.md,
// "Devices".
constexpr uint64_t kVirtioMmioBase = 0xd0000000;
constexpr uint64_t kVirtioMmioSize = 0x1000;
constexpr uint32_t kVirtioSlots = 7;
constexpr uint32_t kVirtioFirstGsi = 5;
constexpr uint64_t virtio_mmio_address(uint32_t slot) {
  return kVirtioMmioBase + slot * kVirtioMmioSize;
}
constexpr uint32_t virtio_gsi(uint32_t slot) {
  return kVirtioFirstGsi + slot;
}

constexpr uint64_t kIoApicAddress = 0xfec00000;
constexpr uint64_t kLocalApicAddress = 0xfee00000;

// What begins here is private under every TEE: TDX has its reset vector in it. Below, down to the
// hole's start, everything is the host's.
constexpr uint64_t kLastPrivatePages = 0xffe00000;

// Segments of a GDT as the 64-bit boot protocol wants them (__BOOT_CS, __BOOT_DS).
constexpr uint16_t kCodeSelector = 0x10;
constexpr uint16_t kDataSelector = 0x18;
constexpr uint16_t kGdtBytes = 4 * 8;

}  // namespace bartizan::plan::boot
