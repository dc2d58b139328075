// The launch table (stub_table.hpp): what the boot stub compares, and which memory it takes into
// use. It lies in a measured page, so the launch digest covers its content.
#pragma once

#include <span>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "guest_abi/stub_table.hpp"

namespace bartizan::plan::boot {

struct TableBlob {
  guest_abi::StubBlobKind kind = guest_abi::StubBlobKind::kernel;
  uint64_t source = 0;  // in the staging window; 0: in place
  uint64_t destination = 0;
  ByteView bytes;
};

struct TableInput {
  guest_abi::StubPlatform platform = guest_abi::StubPlatform::none;
  uint8_t address_bit = 0;
  uint32_t vcpus = 1;
  uint64_t kernel_entry = 0;
  uint64_t ram_bytes = 0;
};

// Guest memory that a launch loads page by page, [address, address + size).
struct LoadedRange {
  uint64_t address = 0, size = 0;
};

// The private memory that no page is loaded for, in ascending order: all that e820 marks as RAM or
// tables. TDX: also the ROM area below 1 MiB, which Linux scans in a TD. SNP: not the ROM area,
// because Linux before 6.9 validates it itself and stops if it was validated before.
// `loaded` ascends and is disjoint.
std::vector<guest_abi::StubRange> ranges_to_validate(guest_abi::StubPlatform platform,
                                                     uint64_t ram_bytes,
                                                     std::span<const LoadedRange> loaded);

// internal: more blobs or ranges than the table has places.
Result<guest_abi::StubTable> launch_table(const TableInput& input, std::span<const TableBlob> blobs,
                                          std::span<const LoadedRange> loaded);

Bytes bytes_of(const guest_abi::StubTable& table);

}  // namespace bartizan::plan::boot
