#include "fakes/racing_memory.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::fakes {

Result<void> PlainMemory::check(uint64_t at, uint64_t size) {
  if (at > bytes_.size() || size > bytes_.size() - at) {
    return make_error(ErrorCode::invalid_argument, "fakes/memory",
                      "{} bytes at {:#x}: no RAM there", size, at);
  }
  if (size == 0) return {};
  auto page = private_.lower_bound(at / kPageSize);
  if (page == private_.end() || *page > (at + size - 1) / kPageSize) return {};
  ++refused_;
  return make_error(ErrorCode::permission_denied, "fakes/memory", "{} bytes at {:#x}: private",
                    size, at);
}

Result<void> PlainMemory::read(GuestAddress from, std::span<uint8_t> to) {
  std::lock_guard lock(mutex_);
  auto checked = check(from.value, to.size());
  if (!checked.ok()) return checked;
  std::copy_n(bytes_.data() + from.value, to.size(), to.data());
  on_read(from.value, to);
  return {};
}

Result<void> PlainMemory::write(GuestAddress to, ByteView from) {
  std::lock_guard lock(mutex_);
  auto checked = check(to.value, from.size());
  if (!checked.ok()) return checked;
  std::copy_n(from.data(), from.size(), bytes_.data() + to.value);
  return {};
}

Result<std::span<uint8_t>> PlainMemory::window(GuestAddress at, uint64_t size) {
  std::lock_guard lock(mutex_);
  auto checked = check(at.value, size);
  if (!checked.ok()) return std::move(checked).error();
  return std::span<uint8_t>(bytes_.data() + at.value, size);
}

void PlainMemory::guest_write(uint64_t at, ByteView from) {
  std::lock_guard lock(mutex_);
  std::copy_n(from.data(), from.size(), bytes_.data() + at);
  on_written(at, from.size());
}

Bytes PlainMemory::guest_read(uint64_t at, uint64_t size) {
  std::lock_guard lock(mutex_);
  return Bytes(bytes_.begin() + static_cast<ptrdiff_t>(at),
               bytes_.begin() + static_cast<ptrdiff_t>(at + size));
}

void PlainMemory::make_private(uint64_t page_address, bool is_private) {
  std::lock_guard lock(mutex_);
  if (is_private)
    private_.insert(page_address / kPageSize);
  else
    private_.erase(page_address / kPageSize);
}

uint64_t PlainMemory::refused() const {
  std::lock_guard lock(mutex_);
  return refused_;
}

void RacingMemory::exempt(uint64_t at, uint64_t size) {
  std::lock_guard lock(mutex_);
  exempt_[at] = at + size;
}

void RacingMemory::on_read(uint64_t at, std::span<uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto range = exempt_.upper_bound(at + i);
    if (range != exempt_.begin() && at + i < std::prev(range)->second) continue;
    if (!seen_.insert(at + i).second) bytes[i] ^= 0xff;
  }
}

void RacingMemory::on_written(uint64_t at, uint64_t size) {
  seen_.erase(seen_.lower_bound(at), seen_.lower_bound(at + size));
}

}  // namespace bartizan::fakes
