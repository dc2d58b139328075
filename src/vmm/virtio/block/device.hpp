// virtio-blk (virtio 1.2 §5.2) on a part of a raw file.
#pragma once

#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "vmm/virtio/device.hpp"

namespace bartizan::vmm::virtio {

struct BlockOptions {
  UniqueFd file;        // opened for reading, and for writing unless read_only
  uint64_t offset = 0;  // bytes: where the disk starts in the file
  uint64_t size = 0;    // bytes, a multiple of 512
  bool read_only = true;
  std::string serial;  // answer to GET_ID: "disk", "manifest", "scratch"; at most 20 bytes
};

class BlockDevice : public Device {
 public:
  // Errors: invalid_argument (size, serial, no file).
  static Result<std::shared_ptr<BlockDevice>> create(BlockOptions options);

  DeviceType type() const override { return DeviceType::block; }
  std::vector<uint16_t> queue_sizes() const override;
  uint64_t features() const override;
  std::vector<uint8_t> config() const override;
  void activate(Queues& queues, uint64_t features) override;
  void notify(uint16_t index) override;
  void reset() override { queues_ = nullptr; }

 private:
  struct RequestResult {
    uint8_t status = 0;
    uint32_t written = 0;  // bytes before the status byte
  };
  explicit BlockDevice(BlockOptions options) : options_(std::move(options)) {}
  uint32_t serve(const Chain& chain);
  RequestResult execute(const Chain& chain);
  RequestResult read_disk(const Chain& chain, uint64_t sector);
  RequestResult write_disk(const Chain& chain, uint64_t sector);
  RequestResult flush_disk();
  RequestResult identify(const Chain& chain);
  bool in_range(uint64_t sector, uint64_t bytes) const;

  BlockOptions options_;
  Queues* queues_ = nullptr;
};

}  // namespace bartizan::vmm::virtio
