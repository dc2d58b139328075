// boot_params, the "zero page" (arch/x86/include/uapi/asm/bootparam.h), and the memory map in it.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "boot/bzimage.hpp"

namespace bartizan::boot {

enum class E820Type : uint32_t { ram = 1, reserved = 2, acpi = 3 };

struct E820Entry {
  uint64_t address = 0;
  uint64_t size = 0;
  E820Type type = E820Type::ram;
};

// Of a guest with `ram_bytes` of memory: what does not fit below the MMIO hole continues at 4 GiB.
std::vector<E820Entry> memory_map(uint64_t ram_bytes);

struct BootParamsInput {
  const KernelImage* kernel = nullptr;
  uint64_t initrd_address = 0, initrd_size = 0;
  uint64_t ram_bytes = 0;
};

// One page; all that is not stated is zero.
Bytes boot_params(const BootParamsInput& input);

}  // namespace bartizan::boot
