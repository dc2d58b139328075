// A hostile launch table: what the boot stub's check lets through must keep the stub inside the
// memory that is its to write, whatever the table says.
#include <cstdlib>
#include <cstring>

#include "guest/stub/table.hpp"

namespace {

using namespace bartizan;             // NOLINT
using namespace bartizan::guest_abi;  // NOLINT

void require(bool holds) {
  if (!holds) std::abort();
}

bool apart(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end) {
  require(a < a_end && b < b_end);
  return a_end <= b || b_end <= a;
}

void judge(const guest_abi::StubBlob& blob) {
  uint64_t end = blob.destination + (blob.size + 4095) / 4096 * 4096;
  require(blob.destination >= 4096 && end > blob.destination && end <= guest_abi::kStagingAddress);
  require(apart(blob.destination, end, guest_abi::kStubAddress, guest_abi::kStubReservedEnd));
  if (blob.source == 0) return;
  require(blob.source >= guest_abi::kStagingFirst && blob.source + blob.size > blob.source);
  require(blob.source + blob.size <= guest_abi::kStagingEnd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  guest_abi::StubTable table{};
  if (size > 0) std::memcpy(&table, data, size < sizeof table ? size : sizeof table);
  if (bartizan::guest::stub::check_table(table) != bartizan::guest::stub::kDone) return 0;
  require(table.blob_count <= guest_abi::kStubMaxBlobs &&
          table.range_count <= guest_abi::kStubMaxRanges);
  for (uint32_t i = 0; i < table.blob_count; i++) {
    judge(table.blobs[i]);
    for (uint32_t j = 0; j < i; j++) {
      const guest_abi::StubBlob &a = table.blobs[i], &b = table.blobs[j];
      require(apart(a.destination, a.destination + a.size, b.destination, b.destination + b.size));
    }
  }
  uint64_t end = 0;
  for (uint32_t i = 0; i < table.range_count; i++) {
    const guest_abi::StubRange& range = table.ranges[i];
    require(range.address >= end && range.pages > 0 && range.pages < 1ull << 39);
    end = range.address + range.pages * 4096;
    require(end <= 1ull << table.address_bit);
    require(apart(range.address, end, guest_abi::kStagingAddress, 4ull << 30));
  }
  return 0;
}
