#include "vmm/virtio/block/device.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kQueueSize = 128;
// data buffers of a request: a chain has header and status besides
constexpr uint32_t kMaxSegments = kQueueSize - 2;

// §5.2.3
constexpr uint64_t kFeatureSegmentsMax = 1 << 2, kFeatureReadOnly = 1 << 5,
                   kFeatureBlockSize = 1 << 6, kFeatureFlush = 1 << 9;

// §5.2.6
enum RequestType : uint32_t { kIn = 0, kOut = 1, kFlush = 4, kGetId = 8 };
enum Status : uint8_t { kOk = 0, kIoError = 1, kUnsupported = 2 };
struct RequestHeader {
  uint32_t type;  // guest-controlled
  uint32_t reserved;
  uint64_t sector;  // guest-controlled
};
constexpr size_t kIdBytes = 20;

// A chain may describe 4 GiB. Linux sends 1280 KiB at most; a longer request would stop every other
// device of the VM for as long as the disk takes.
constexpr uint64_t kMaxRequestBytes = 16 * kMiB;
constexpr uint32_t kRequestsPerTurn = 16;

// Moves `bytes` between the file and the windows, at `at`; short counts go on, end of file and
// errors fail.
template <typename Transfer>
bool transfer_all(std::vector<iovec> pieces, uint64_t at, Transfer transfer) {
  size_t first = 0;
  while (first < pieces.size()) {
    int count = static_cast<int>(std::min<size_t>(pieces.size() - first, IOV_MAX));
    ssize_t moved = transfer(pieces.data() + first, count, static_cast<off_t>(at));
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    at += static_cast<uint64_t>(moved);
    for (size_t left = static_cast<size_t>(moved); left > 0;) {
      size_t part = std::min(left, pieces[first].iov_len);
      pieces[first].iov_base = static_cast<uint8_t*>(pieces[first].iov_base) + part;
      pieces[first].iov_len -= part;
      left -= part;
      if (pieces[first].iov_len == 0) ++first;
    }
  }
  return true;
}

}  // namespace

Result<std::shared_ptr<BlockDevice>> BlockDevice::create(BlockOptions options) {
  if (!options.file.valid() || options.size % kSectorSize != 0 ||
      options.serial.size() > kIdBytes || !checked_add(options.offset, options.size) ||
      options.offset + options.size > INT64_MAX) {
    return make_error(
        ErrorCode::invalid_argument, "virtio/block",
        "disk \"{}\": {} bytes at {}: needs a file, a multiple of 512 bytes, a serial of up to 20",
        options.serial, options.size, options.offset);
  }
  return std::shared_ptr<BlockDevice>(new BlockDevice(std::move(options)));
}

std::vector<uint16_t> BlockDevice::queue_sizes() const {
  return {kQueueSize};
}

uint64_t BlockDevice::features() const {
  return kFeatureSegmentsMax | kFeatureBlockSize | kFeatureFlush |
         (options_.read_only ? kFeatureReadOnly : 0);
}

std::vector<uint8_t> BlockDevice::config() const {  // §5.2.4
  std::vector<uint8_t> config(60);
  store_le<uint64_t>(&config[0], options_.size / kSectorSize);  // §5.2.5: 512-byte sectors
  store_le<uint32_t>(&config[12], kMaxSegments);
  store_le<uint32_t>(&config[20], kSectorSize);
  return config;
}

void BlockDevice::activate(Queues& queues, uint64_t) {
  queues_ = &queues;
}

void BlockDevice::notify(uint16_t) {
  queues_->serve(0, kRequestsPerTurn, [this](const Chain& chain) { return serve(chain); });
}

// The last writable byte is the status (§5.2.6). Without one the result cannot be reported.
uint32_t BlockDevice::serve(const Chain& chain) {
  if (chain.writable_bytes == 0) return 0;
  RequestResult outcome = execute(chain);
  bool told =
      write_byte(queues_->memory(), chain.writable, chain.writable_bytes - 1, outcome.status).ok();
  // Bytes up to the returned length must have been written (§2.7.8): a status byte behind untouched
  // ones counts for 0.
  bool gapless = outcome.written == chain.writable_bytes - 1;
  return outcome.written + (told && gapless ? 1 : 0);
}

BlockDevice::RequestResult BlockDevice::execute(const Chain& chain) {
  RequestHeader header;
  ChainReader reader(queues_->memory(), chain);
  if (!reader.read({reinterpret_cast<uint8_t*>(&header), sizeof header}).ok()) return {kIoError};
  switch (header.type) {
    case kIn:
      return read_disk(chain, header.sector);
    case kOut:
      return write_disk(chain, header.sector);
    case kFlush:
      return flush_disk();
    case kGetId:
      return identify(chain);
  }
  return {kUnsupported};
}

bool BlockDevice::in_range(uint64_t sector, uint64_t bytes) const {
  auto start = checked_mul(sector, kSectorSize);
  if (!start || bytes % kSectorSize != 0 || bytes > kMaxRequestBytes) return false;
  return *start <= options_.size && bytes <= options_.size - *start;
}

BlockDevice::RequestResult BlockDevice::read_disk(const Chain& chain, uint64_t sector) {
  uint64_t bytes = chain.writable_bytes - 1;
  if (!in_range(sector, bytes)) return {kIoError};
  auto pieces = windows(queues_->memory(), chain.writable, 0, bytes);
  if (!pieces.ok()) return {kIoError};
  bool done = transfer_all(
      std::move(*pieces), options_.offset + sector * kSectorSize,
      [this](iovec* v, int n, off_t at) { return ::preadv(options_.file.get(), v, n, at); });
  if (!done) return {kIoError};
  return {kOk, static_cast<uint32_t>(bytes)};
}

BlockDevice::RequestResult BlockDevice::write_disk(const Chain& chain, uint64_t sector) {
  uint64_t bytes = chain.readable_bytes - sizeof(RequestHeader);
  if (options_.read_only || !in_range(sector, bytes)) return {kIoError};
  auto pieces = windows(queues_->memory(), chain.readable, sizeof(RequestHeader), bytes);
  if (!pieces.ok()) return {kIoError};
  bool done = transfer_all(
      std::move(*pieces), options_.offset + sector * kSectorSize,
      [this](iovec* v, int n, off_t at) { return ::pwritev(options_.file.get(), v, n, at); });
  return {done ? kOk : kIoError};
}

BlockDevice::RequestResult BlockDevice::flush_disk() {
  if (options_.read_only) return {kOk};
  return {::fdatasync(options_.file.get()) == 0 ? kOk : kIoError};
}

BlockDevice::RequestResult BlockDevice::identify(const Chain& chain) {
  if (chain.writable_bytes - 1 < kIdBytes) return {kIoError};
  uint8_t id[kIdBytes] = {};
  std::memcpy(id, options_.serial.data(), options_.serial.size());
  ChainWriter writer(queues_->memory(), chain);
  if (!writer.write(id).ok()) return {kIoError};
  return {kOk, kIdBytes};
}

}  // namespace bartizan::vmm::virtio
