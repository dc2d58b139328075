// Where RAM lies in the guest-physical address space: from 0 up to the MMIO hole, the rest from 4
// GiB.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/memory/guest_memory.hpp"

namespace bartizan::vmm::memory {

// virtio-mmio, I/O APIC, local APIC live between here and 4 GiB
constexpr uint64_t kMmioHoleStart = 0xd000'0000;
constexpr uint64_t kHighRamStart = 0x1'0000'0000;

struct Region {
  GuestAddress base;
  uint64_t size = 0;
};

// `bytes` is a multiple of the page size.
inline std::vector<Region> ram_layout(uint64_t bytes) {
  if (bytes <= kMmioHoleStart) return {{GuestAddress{0}, bytes}};
  return {{GuestAddress{0}, kMmioHoleStart}, {GuestAddress{kHighRamStart}, bytes - kMmioHoleStart}};
}

}  // namespace bartizan::vmm::memory
