#include "vmm/virtio/block/request.hpp"

#include <unistd.h>

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

bool on_disk(const BackingFile& disk, uint64_t sector, uint64_t bytes) {
  auto start = checked_mul(sector, kSectorSize);
  if (!start || bytes % kSectorSize != 0 || bytes > kMaxRequestBytes) return false;
  return *start <= disk.size && bytes <= disk.size - *start;
}

// Moves all of `data`, at `at`; short counts go on, end of file and errors fail.
template <typename Data, typename Transfer>
bool transfer_all(Data& data, uint64_t at, Transfer transfer) {
  for (size_t done = 0; done < data.size();) {
    ssize_t moved = transfer(data.data() + done, data.size() - done, static_cast<off_t>(at + done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    done += static_cast<size_t>(moved);
  }
  return true;
}

}  // namespace

void BlockRequest::take(const BackingFile& disk, memory::DeviceMemory& memory) {
  auto taken = call_guarded("disk request", [&] { status_ = take_data(disk, memory); });
  if (!taken.ok()) status_ = kIoError;  // no memory for the data
}

BlockRequest::Status BlockRequest::take_data(const BackingFile& disk,
                                             memory::DeviceMemory& memory) {
  RequestHeader header;
  ChainReader reader(memory, chain);
  if (chain.writable_bytes == 0 ||
      !reader.read({reinterpret_cast<uint8_t*>(&header), sizeof header}).ok()) {
    return kIoError;
  }
  type_ = header.type;
  sector_ = header.sector;
  Status status = check(disk);
  if (status != kNone || type_ != kOut) return status;
  data_.resize(reader.remaining());
  return reader.read(data_).ok() ? kNone : kIoError;
}

// kNone: it may be executed.
BlockRequest::Status BlockRequest::check(const BackingFile& disk) {
  switch (type_) {
    case kIn:
      return on_disk(disk, sector_, chain.writable_bytes - 1) ? kNone : kIoError;
    case kOut:
      return !disk.read_only && on_disk(disk, sector_, chain.readable_bytes - sizeof(RequestHeader))
                 ? kNone
                 : kIoError;
    case kFlush:
      return disk.read_only ? kOk : kNone;
    case kGetId:
      return chain.writable_bytes - 1 >= kSerialBytes ? kNone : kIoError;
  }
  return kUnsupported;
}

void BlockRequest::execute(const BackingFile& disk) {
  if (status_ != kNone) return;
  auto executed = call_guarded("disk request", [&] { status_ = run(disk); });
  if (!executed.ok()) status_ = kIoError;
}

BlockRequest::Status BlockRequest::run(const BackingFile& disk) {
  const int fd = disk.file.get();
  const uint64_t at = disk.offset + sector_ * kSectorSize;
  switch (type_) {
    case kIn:
      data_.resize(chain.writable_bytes - 1);
      return transfer_all(data_, at, [fd](auto... to) { return ::pread(fd, to...); }) ? kOk
                                                                                      : kIoError;
    case kOut:
      return transfer_all(data_, at, [fd](auto... from) { return ::pwrite(fd, from...); })
                 ? kOk
                 : kIoError;
    case kFlush:
      return ::fdatasync(fd) == 0 ? kOk : kIoError;
    case kGetId:
      data_.assign(disk.serial.begin(), disk.serial.end());
      data_.resize(kSerialBytes);
      return kOk;
  }
  return kUnsupported;
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
