#include "vmm/devices/bus.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"

namespace bartizan::vmm::devices {
namespace {

uint64_t all_ones(uint32_t size) {
  return size >= 8 ? ~0ull : (1ull << (size * 8)) - 1;
}

bool valid_size(uint32_t size) {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

}  // namespace

Result<void> Bus::add(uint64_t base, uint64_t size, std::shared_ptr<BusDevice> device) {
  auto end = checked_add(base, size);
  bool fits = size != 0 && end.has_value();
  auto next = ranges_.lower_bound(base);
  if (fits && next != ranges_.end()) fits = *end <= next->first;
  if (fits && next != ranges_.begin()) {
    auto previous = std::prev(next);
    fits = previous->first + previous->second.size <= base;
  }
  if (!fits)
    return make_error(ErrorCode::invalid_argument, "vmm/devices/bus",
                      "range {:#x}+{:#x}: taken or empty", base, size);
  ranges_.emplace(base, Range{size, std::move(device)});
  return {};
}

const Bus::Range* Bus::find(uint64_t address, uint32_t size, uint64_t* base) const {
  auto next = ranges_.upper_bound(address);
  if (next == ranges_.begin() || !valid_size(size)) return nullptr;
  auto found = std::prev(next);
  uint64_t offset = address - found->first;
  if (offset >= found->second.size || size > found->second.size - offset) return nullptr;
  *base = found->first;
  return &found->second;
}

uint64_t Bus::read(uint64_t address, uint32_t size) const {
  uint64_t base;
  const Range* range = find(address, size, &base);
  if (range == nullptr) return all_ones(size);
  return range->device->read(address - base, size) & all_ones(size);
}

void Bus::write(uint64_t address, uint32_t size, uint64_t value) const {
  uint64_t base;
  const Range* range = find(address, size, &base);
  if (range != nullptr) range->device->write(address - base, size, value & all_ones(size));
}

}  // namespace bartizan::vmm::devices
