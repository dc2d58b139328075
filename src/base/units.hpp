// Units of memory and storage. A size that only happens to be equal to one of these, because a
// format or an interface fixes a field of its own, keeps a name of its own beside its
// specification.
#pragma once

#include <cstdint>

namespace bartizan {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;

// Pages of x86-64 memory, of guest and host (APM volume 2, 5.3).
constexpr uint64_t kPageSize = 4 * kKiB;
constexpr uint64_t kLargePageSize = 2 * kMiB;

// What block devices count in: virtio-blk, device-mapper, dm-crypt's IVs, LUKS2 keyslot areas.
constexpr uint64_t kSectorSize = 512;
// What our disks are made of: EROFS, dm-verity and ext4 blocks, sectors of dm-crypt and
// dm-integrity.
constexpr uint64_t kBlockSize = 4 * kKiB;

}  // namespace bartizan
