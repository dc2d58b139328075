// What the host's planner and the boot stub (src/guest/stub) agree on: addresses, entry points, the
// launch table and the numbers of refusals. Freestanding: the stub includes it. A change here
// changes every launch digest.
//
// The stub is the first thing that runs in a guest. What is measured is the stub, this table and a
// few small pages; kernel and initrd wait in a *staging window* that the host fills: shared memory
// outside RAM, unmeasured, believed only after the stub has copied it into private memory and
// compared its SHA-256 with the table's.
//
// Start of the boot processor: 32-bit protected mode, paging off, flat segments (CS 0xc9b, data
// 0xc93), EFER.LME and CR4.PAE set, at kStubAddress + kStubEntry32. So the initial registers hold
// no C-bit, and a TD, whose initial state the module fixes so (but without PAE), takes the same
// path: its reset vector jumps there.
// The page tables at kStubPageTables are made by the planner.
//
// clang-format off
//   0x0000'0000  zero page, which Linux reads: validated and cleared by the stub
//   0x0000'3000  SNP: CPUID page
//   0x0000'4000  SNP: secrets page
//   0x0000'5000  SNP: setup_data node and CC blob
//   0x0000'7000  boot_params
//   0x0002'0000  command line
//   0x0004'0000  ACPI tables (e820 type 3)
//   0x0005'0000  stub, at most four pages            --+
//   0x0005'4000  launch table                          |
//   0x0005'6000  TDX: mailbox; SEV-ES: AP jump table   | e820 type 4, because TDX processors wait
//   0x0005'7000  stack                                 | here until Linux calls them
//   0x0005'8000  page tables, eight pages            --+
//   0x0006'0000  end of what the stub owns
//   0xd100'0000  staging window: its first page is the stub's to share with the host (GHCB of
//                SEV-ES), then kernel, then initrd
//   0xffff'f000  TDX: page with the reset vector
// clang-format on
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.hpp"

namespace bartizan::guest_abi {

constexpr uint64_t kSnpCpuidAddress = 0x3000;
constexpr uint64_t kSnpSecretsAddress = 0x4000;
constexpr uint64_t kSnpHandOverAddress = 0x5000;

constexpr uint64_t kStubAddress = 0x50000;
constexpr uint64_t kStubMaxBytes = 16 * kKiB;
constexpr uint64_t kStubTableAddress = 0x54000;
constexpr uint64_t kStubMailboxAddress = 0x56000;
constexpr uint64_t kStubStackAddress = 0x57000;  // one page
constexpr uint64_t kStubStackTop = 0x57ff0;
// PML4, PDPT, four page directories of the first 4 GiB; then a PDPT and a page directory that the
// stub itself fills for RAM above 4 GiB, a GiB at a time.
constexpr uint64_t kStubPageTables = 0x58000;
constexpr uint64_t kStubPageTablesEnd = 0x60000;
constexpr uint64_t kStubReservedEnd = 0x60000;

// Entry points: offsets in the stub.
// Boot processor, and every processor of a TD (ESI: its index).
constexpr uint64_t kStubEntry32 = 0x00;
// SEV-ES, further processors: real mode, CS base kStubAddress.
constexpr uint64_t kStubApEntry16 = 0x20;
// SNP, further processors: never run; Linux makes their real state.
constexpr uint64_t kStubPark32 = 0x30;

constexpr uint64_t kStagingAddress = 0xd1000000;
constexpr uint64_t kStagingEnd = 0xf8000000;  // I/O APIC, local APICs and KVM's own pages lie above
constexpr uint64_t kStagingFirst = kStagingAddress + kPageSize;  // behind the stub's page

constexpr uint64_t kTdxResetPage = 0xfffff000;
constexpr uint64_t kTdxResetVector = 0xfffffff0;

enum class StubPlatform : uint32_t {
  none = 0,
  simulated = 1,
  sev = 2,
  sev_es = 3,
  snp = 4,
  tdx = 5
};

// What a blob is; a refusal names it.
enum class StubBlobKind : uint32_t {
  kernel = 1,
  initrd = 2,
  command_line = 3,
  boot_params = 4,
  acpi = 5,
  launch_secret = 6  // SEV, SEV-ES: the page that the firmware writes an owner's secret into
};
constexpr uint32_t kStubLastBlobKind = 6;

// In the launch secret's page, which is a blob without a source. The firmware writes into it where
// the host says (SEV API, LAUNCH_SECRET: the guest address is in no MAC), after the page was
// measured: so the stub hashes the page with zeros in place of these bytes, and a secret that lies
// anywhere else in it ends the launch.
constexpr uint64_t kStubSecretOffset = 128;
constexpr uint64_t kStubSecretBytes = 3840;
static_assert(kStubSecretOffset % 16 == 0 && kStubSecretBytes % 16 == 0);
static_assert(kStubSecretOffset + kStubSecretBytes < kPageSize);

// `source` 0: the bytes are in place, at `destination`, and measured by their page already; but SEV
// and SEV-ES measure no addresses, and without TEE nothing is measured, so they are compared all
// the same.
struct StubBlob {
  uint32_t kind;  // StubBlobKind
  uint32_t reserved;
  uint64_t source;       // in the staging window; or 0
  uint64_t destination;  // 4096-aligned, below kStagingAddress
  uint64_t size;         // bytes; what is left of the last page is cleared (of blobs with a source)
  uint8_t sha256[32];
};
static_assert(sizeof(StubBlob) == 64);

// Private memory that was not loaded with a page of its own: SNP: PVALIDATE; TDX: ACCEPT. In
// ascending order, disjoint; of an ordinary guest there are none.
struct StubRange {
  uint64_t address;
  uint64_t pages;
};

constexpr size_t kStubMaxBlobs = 8;
constexpr size_t kStubMaxRanges = 64;
constexpr uint64_t kStubMagic = 0x425554534e5a5442;  // "BTZNSTUB"
constexpr uint32_t kStubTableVersion = 1;

struct StubTable {
  uint64_t magic;
  uint32_t version;
  uint32_t platform;  // StubPlatform
  // Bit of page table entries: SEV: C-bit, set in private mappings; TDX: shared bit, set in shared
  // ones; 0: none.
  uint32_t address_bit;
  uint32_t vcpus;
  uint64_t kernel_entry;  // 64-bit entry point
  uint64_t boot_params;
  uint32_t blob_count;
  uint32_t range_count;
  StubBlob blobs[kStubMaxBlobs];
  StubRange ranges[kStubMaxRanges];
};
static_assert(sizeof(StubTable) == 48 + 512 + 1024);
static_assert(sizeof(StubTable) <= kPageSize);

// Why the stub stopped. It reports this to the host by ports (none, simulated, SEV): kExitPort,
// kind 2 (a stage failed), stage 0 ("launch"), and the number in bits 15 to 8; SEV-ES, SNP: GHCB
// MSR termination request, reason set kStubReasonSet, reason: the number; TDX: ReportFatalError,
// R12 = kStubTdxError | the number.
enum class StubRefusal : uint32_t {
  table = 1,        // launch table: bad magic, version, counts or addresses
  platform = 2,     // the processor does not run in the table's mode
  address_bit = 3,  // C-bit or shared bit is elsewhere
  validated = 4,    // a page that should be new to the guest was validated or accepted before
  memory = 5,       // a page could not be validated or accepted
  kernel = 6,       // content is not what was measured; likewise down to acpi
  initrd = 7,
  command_line = 8,
  boot_params = 9,
  acpi = 10,
  rtmr = 11,           // TDX: a runtime measurement register could not be extended
  ap_jump_table = 12,  // SEV-ES: the host did not take the AP jump table
  launch_secret = 13,  // what surrounds the secret in its page is not what was measured
};
constexpr uint32_t kStubReasonSet = 0xb;
constexpr uint64_t kStubTdxError = 0xb000;

// RTMRs that the stub extends with {SHA-256, 16 zero bytes}, blob by blob in the table's order.
constexpr uint32_t stub_rtmr_of(StubBlobKind kind) {
  switch (kind) {  // without default: the compiler asks where a new kind goes
    case StubBlobKind::kernel:
      return 1;
    case StubBlobKind::initrd:
    case StubBlobKind::command_line:
      return 2;
    case StubBlobKind::boot_params:
    case StubBlobKind::acpi:
    case StubBlobKind::launch_secret:
      break;
  }
  return 0;
}

}  // namespace bartizan::guest_abi
