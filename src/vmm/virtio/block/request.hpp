// One request of a virtio-blk driver (virtio 1.2 §5.2.6), in three steps: taken out of the guest,
// executed on the disk, given back. The first and the last touch guest memory, the second the file.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"
#include "vmm/virtio/queue.hpp"

namespace bartizan::vmm::virtio {

struct BackingFile {
  UniqueFd file;
  uint64_t offset = 0, size = 0;  // bytes: the disk's place in the file
  bool read_only = true;
  std::string serial;
};

// A chain may describe 4 GiB. Linux sends 1280 KiB at most; a longer request would only hold our
// memory.
constexpr uint64_t kMaxRequestBytes = 16 * kMiB;
constexpr size_t kSerialBytes = 20;

class BlockRequest {
 public:
  Chain chain;

  // Copies header and data out of the guest. A request that breaks the rules has its status.
  void take(const BackingFile& disk, memory::DeviceMemory& memory);
  void execute(const BackingFile& disk);  // nothing, if it has its status
  // Copies data and status into the guest; how many bytes the driver may look at.
  uint32_t give(memory::DeviceMemory& memory) const;

 private:
  enum Type : uint32_t { kIn = 0, kOut = 1, kFlush = 4, kGetId = 8 };
  enum Status : uint8_t { kOk = 0, kIoError = 1, kUnsupported = 2, kNone = 0xff };
  Status check(const BackingFile& disk);
  Status run(const BackingFile& disk);
  Status take_data(const BackingFile& disk, memory::DeviceMemory& memory);

  uint32_t type_ = 0;
  uint64_t sector_ = 0;
  Status status_ = kNone;
  Bytes data_;  // to the disk, or from it
};

}  // namespace bartizan::vmm::virtio
