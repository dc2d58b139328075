#include "vmm/devices/io_apic.hpp"

namespace bartizan::vmm::devices {
namespace {

// 82093AA data sheet: two windows, and the registers behind them.
constexpr uint64_t kSelect = 0x00, kWindow = 0x10;
constexpr uint32_t kId = 0, kVersion = 1, kArbitration = 2, kFirstEntry = 0x10;
constexpr uint32_t kVersionValue = 0x11 | (kIoApicLines - 1) << 16;
constexpr uint32_t kIdMask = 0x0f00'0000;

// A redirection entry.
constexpr uint64_t kMasked = 1 << 16;
constexpr uint32_t kReadOnly = 1u << 12 | 1u << 14;  // delivery status, remote IRR
constexpr uint32_t kLowWritable = 0x1ffff & ~kReadOnly;

// Intel SDM volume 3, 11.11: the message of an interrupt.
constexpr uint64_t kMessageBase = 0xfee0'0000;
constexpr uint32_t kVectorAndMode = 0x7ff, kAssert = 1u << 14;

}  // namespace

IoApic::IoApic(OnRoutes on_routes) : on_routes_(std::move(on_routes)) {
  entries_.fill(kMasked);
}

uint64_t IoApic::read(uint64_t offset, uint32_t size) {
  MutexLock lock(mutex_);
  if (size != 4) return 0;
  if (offset == kSelect) return selected_;
  return offset == kWindow ? register_value() : 0;
}

void IoApic::write(uint64_t offset, uint32_t size, uint64_t value) {
  MutexLock lock(mutex_);
  if (size != 4) return;
  if (offset == kSelect) selected_ = value & 0xff;
  if (offset == kWindow) set_register(static_cast<uint32_t>(value));
}

uint32_t IoApic::register_value() const {
  if (selected_ == kId || selected_ == kArbitration) return id_;
  if (selected_ == kVersion) return kVersionValue;
  uint32_t line = (selected_ - kFirstEntry) / 2;
  if (selected_ < kFirstEntry || line >= kIoApicLines) return 0;
  return static_cast<uint32_t>(entries_[line] >> (selected_ % 2 == 0 ? 0 : 32));
}

void IoApic::set_register(uint32_t value) {
  if (selected_ == kId) id_ = value & kIdMask;
  uint32_t line = (selected_ - kFirstEntry) / 2;
  if (selected_ < kFirstEntry || line >= kIoApicLines) return;
  uint64_t& entry = entries_[line];
  uint64_t before = entry;
  if (selected_ % 2 == 0) {
    entry = (entry & ~0xffff'ffffull) | (value & kLowWritable);
  } else {
    entry = (entry & 0xffff'ffffull) | uint64_t{value} << 32;
  }
  bool silent = (before & entry & kMasked) != 0;
  if (entry != before && !silent) on_routes_(routes());
}

// Masked lines send nothing: what comes on an edge meanwhile is lost, as in the chip.
std::vector<IoApic::Route> IoApic::routes() const {
  std::vector<Route> routes;
  for (uint32_t line = 0; line < kIoApicLines; ++line) {
    uint64_t entry = entries_[line];
    if ((entry & kMasked) != 0) continue;
    uint64_t destination = entry >> 56, logical = entry >> 11 & 1;
    routes.push_back({line, kMessageBase | destination << 12 | logical << 2,
                      static_cast<uint32_t>(entry & kVectorAndMode) | kAssert});
  }
  return routes;
}

}  // namespace bartizan::vmm::devices
