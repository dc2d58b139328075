// virtio-blk (virtio 1.2 §5.2) on a part of a raw file. A disk that can be written takes zeros
// without their bytes, and what is no longer needed where the file system makes holes; neither
// touches the file outside of the disk or changes its size.
#pragma once

#include <memory>
#include <string>

#include "vmm/virtio/block/workers.hpp"
#include "vmm/virtio/device.hpp"

namespace bartizan::vmm::virtio {

struct BlockOptions {
  UniqueFd file;        // opened for reading, and for writing unless read_only
  uint64_t offset = 0;  // bytes: where the disk starts in the file
  uint64_t size = 0;    // bytes, a multiple of 512
  bool read_only = true;
  std::string serial;  // answer to GET_ID: "disk", "manifest", "scratch"; at most 20 bytes
  ThreadSetup thread_setup = {};
  BlockEngine engine = BlockEngine::any;  // tests and figures choose
};

class BlockDevice : public Device {
 public:
  // Errors: invalid_argument (size, serial, no file); unsupported (engine); of the system, for a
  // thread.
  static Result<std::shared_ptr<BlockDevice>> create(BlockOptions options);
  ~BlockDevice() override;

  DeviceType type() const override { return DeviceType::block; }
  std::vector<uint16_t> queue_sizes() const override;
  uint64_t features() const override;
  std::vector<uint8_t> config() const override;
  void activate(Queues& queues, uint64_t features) override;
  void notify(uint16_t) override { workers_->wake(); }
  void reset() override { workers_->detach(); }

 private:
  BlockDevice(std::shared_ptr<BlockWorkers> workers, uint64_t size, bool read_only,
              uint32_t hole_sectors)
      : workers_(std::move(workers)),
        size_(size),
        read_only_(read_only),
        hole_sectors_(hole_sectors) {}

  std::shared_ptr<BlockWorkers> workers_;
  uint64_t size_;
  bool read_only_;
  uint32_t hole_sectors_;  // what a hole is made of; 0: none are made
};

}  // namespace bartizan::vmm::virtio
