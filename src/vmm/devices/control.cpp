#include "vmm/devices/control.hpp"

#include "guest_abi/boot_stages.hpp"

namespace bartizan::vmm::devices {

uint64_t ControlDevice::read(uint64_t, uint32_t) {
  return ~0ull;
}

void ControlDevice::write(uint64_t offset, uint32_t size, uint64_t value) {
  if (size != 4) return;
  auto word = static_cast<uint32_t>(value);
  if (offset == 0 && word >= 1 && word <= guest_abi::kRunningMark) listener_.stage(word);
  if (offset == guest_abi::kExitPort - guest_abi::kControlPort)
    listener_.exit(word >> 24, word & 0xff'ffff);
}

}  // namespace bartizan::vmm::devices
