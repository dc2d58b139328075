#include "guest/stub/table.hpp"

namespace bartizan::guest::stub {
namespace {

using namespace guest_abi;  // NOLINT: the contract's names

constexpr uint64_t kMaxAddressBit = 51;  // of a page table entry
constexpr uint64_t kMinAddressBit = 32;  // the bits below are the identity mapping's

// [begin, end)
struct Span {
  uint64_t begin, end;
};

bool overlap(Span a, Span b) {
  return a.begin < b.end && b.begin < a.end;
}

bool has_ranges(const StubTable& table) {
  return platform_of(table) == StubPlatform::snp || platform_of(table) == StubPlatform::tdx;
}

Span pages_of(const guest_abi::StubBlob& blob) {
  return {blob.destination, blob.destination + page_up(blob.size)};
}

Span pages_of(const guest_abi::StubRange& range) {
  return {range.address, range.address + range.pages * kPageSize};
}

bool head_is_good(const StubTable& table) {
  if (table.magic != guest_abi::kStubMagic || table.version != guest_abi::kStubTableVersion)
    return false;
  if (table.platform > static_cast<uint32_t>(StubPlatform::tdx) || table.vcpus == 0) return false;
  if (table.blob_count > guest_abi::kStubMaxBlobs || table.range_count > guest_abi::kStubMaxRanges)
    return false;
  if (platform_of(table) == StubPlatform::none) return table.address_bit == 0;
  return table.address_bit >= kMinAddressBit && table.address_bit <= kMaxAddressBit;
}

bool range_is_good(const StubTable& table, const guest_abi::StubRange& range) {
  uint64_t top = 1ull << table.address_bit;
  if (range.address % kPageSize != 0 || range.address >= top) return false;
  if (range.pages == 0 || range.pages > (top - range.address) / kPageSize) return false;
  return !overlap(pages_of(range), {guest_abi::kStagingAddress, kFourGiB});
}

bool ranges_are_good(const StubTable& table) {
  if (table.range_count != 0 && !has_ranges(table)) return false;
  uint64_t end = 0;
  for (uint32_t i = 0; i < table.range_count; i++) {
    if (!range_is_good(table, table.ranges[i]) || table.ranges[i].address < end) return false;
    end = pages_of(table.ranges[i]).end;
  }
  return true;
}

// Ranges ascend, so one pass follows the span from range to range.
bool covered(const StubTable& table, Span span) {
  for (uint32_t i = 0; i < table.range_count; i++) {
    Span range = pages_of(table.ranges[i]);
    if (range.begin <= span.begin && span.begin < range.end) span.begin = range.end;
  }
  return span.begin >= span.end;
}

bool is_good_secret(const guest_abi::StubBlob& blob) {
  if (blob.kind != static_cast<uint32_t>(guest_abi::StubBlobKind::launch_secret)) return true;
  return blob.source == 0 && blob.size == kPageSize;
}

bool source_is_good(const StubTable& table, const guest_abi::StubBlob& blob) {
  if (blob.source == 0) return true;
  if (blob.source < guest_abi::kStagingFirst || blob.source >= guest_abi::kStagingEnd) return false;
  if (blob.size > guest_abi::kStagingEnd - blob.source) return false;
  return !has_ranges(table) || covered(table, pages_of(blob));
}

bool blob_is_good(const StubTable& table, const guest_abi::StubBlob& blob) {
  if (blob.kind < static_cast<uint32_t>(guest_abi::StubBlobKind::kernel)) return false;
  if (blob.kind > guest_abi::kStubLastBlobKind || blob.reserved != 0) return false;
  if (blob.destination % kPageSize != 0 || blob.destination >= guest_abi::kStagingAddress)
    return false;
  if (blob.size == 0 || blob.size > guest_abi::kStagingAddress - blob.destination) return false;
  Span pages = pages_of(blob);
  if (overlap(pages, {0, kPageSize}) ||
      overlap(pages, {guest_abi::kStubAddress, guest_abi::kStubReservedEnd}))
    return false;
  bool snp = platform_of(table) == StubPlatform::snp;
  if (snp &&
      overlap(pages, {guest_abi::kSnpCpuidAddress, guest_abi::kSnpHandOverAddress + kPageSize}))
    return false;
  return is_good_secret(blob) && source_is_good(table, blob);
}

bool clash(const guest_abi::StubBlob& a, const guest_abi::StubBlob& b) {
  return a.kind == b.kind || overlap(pages_of(a), pages_of(b));
}

bool blobs_are_good(const StubTable& table) {
  for (uint32_t i = 0; i < table.blob_count; i++) {
    if (!blob_is_good(table, table.blobs[i])) return false;
    for (uint32_t j = 0; j < i; j++) {
      if (clash(table.blobs[i], table.blobs[j])) return false;
    }
  }
  return true;
}

const guest_abi::StubBlob* find(const StubTable& table, guest_abi::StubBlobKind kind) {
  for (uint32_t i = 0; i < table.blob_count; i++) {
    if (table.blobs[i].kind == static_cast<uint32_t>(kind)) return &table.blobs[i];
  }
  return nullptr;
}

bool hand_over_is_good(const StubTable& table) {
  const guest_abi::StubBlob* kernel = find(table, guest_abi::StubBlobKind::kernel);
  const guest_abi::StubBlob* params = find(table, guest_abi::StubBlobKind::boot_params);
  if (kernel == nullptr || params == nullptr) return false;
  if (table.kernel_entry < kernel->destination) return false;
  if (table.kernel_entry - kernel->destination >= kernel->size) return false;
  return params->destination == table.boot_params;
}

}  // namespace

StubRefusal check_table(const StubTable& table) {
  bool good = head_is_good(table) && ranges_are_good(table) && blobs_are_good(table) &&
              hand_over_is_good(table);
  return good ? kDone : StubRefusal::table;
}

}  // namespace bartizan::guest::stub
