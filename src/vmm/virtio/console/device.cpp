#include "vmm/virtio/console/device.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "base/errors.hpp"
#include "base/units.hpp"
#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kReceive = 0, kTransmit = 1;  // §5.3.2
constexpr uint64_t kFeatureSize = 1;             // §5.3.3, VIRTIO_CONSOLE_F_SIZE
constexpr size_t kConfigBytes = 12;              // §5.3.4
constexpr uint16_t kQueueSize = 64;
constexpr size_t kPiece = 4096;  // bytes moved at a time; the size of Linux's own console buffers

// One chain may claim 4 GiB of output. What is beyond this is dropped: a guest must not hold the
// loop that long.
constexpr uint64_t kMaxOutputPerChain = 256 * kKiB;
constexpr uint32_t kChainsPerTurn = 32;

// Input that a caller pushes while the guest does not read must not grow without bound.
constexpr size_t kMaxPendingInput = kMiB;

}  // namespace

std::shared_ptr<ConsoleDevice> ConsoleDevice::create(EventLoop& loop, ConsoleOptions options) {
  return std::shared_ptr<ConsoleDevice>(new ConsoleDevice(loop, std::move(options)));
}

ConsoleDevice::~ConsoleDevice() {
  watch_input(false);
}

std::vector<uint16_t> ConsoleDevice::queue_sizes() const {
  return {kQueueSize, kQueueSize};
}

uint64_t ConsoleDevice::features() const {
  return options_.sized ? kFeatureSize : 0;
}

// §5.3.4: le16 cols, le16 rows; no other field is valid.
std::vector<uint8_t> ConsoleDevice::config() const {
  std::vector<uint8_t> fields(kConfigBytes);
  store_le<uint32_t>(fields.data(), size_.load());
  return fields;
}

void ConsoleDevice::resize(uint16_t columns, uint16_t rows) {
  size_.store(static_cast<uint32_t>(rows) << 16 | columns);
  ++generation_;
  if (queues_ && options_.sized) queues_->run([this] { queues_->config_changed(); });
}

void ConsoleDevice::activate(Queues& queues, uint64_t) {
  queues_ = &queues;
}

void ConsoleDevice::reset() {
  watch_input(false);
  queues_ = nullptr;
}

void ConsoleDevice::notify(uint16_t index) {
  if (index == kTransmit) {
    queues_->serve(kTransmit, kChainsPerTurn,
                   [this](const Chain& chain) { return transmit(chain); });
  } else {
    fill_guest();
  }
}

uint32_t ConsoleDevice::transmit(const Chain& chain) {
  if (!options_.output) return 0;
  uint8_t piece[kPiece];
  ChainReader reader(queues_->memory(), chain);
  uint64_t left = std::min(reader.remaining(), kMaxOutputPerChain);
  while (left > 0) {
    std::span<uint8_t> part(piece, std::min<uint64_t>(left, kPiece));
    if (!reader.read(part).ok()) return 0;  // a private page: the rest is not for us
    options_.output(part);
    left -= part.size();
  }
  return 0;
}

Result<void> ConsoleDevice::push_input(ByteView bytes) {
  if (pending_.size() + bytes.size() > kMaxPendingInput) {
    return make_error(ErrorCode::resource_exhausted, "virtio/console",
                      "input: more than {} bytes not yet read", kMaxPendingInput);
  }
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  if (queues_) queues_->run([this] { fill_guest(); });
  return {};
}

void ConsoleDevice::attach_input(UniqueFd input) {
  watch_input(false);
  options_.input = std::move(input);
  if (queues_) queues_->run([this] { fill_guest(); });
}

// Moves input while there is some and the guest has buffers. One that has none notifies us when it
// has again.
void ConsoleDevice::fill_guest() {
  Queue* queue = queues_->at(kReceive);
  uint32_t turns = 0;
  bool space = queue != nullptr;
  while (space && !pending_.empty() && turns++ < kChainsPerTurn) space = fill_one(*queue);
  queues_->flush(kReceive);
  if (turns > kChainsPerTurn) queues_->again(kReceive);
  watch_input(queue && pending_.empty() && options_.input.valid() && has_room(*queue));
}

bool ConsoleDevice::has_room(Queue& queue) {
  if (!queue.pop(&chain_)) return false;
  queue.put_back(chain_);
  return true;
}

// One chain. False: no chain, or nothing to put into it.
bool ConsoleDevice::fill_one(Queue& queue) {
  if (!queue.pop(&chain_)) return false;
  uint8_t piece[kPiece];
  size_t space = std::min<uint64_t>(chain_.writable_bytes, kPiece);
  std::optional<size_t> got = space == 0 ? 0 : next_input({piece, space});
  if (!got) {
    queue.put_back(chain_);
    return false;
  }
  ChainWriter writer(queues_->memory(), chain_);
  bool written = writer.write({piece, *got})
                     .ok();  // not ok: a private page; the bytes are lost, as is the page
  queue.push(chain_, written ? writer.written() : 0);
  return true;
}

// nullopt: nothing now.
std::optional<size_t> ConsoleDevice::next_input(std::span<uint8_t> to) {
  if (!pending_.empty()) {
    size_t count = std::min(to.size(), pending_.size());
    std::copy_n(pending_.begin(), count, to.begin());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
    return count;
  }
  if (!options_.input.valid()) return std::nullopt;
  ssize_t count = ::read(options_.input.get(), to.data(), to.size());
  if (count > 0) return static_cast<size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  watch_input(false);  // the end, or a terminal that is gone
  options_.input.reset();
  return std::nullopt;
}

void ConsoleDevice::watch_input(bool wanted) {
  if (wanted == watching_) return;
  watching_ = wanted;
  if (!wanted) return loop_.unwatch(options_.input.get());
  auto watched = loop_.watch(options_.input.get(), EPOLLIN, [this](uint32_t) { on_input(); });
  if (watched.ok()) return;
  watching_ = false;
  options_.input.reset();
}

void ConsoleDevice::on_input() {
  bool live = queues_ && queues_->run([this] {
    Queue* queue = queues_->at(kReceive);
    if (!queue || !has_room(*queue)) return watch_input(false);  // until the guest notifies us
    fill_one(*queue);
    queues_->flush(kReceive);
  });
  if (!live) watch_input(false);
}

}  // namespace bartizan::vmm::virtio
