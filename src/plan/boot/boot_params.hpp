// boot_params, the "zero page" (arch/x86/include/uapi/asm/bootparam.h), and the memory map in it.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "plan/boot/bzimage.hpp"

namespace bartizan::plan::boot {

// `nvs`: not for use as RAM, ever, and yet private memory.
enum class E820Type : uint32_t { ram = 1, reserved = 2, acpi = 3, nvs = 4 };

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
  uint64_t setup_data = 0;  // first node; 0: none
};

// One page; all that is not stated is zero.
Bytes boot_params(const BootParamsInput& input);

// SNP: the page at kSnpHandOverAddress by which Linux finds CPUID and secrets page: a setup_data
// node, which holds the address of a CC blob, and the blob.
Bytes snp_hand_over();

}  // namespace bartizan::plan::boot
