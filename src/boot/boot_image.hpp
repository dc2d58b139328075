// All that lies in guest memory when the first instruction runs, in the order in which it is loaded
// and measured.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "memory/guest_memory.hpp"

namespace bartizan::boot {

struct BootInput {
  std::shared_ptr<const Bytes> kernel;  // bzImage
  std::shared_ptr<const Bytes> initrd;
  std::string command_line;
  uint32_t vcpus = 1;
  uint64_t ram_bytes = 0;  // a multiple of 4096
  uint8_t c_bit = 0;       // 0: none
};

struct BootChunk {
  memory::GuestAddress address;  // 4096-aligned; chunks ascend and are disjoint
  std::string
      what;  // "gdt", "boot_params", "page_tables", "command_line", "acpi", "kernel", "initrd"
  uint64_t size = 0;                   // bytes in the guest, a multiple of 4096
  std::shared_ptr<const Bytes> bytes;  // at most `size`; the rest is zero
};

struct BootImage {
  std::vector<BootChunk> chunks;
  uint64_t entry = 0;  // 64-bit entry point
};

// corrupt, unsupported: kernel. invalid_argument: vCPUs out of range, command line longer than this
// kernel takes, RAM too small (says how much is needed).
Result<BootImage> make_boot_image(const BootInput& input);

}  // namespace bartizan::boot
