// All that lies in guest memory when the first instruction runs, in the order in which it is loaded
// and measured; and what waits in the staging window.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "guest_abi/stub_table.hpp"
#include "plan/boot/page_tables.hpp"
#include "plan/tee/launch_plan.hpp"

namespace bartizan::plan::boot {

struct BootInput {
  std::shared_ptr<const Bytes> kernel;  // bzImage
  std::shared_ptr<const Bytes> initrd;
  std::string command_line;
  uint32_t vcpus = 1;
  uint64_t ram_bytes = 0;  // a multiple of 4096
  guest_abi::StubPlatform platform = guest_abi::StubPlatform::none;
  uint8_t address_bit = 0;  // C-bit; TDX: shared bit; 0: none
  ByteView stub;            // the boot stub's code
  // An initramfs segment of a page that is loaded, not staged, in front of the initrd: the firmware
  // writes a launch secret into it, at guest_abi::kStubSecretOffset. Empty: none.
  Bytes secret_segment;
};

struct BootImage {
  std::vector<tee::PlanItem> items;     // ascending, disjoint
  std::vector<tee::StagedBlob> staged;  // ascending, in [kStagingFirst, kStagingEnd)
  guest_abi::StubTable table{};         // the bytes of the item "launch_table"
  uint64_t secret_segment = 0;          // where it lies; 0: there is none
};

// corrupt, unsupported: kernel. invalid_argument: vCPUs out of range, command line longer than this
// kernel takes, RAM too small (the message names what is needed), kernel and initrd larger than the
// staging window.
Result<BootImage> make_boot_image(const BootInput& input);

// How page tables of that platform distinguish private from shared memory.
AddressBit address_bit(guest_abi::StubPlatform platform, uint8_t position);

}  // namespace bartizan::plan::boot
