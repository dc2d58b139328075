// The content of a LUKS header of either version, whichever program made it (cryptsetup, luksy,
// oci2cw, buildah): for people who look at an image. Nobody opens a disk by it.
#pragma once

#include <string_view>

#include "bartizan/image.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::image::luks2 {

// So much of a disk's beginning holds any header: two copies of the largest metadata that LUKS2
// has. A header that names more comes from an attacker who wants our memory.
constexpr uint64_t kMaxLuksHeadBytes = 8 * kMiB;

struct LuksCopies {
  uint32_t version = 0;
  std::string remark;  // what is wrong with one of the two copies; empty: nothing
};

// Magic, version and, for LUKS2, size and checksum of both copies (LUKS2 On-Disk Format §2).
// corrupt: no header here, or neither copy is whole. Pure.
Result<LuksCopies> check_luks_copies(ByteView head);

// `head`: the first kMaxLuksHeadBytes of a disk of `disk_bytes`, or all of it. libcryptsetup reads
// a copy of it in memory: it repairs what it can, which must not happen to the image. corrupt.
Result<LuksInfo> read_luks(ByteView head, uint64_t disk_bytes, std::string_view name);

}  // namespace bartizan::image::luks2
