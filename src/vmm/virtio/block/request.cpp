#include "vmm/virtio/block/request.hpp"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/checked.hpp"
#include "base/thread.hpp"
#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

struct RequestHeader {
  uint32_t type;  // guest-controlled
  uint32_t reserved;
  uint64_t sector;  // guest-controlled
};

// §5.2.6, virtio_blk_discard_write_zeroes
struct RangeEntry {
  uint64_t sector;  // guest-controlled
  uint32_t sectors;
  uint32_t flags;
};
static_assert(sizeof(RangeEntry) == 16);

constexpr uint32_t kUnmap = 1;  // §5.2.6, the one flag

// Neither changes the file's size.
constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr int kZero = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

// What is written at a time where the file system cannot zero a range itself.
constexpr uint64_t kZeroPiece = 256 * kKiB;

// Where it is in the file; nothing, if a part of it is not on the disk.
std::optional<uint64_t> on_disk(const BackingFile& disk, uint64_t sector, uint64_t bytes) {
  auto start = checked_mul(sector, kSectorSize);
  if (!start || bytes % kSectorSize != 0) return {};
  if (*start > disk.size || bytes > disk.size - *start) return {};
  return disk.offset + *start;
}

}  // namespace

void BlockRequest::take(const BackingFile& disk, memory::DeviceMemory& memory, uint64_t features) {
  auto taken =
      call_guarded("disk request", [&] { status_ = take_checked(disk, memory, features); });
  if (!taken.ok()) status_ = kIoError;  // no memory for the data
}

BlockRequest::Status BlockRequest::take_checked(const BackingFile& disk,
                                                memory::DeviceMemory& memory, uint64_t features) {
  RequestHeader header;
  ChainReader reader(memory, chain);
  if (chain.writable_bytes == 0 ||
      !reader.read({reinterpret_cast<uint8_t*>(&header), sizeof header}).ok()) {
    return kIoError;
  }
  type_ = header.type;
  switch (type_) {
    case kIn:
      return take_data(disk, header.sector, chain.writable_bytes - 1);
    case kOut: {
      const Status status =
          disk.read_only ? kIoError : take_data(disk, header.sector, reader.remaining());
      if (status != kNone) return status;
      data_.resize(reader.remaining());
      return reader.read(data_).ok() ? kNone : kIoError;
    }
    case kFlush:
      return disk.read_only ? kOk : kNone;
    case kGetId:
      return take_id(disk);
    case kDiscard:
      return features & kFeatureDiscard ? take_ranges(disk, reader) : kUnsupported;
    case kWriteZeroes:
      return features & kFeatureWriteZeroes ? take_ranges(disk, reader) : kUnsupported;
  }
  return kUnsupported;
}

BlockRequest::Status BlockRequest::take_data(const BackingFile& disk, uint64_t sector,
                                             uint64_t bytes) {
  const auto at = on_disk(disk, sector, bytes);
  if (!at || bytes > kMaxRequestBytes) return kIoError;
  if (bytes == 0) return kOk;
  ranges_.push_back({*at, bytes});
  return kNone;
}

BlockRequest::Status BlockRequest::take_id(const BackingFile& disk) {
  if (chain.writable_bytes - 1 < kSerialBytes) return kIoError;
  data_.assign(disk.serial.begin(), disk.serial.end());
  data_.resize(kSerialBytes);
  return kOk;
}

// All are checked before the first is touched. §5.2.6.2: what has a flag that nobody knows, and an
// unmap where all is unmapped, is not supported.
BlockRequest::Status BlockRequest::take_ranges(const BackingFile& disk, ChainReader& reader) {
  const bool discards = type_ == kDiscard;
  std::array<RangeEntry, kMaxDiscardRanges> entries;
  const uint64_t bytes = reader.remaining(), count = bytes / sizeof(RangeEntry);
  if (bytes % sizeof(RangeEntry) != 0 || count == 0 ||
      count > (discards ? kMaxDiscardRanges : kMaxZeroRanges) ||
      !reader.read({reinterpret_cast<uint8_t*>(entries.data()), bytes}).ok()) {
    return kIoError;
  }
  bool unmaps = true;
  for (const RangeEntry& entry : std::span(entries).first(count)) {
    if (entry.flags & ~(discards ? 0 : kUnmap)) return kUnsupported;
    const uint64_t length = entry.sectors * kSectorSize;
    const auto at = on_disk(disk, entry.sector, length);
    if (!at || length > (discards ? kMaxDiscardBytes : kMaxZeroBytes)) return kIoError;
    if (length > 0) ranges_.push_back({*at, length});
    unmaps = unmaps && (discards || (entry.flags & kUnmap) != 0);
  }
  std::reverse(ranges_.begin(), ranges_.end());
  mode_ = unmaps ? kPunch : kZero;
  return ranges_.empty() ? kOk : kNone;
}

std::optional<DiskStep> BlockRequest::next_step() {
  if (status_ != kNone) return {};
  DiskStep step;
  if (type_ == kFlush) return step;
  auto made = call_guarded("disk request", [&] { step = make_step(); });
  if (made.ok()) return step;
  status_ = kIoError;
  return {};
}

DiskStep BlockRequest::make_step() {
  const FileRange& range = ranges_.back();
  if (type_ == kIn && data_.empty()) data_.resize(range.bytes);
  if (type_ == kIn) return {DiskStep::Kind::read, data_.data() + moved_, range.at, range.bytes};
  if (type_ == kOut) return {DiskStep::Kind::write, data_.data() + moved_, range.at, range.bytes};
  if (mode_ != 0) return {DiskStep::Kind::allocate, nullptr, range.at, range.bytes, mode_};
  data_.resize(kZeroPiece);
  return {DiskStep::Kind::write, data_.data(), range.at,
          std::min<uint64_t>(range.bytes, data_.size())};
}

// Short counts go on; the end of the file and errors fail.
void BlockRequest::finish_step(const DiskStep& step, int64_t result) {
  if (result == -EINTR) return;
  if (step.kind == DiskStep::Kind::allocate) return allocated(step, result);
  if (step.kind == DiskStep::Kind::sync) {
    status_ = result == 0 ? kOk : kIoError;
    return;
  }
  const auto moved = static_cast<uint64_t>(result);
  if (result <= 0 || moved > step.bytes) {
    status_ = kIoError;
    return;
  }
  moved_ += moved;
  FileRange& range = ranges_.back();
  range.at += moved;
  range.bytes -= moved;
  if (range.bytes == 0) ranges_.pop_back();
  if (ranges_.empty()) status_ = kOk;
}

// Zeros without a hole: by the file system, or else written. A file that had holes at its start and
// has none now (a block device whose queue changed) makes a discard unsupported.
void BlockRequest::allocated(const DiskStep& step, int64_t result) {
  if (result == -EOPNOTSUPP && type_ == kWriteZeroes) {
    mode_ = step.mode == kPunch ? kZero : 0;
    return;
  }
  if (result != 0) {
    status_ = result == -EOPNOTSUPP ? kUnsupported : kIoError;
    return;
  }
  ranges_.pop_back();
  if (ranges_.empty()) status_ = kOk;
}

uint64_t BlockRequest::memory() const {
  if (ranges_.empty() || !data_.empty()) return data_.size();
  return type_ == kIn ? ranges_.back().bytes : type_ == kWriteZeroes ? kZeroPiece : 0;
}

// The last writable byte is the status (§5.2.6). Without one the result cannot be reported.
uint32_t BlockRequest::give(memory::DeviceMemory& memory) const {
  if (chain.writable_bytes == 0) return 0;
  uint8_t status = status_;
  ChainWriter writer(memory, chain);
  bool has_answer = status == kOk && (type_ == kIn || type_ == kGetId);
  if (has_answer && !writer.write(data_).ok()) status = kIoError;
  bool told = write_byte(memory, chain.writable, chain.writable_bytes - 1, status).ok();
  // Bytes up to the returned length must have been written (§2.7.8): a status byte behind untouched
  // ones counts for 0.
  uint32_t written = status == kOk ? writer.written() : 0;
  bool gapless = written == chain.writable_bytes - 1;
  return written + (told && gapless ? 1 : 0);
}

}  // namespace bartizan::vmm::virtio
