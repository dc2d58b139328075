#include "plan/boot/launch_table.hpp"

#include <algorithm>
#include <cstring>

#include "base/errors.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"
#include "plan/boot/boot_params.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

bool validates_memory(guest_abi::StubPlatform platform) {
  return platform == guest_abi::StubPlatform::snp || platform == guest_abi::StubPlatform::tdx;
}

// What Linux will touch, in ascending order.
std::vector<LoadedRange> used_memory(guest_abi::StubPlatform platform, uint64_t ram_bytes) {
  std::vector<LoadedRange> used;
  for (const E820Entry& entry : memory_map(ram_bytes)) {
    if (platform == guest_abi::StubPlatform::tdx && entry.address == kRamAbove1MiB) {
      used.push_back({kLowRamEnd, kRamAbove1MiB - kLowRamEnd});
    }
    used.push_back({entry.address, entry.size});
  }
  return used;
}

// Puts [first, end) behind the others, joined to the last one if they touch.
void append(std::vector<guest_abi::StubRange>& ranges, uint64_t first, uint64_t end) {
  if (first >= end) return;
  if (!ranges.empty() && ranges.back().address + ranges.back().pages * kPageSize == first) {
    ranges.back().pages += (end - first) / kPageSize;
  } else {
    ranges.push_back({first, (end - first) / kPageSize});
  }
}

guest_abi::StubBlob stub_blob(const TableBlob& from) {
  guest_abi::StubBlob blob{};
  blob.kind = static_cast<uint32_t>(from.kind);
  blob.source = from.source;
  blob.destination = from.destination;
  blob.size = from.bytes.size();
  std::ranges::copy(crypto::sha256(from.bytes), blob.sha256);
  return blob;
}

}  // namespace

std::vector<guest_abi::StubRange> ranges_to_validate(guest_abi::StubPlatform platform,
                                                     uint64_t ram_bytes,
                                                     std::span<const LoadedRange> loaded) {
  std::vector<guest_abi::StubRange> ranges;
  if (!validates_memory(platform)) return ranges;
  for (const LoadedRange& used : used_memory(platform, ram_bytes)) {
    uint64_t at = used.address, end = used.address + used.size;
    for (const LoadedRange& taken : loaded) {
      if (taken.address + taken.size <= at || taken.address >= end) continue;
      append(ranges, at, taken.address);
      at = taken.address + taken.size;
    }
    append(ranges, at, end);
  }
  return ranges;
}

Result<guest_abi::StubTable> launch_table(const TableInput& input, std::span<const TableBlob> blobs,
                                          std::span<const LoadedRange> loaded) {
  auto ranges = ranges_to_validate(input.platform, input.ram_bytes, loaded);
  if (blobs.size() > guest_abi::kStubMaxBlobs || ranges.size() > guest_abi::kStubMaxRanges) {
    return make_error(ErrorCode::internal, "plan/boot/launch_table",
                      "launch table: {} blobs and {} ranges, it has places for {} and {}",
                      blobs.size(), ranges.size(), guest_abi::kStubMaxBlobs,
                      guest_abi::kStubMaxRanges);
  }
  guest_abi::StubTable table{};
  table.magic = guest_abi::kStubMagic;
  table.version = guest_abi::kStubTableVersion;
  table.platform = static_cast<uint32_t>(input.platform);
  table.address_bit = input.address_bit;
  table.vcpus = input.vcpus;
  table.kernel_entry = input.kernel_entry;
  table.boot_params = kBootParamsAddress;
  table.blob_count = static_cast<uint32_t>(blobs.size());
  table.range_count = static_cast<uint32_t>(ranges.size());
  std::ranges::transform(blobs, table.blobs, stub_blob);
  std::ranges::copy(ranges, table.ranges);
  return table;
}

Bytes bytes_of(const guest_abi::StubTable& table) {
  Bytes bytes(sizeof table);
  std::memcpy(bytes.data(), &table, sizeof table);
  return bytes;
}

}  // namespace bartizan::plan::boot
