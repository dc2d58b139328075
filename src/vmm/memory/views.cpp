// How a host sees guest memory: raw (what is there) and as it would see a TEE's.
#include <algorithm>
#include <cstring>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "crypto/aes_xts.hpp"
#include "vmm/memory/vm_memory.hpp"

namespace bartizan::vmm::memory {
namespace {

constexpr const char* kOrigin = "memory";
constexpr uint64_t kWindow = kMiB;  // bytes searched at a time

Result<void> check_range(uint64_t offset, uint64_t size, uint64_t total) {
  auto end = checked_add(offset, size);
  if (end && *end <= total) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin,
                    "RAM offset {:#x}+{:#x}: guest RAM has {:#x} bytes", offset, size, total);
}

// Occurrences that start in `text` and end in it; overlapping ones count each.
uint64_t count_in(ByteView text, ByteView pattern) {
  uint64_t count = 0;
  while (text.size() >= pattern.size()) {
    void* hit = ::memmem(text.data(), text.size(), pattern.data(), pattern.size());
    if (hit == nullptr) break;
    ++count;
    text = text.subspan(static_cast<size_t>(static_cast<uint8_t*>(hit) - text.data()) + 1);
  }
  return count;
}

// Slides over RAM window by window; the last pattern.size() - 1 bytes of a window come again before
// the next, so that what crosses a boundary is found, once.
template <typename Read>
Result<uint64_t> count_pattern(ByteView pattern, uint64_t total, Read read) {
  if (pattern.empty() || pattern.size() > kMaxPatternBytes) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "pattern of {} bytes: 1 to {}",
                      pattern.size(), kMaxPatternBytes);
  }
  size_t overlap = pattern.size() - 1, kept = 0;
  Bytes buffer(overlap + kWindow);
  uint64_t count = 0;
  for (uint64_t offset = 0; offset < total; offset += kWindow) {
    size_t fresh = std::min(kWindow, total - offset);
    TRY(read(offset, std::span<uint8_t>(buffer).subspan(kept, fresh)));
    ByteView text = ByteView(buffer).first(kept + fresh);
    count += count_in(text, pattern);
    kept = std::min(overlap, text.size());
    std::memmove(buffer.data(), text.data() + text.size() - kept, kept);
  }
  return count;
}

}  // namespace

uint64_t GuestMemory::address_of(uint64_t offset) const {
  size_t region = regions_.size() - 1;
  while (offsets_[region] > offset) --region;
  return regions_[region].base.value + (offset - offsets_[region]);
}

Result<void> GuestMemory::read_raw(uint64_t offset, std::span<uint8_t> to) const {
  TRY(check_range(offset, to.size(), size_));
  if (!to.empty()) std::memcpy(to.data(), base_ + offset, to.size());
  return {};
}

Result<void> GuestMemory::read_host_view(uint64_t offset, std::span<uint8_t> to) const {
  TRY(check_range(offset, to.size(), size_));
  auto cipher =
      TRY(crypto::AesXts::create(view_key_.bytes(), kPageSize, crypto::AesXts::Direction::encrypt));
  uint8_t page[kPageSize];
  for (uint64_t done = 0; done < to.size();) {
    uint64_t start = align_down(offset + done, kPageSize), skip = offset + done - start;
    uint64_t take = std::min(kPageSize - skip, to.size() - done);
    std::memcpy(page, base_ + start, kPageSize);
    if (is_private(start / kPageSize)) TRY(cipher.process(page, page, address_of(start)));
    std::memcpy(to.data() + done, page + skip, take);
    done += take;
  }
  return {};
}

Result<uint64_t> GuestMemory::count_raw(ByteView pattern) const {
  return count_pattern(pattern, size_, [this](uint64_t offset, std::span<uint8_t> to) {
    return read_raw(offset, to);
  });
}

Result<uint64_t> GuestMemory::count_host_view(ByteView pattern) const {
  return count_pattern(pattern, size_, [this](uint64_t offset, std::span<uint8_t> to) {
    return read_host_view(offset, to);
  });
}

}  // namespace bartizan::vmm::memory
