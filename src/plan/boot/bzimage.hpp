// A Linux bzImage, by the header that the boot protocol documents
// (Documentation/arch/x86/boot.rst). The file may be hostile: every field is checked against the
// file's size and stated bounds before it is believed.
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::plan::boot {

// A file that claims more is not a kernel but an attack on the reader's memory; Debian's are 8 to
// 14 MiB.
constexpr uint64_t kMaxKernelBytes = 128 * kMiB;
// Memory that a kernel may ask for to unpack itself: bounds what a header can make us reserve.
// Debian's ask for 56 MiB.
constexpr uint64_t kMaxKernelInitSize = kGiB;

constexpr size_t kSetupHeaderOffset = 0x1f1;  // in the file and in boot_params
constexpr uint64_t kEntry64Offset = 0x200;    // of the 64-bit entry point in the loaded payload

struct KernelImage {
  Bytes setup_header;           // from kSetupHeaderOffset on, as long as the header specifies
  uint64_t payload_offset = 0;  // of the protected-mode part in the file
  uint64_t payload_size = 0;
  uint64_t load_address = 0;  // preferred address
  uint64_t init_size = 0;  // memory from load_address on that the kernel needs before it reads e820
  uint64_t initrd_address_max = 0;
  uint32_t command_line_max = 0;  // bytes without the final zero
  std::string release;            // "6.1.0-56-cloud-amd64"
};

// corrupt: not a bzImage, or fields that contradict the file; unsupported: no 64-bit entry point,
// too old a protocol.
Result<KernelImage> parse_bzimage(ByteView file);

}  // namespace bartizan::plan::boot
