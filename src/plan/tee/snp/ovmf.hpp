// An OVMF firmware image: what a launch must know of it. Pure parser of a hostile file.
//
// The image ends at 4 GiB. 32 bytes before its end a table of GUIDed entries ends, written to be
// walked backwards (edk2: OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm); the entries specify where
// SEV-ES processors start, where the hashes of kernel, initrd and command line go, and which pages
// SNP wants prepared (OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::plan::tee::snp {

// Images are 2 to 16 MiB; a larger file is not a firmware and must not fill our memory.
constexpr uint64_t kMaxOvmfBytes = 64 * kMiB;
// Real images have fewer than ten sections and entries; more only cost time.
constexpr size_t kMaxOvmfSections = 64;
constexpr size_t kMaxOvmfTableEntries = 256;
// All sections together: what SNP prepares for OVMF is some 64 KiB; a section of 4 GiB is an attack
// on the time that measuring takes.
constexpr uint64_t kMaxOvmfSectionBytes = 64 * kMiB;

enum class OvmfSectionKind : uint32_t {
  sec_memory = 1,  // zero pages
  secrets = 2,
  cpuid = 3,
  svsm_caa = 4,  // calling area for an SVSM: zero pages
  kernel_hashes = 0x10,
};

struct OvmfSection {
  uint64_t address = 0;  // 4096-aligned
  uint64_t size = 0;     // multiple of 4096, not 0
  OvmfSectionKind kind = OvmfSectionKind::sec_memory;
};

struct Ovmf {
  Bytes image;                                 // multiple of 4096 bytes
  std::optional<uint32_t> reset_address;       // where SEV-ES and SNP application processors start
  std::optional<uint32_t> hash_table_address;  // nothing: the firmware checks no hashes
  std::vector<OvmfSection> sections;           // in the file's order

  uint64_t address() const { return (1ull << 32) - image.size(); }
  bool has(OvmfSectionKind kind) const;
};

// corrupt: size, table or metadata break their own rules. A file without the table is an image
// without entries: it can be launched with plain SEV.
Result<Ovmf> parse_ovmf(Bytes image);

}  // namespace bartizan::plan::tee::snp
