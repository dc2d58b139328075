#include "vmm/virtio/block/device.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/checked.hpp"
#include "base/errors.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kQueueSize = 128;
// data buffers of a request: a chain has header and status besides
constexpr uint32_t kMaxSegments = kQueueSize - 2;

// §5.2.3
constexpr uint64_t kFeatureSegmentsMax = 1 << 2, kFeatureReadOnly = 1 << 5,
                   kFeatureBlockSize = 1 << 6, kFeatureFlush = 1 << 9;

// A hint for the driver, in sectors.
constexpr int64_t kMaxHoleSectors = 2048;

// The sectors that a hole of this file is made of, 0 if it cannot have one. Asked for where nothing
// is, at its end; a block device has none there, and knows when it is asked only.
uint32_t hole_sectors(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return 0;
  const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const bool is_device = S_ISBLK(status.st_mode);
  if (!is_device && ::fallocate(file, punch, status.st_size, 1) != 0) return 0;
  const int64_t sectors = status.st_blksize / static_cast<int64_t>(kSectorSize);
  return static_cast<uint32_t>(std::clamp<int64_t>(sectors, 1, kMaxHoleSectors));
}

}  // namespace

Result<std::shared_ptr<BlockDevice>> BlockDevice::create(BlockOptions options) {
  if (!options.file.valid() || options.size % kSectorSize != 0 ||
      options.serial.size() > kSerialBytes || !checked_add(options.offset, options.size) ||
      options.offset + options.size > INT64_MAX) {
    return make_error(
        ErrorCode::invalid_argument, "virtio/block",
        "disk \"{}\": {} bytes at {}: needs a file, a multiple of 512 bytes, a serial of up to 20",
        options.serial, options.size, options.offset);
  }
  const uint32_t holes = options.read_only ? 0 : hole_sectors(options.file.get());
  auto workers = TRY(BlockWorkers::create({std::move(options.file), options.offset, options.size,
                                           options.read_only, std::move(options.serial)},
                                          std::move(options.thread_setup), options.engine));
  return std::shared_ptr<BlockDevice>(
      new BlockDevice(std::move(workers), options.size, options.read_only, holes));
}

BlockDevice::~BlockDevice() {
  workers_->detach();
  workers_->end();
}

std::vector<uint16_t> BlockDevice::queue_sizes() const {
  return {kQueueSize};
}

uint64_t BlockDevice::features() const {
  return kFeatureSegmentsMax | kFeatureBlockSize | kFeatureFlush |
         (read_only_ ? kFeatureReadOnly : kFeatureWriteZeroes) |
         (hole_sectors_ != 0 ? kFeatureDiscard : 0);
}

std::vector<uint8_t> BlockDevice::config() const {  // §5.2.4
  std::vector<uint8_t> config(60);
  store_le<uint64_t>(&config[0], size_ / kSectorSize);  // §5.2.5: 512-byte sectors
  store_le<uint32_t>(&config[12], kMaxSegments);
  store_le<uint32_t>(&config[20], kSectorSize);
  if (hole_sectors_ != 0) {
    store_le<uint32_t>(&config[36], kMaxDiscardBytes / kSectorSize);
    store_le<uint32_t>(&config[40], kMaxDiscardRanges);
    store_le<uint32_t>(&config[44], hole_sectors_);
  }
  if (!read_only_) {
    store_le<uint32_t>(&config[48], kMaxZeroBytes / kSectorSize);
    store_le<uint32_t>(&config[52], kMaxZeroRanges);
    config[56] = hole_sectors_ != 0;  // may unmap
  }
  return config;
}

void BlockDevice::activate(Queues& queues, uint64_t features) {
  workers_->attach(queues, features);
}

}  // namespace bartizan::vmm::virtio
