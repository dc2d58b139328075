#include "vmm/virtio/block/device.hpp"

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
  auto workers = TRY(BlockWorkers::create({std::move(options.file), options.offset, options.size,
                                           options.read_only, std::move(options.serial)},
                                          std::move(options.thread_setup)));
  return std::shared_ptr<BlockDevice>(
      new BlockDevice(std::move(workers), options.size, options.read_only));
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
         (read_only_ ? kFeatureReadOnly : 0);
}

std::vector<uint8_t> BlockDevice::config() const {  // §5.2.4
  std::vector<uint8_t> config(60);
  store_le<uint64_t>(&config[0], size_ / kSectorSize);  // §5.2.5: 512-byte sectors
  store_le<uint32_t>(&config[12], kMaxSegments);
  store_le<uint32_t>(&config[20], kSectorSize);
  return config;
}

void BlockDevice::activate(Queues& queues, uint64_t) {
  workers_->attach(queues);
}

}  // namespace bartizan::vmm::virtio
