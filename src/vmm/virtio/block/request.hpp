// One request of a virtio-blk driver (virtio 1.2 §5.2.6): taken out of the guest, executed on the
// file in steps, given back. Only the first and the last touch guest memory, and only the steps the
// file. Who executes them, and whether it waits, is no matter of the request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

// §5.2.3, those that requests depend on.
constexpr uint64_t kFeatureDiscard = 1 << 13, kFeatureWriteZeroes = 1 << 14;

// Ranges of one request (§5.2.4). Zeros may have to be written, so that a request of them is not
// longer than one that writes.
constexpr uint32_t kMaxDiscardRanges = 16, kMaxZeroRanges = 1;
constexpr uint64_t kMaxDiscardBytes = 128 * kMiB, kMaxZeroBytes = kMaxRequestBytes;

// What the file is asked for next: one system call, or one entry of an io_uring.
struct DiskStep {
  enum class Kind { read, write, sync, allocate };
  Kind kind = Kind::sync;
  uint8_t* data = nullptr;  // read, write: the request's own memory
  uint64_t at = 0, bytes = 0;
  int mode = 0;  // allocate: fallocate(2)
};

class BlockRequest {
 public:
  Chain chain;

  // Copies header, ranges and data out of the guest. A request that breaks the rules has its status
  // then. `features`: those that the driver accepted.
  void take(const BackingFile& disk, memory::DeviceMemory& memory, uint64_t features);

  bool has_status() const { return status_ != kNone; }

  // Nothing: it has its status. Otherwise finish_step() follows.
  std::optional<DiskStep> next_step();
  void finish_step(const DiskStep& step, int64_t result);  // bytes, 0, or -errno

  // Copies data and status into the guest; how many bytes the driver may look at.
  uint32_t give(memory::DeviceMemory& memory) const;

  uint64_t memory() const;  // bytes that it has or will have

 private:
  enum Type : uint32_t {
    kIn = 0,
    kOut = 1,
    kFlush = 4,
    kGetId = 8,
    kDiscard = 11,
    kWriteZeroes = 13
  };
  enum Status : uint8_t { kOk = 0, kIoError = 1, kUnsupported = 2, kNone = 0xff };
  struct FileRange {
    uint64_t at = 0, bytes = 0;
  };
  Status take_checked(const BackingFile& disk, memory::DeviceMemory& memory, uint64_t features);
  Status take_data(const BackingFile& disk, uint64_t sector, uint64_t bytes);
  Status take_ranges(const BackingFile& disk, class ChainReader& reader);
  Status take_id(const BackingFile& disk);
  DiskStep make_step();
  void allocated(const DiskStep& step, int64_t result);

  uint32_t type_ = 0;
  Status status_ = kNone;
  Bytes data_;                     // to the disk, or from it
  size_t moved_ = 0;               // bytes of data_, if it is read or written
  std::vector<FileRange> ranges_;  // what is left to do, the next one last
  int mode_ = 0;                   // how ranges are freed or zeroed; 0: zeros are written
};

}  // namespace bartizan::vmm::virtio
