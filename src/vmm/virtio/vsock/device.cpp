#include "vmm/virtio/vsock/device.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/errors.hpp"
#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kReceive = 0, kTransmit = 1;  // §5.10.2; queue 2 is for events, and we have none
constexpr uint16_t kQueueSize = 128;
constexpr uint16_t kStreamType = 1;  // §5.10.6

// Each connection holds a descriptor of this process and up to kStreamBuffer bytes, and the guest
// opens them.
constexpr size_t kMaxConnections = 64;

// A guest that sends rubbish and takes no answers: after so many we stop reading from it
// (§5.10.6.1.1).
constexpr size_t kMaxReplies = 64;

constexpr uint32_t kPacketsPerTurn = 64;        // from the guest
constexpr uint32_t kPacketsPerStreamTurn = 16;  // from one stream: it must not starve the others
constexpr size_t kMaxPayload = kStreamBuffer;   // of one packet, either way

}  // namespace

std::shared_ptr<VsockDevice> VsockDevice::create(EventLoop& loop, VsockOptions options) {
  return std::shared_ptr<VsockDevice>(new VsockDevice(loop, std::move(options)));
}

VsockDevice::~VsockDevice() {
  reset();
}

std::vector<uint16_t> VsockDevice::queue_sizes() const {
  return {kQueueSize, kQueueSize, kQueueSize};
}

std::vector<uint8_t> VsockDevice::config() const {  // §5.10.4
  std::vector<uint8_t> config(8);
  store_le<uint64_t>(config.data(), kVsockGuestCid);
  return config;
}

void VsockDevice::activate(Queues& queues, uint64_t) {
  queues_ = &queues;
}

void VsockDevice::reset() {
  for (auto& [ports, stream] : connections_) watch(ports, stream, 0);
  connections_.clear();
  replies_.clear();
  scratch_ = {};
  guest_full_ = replies_full_ = false;
  queues_ = nullptr;
}

void VsockDevice::notify(uint16_t index) {
  if (index == kReceive) guest_full_ = false;
  drain_guest();
  settle();
}

void VsockDevice::drain_guest() {
  Queue* queue = queues_->at(kTransmit);
  if (!queue) return;
  uint32_t budget = kPacketsPerTurn;
  while (budget > 0 && replies_.size() < kMaxReplies && queue->pop(&chain_)) {
    receive(chain_);
    queue->push(chain_, 0);
    --budget;
  }
  queues_->flush(kTransmit);
  if (budget == 0) queues_->again(kTransmit);
  replies_full_ = replies_.size() >= kMaxReplies;
}

void VsockDevice::receive(const Chain& chain) {
  VsockHeader header;
  ChainReader reader(queues_->memory(), chain);
  if (!reader.read({reinterpret_cast<uint8_t*>(&header), sizeof header}).ok())
    return;  // nobody to answer
  uint32_t length = header.operation == kVsockData ? header.length : 0;
  if (length > reader.remaining() || length > kMaxPayload) return refuse(header);
  scratch_.resize(std::max<size_t>(scratch_.size(), length));
  std::span<uint8_t> payload(scratch_.data(), length);
  if (!reader.read(payload).ok()) return refuse(header);
  dispatch(header, payload);
}

void VsockDevice::dispatch(const VsockHeader& header, ByteView payload) {
  bool ours = header.type == kStreamType && header.source_cid == kVsockGuestCid &&
              header.target_cid == kVsockHostCid;
  if (!ours) return refuse(header);
  VsockPorts ports{header.target_port, header.source_port};
  auto found = connections_.find(ports);
  if (found != connections_.end()) return found->second.connection->receive(header, payload);
  if (header.operation == kVsockRequest) return accept(header, ports);
  refuse(header);
}

void VsockDevice::accept(const VsockHeader& request, VsockPorts ports) {
  auto service = options_.ports.find(ports.host);
  if (service == options_.ports.end() || connections_.size() >= kMaxConnections)
    return refuse(request);
  auto stream = service->second(ports.host);
  if (!stream.ok() || !stream->valid()) return refuse(request);
  add(ports, std::move(*stream))->accept(request);
}

VsockConnection* VsockDevice::add(VsockPorts ports, UniqueFd stream) {
  auto connection = std::make_unique<VsockConnection>(ports, std::move(stream));
  return (connections_[ports] = {std::move(connection), 0}).connection.get();
}

// §5.10.6.4.1: RST for what belongs to no connection, but never in answer to a RST.
void VsockDevice::refuse(const VsockHeader& header) {
  VsockPorts ports{header.target_port, header.source_port};
  if (auto found = connections_.find(ports);
      found != connections_.end() && header.source_cid == kVsockGuestCid) {
    return found->second.connection->stream_failed();
  }
  if (header.operation == kVsockReset) return;
  VsockHeader reset;
  reset.source_cid = header.target_cid;
  reset.target_cid = kVsockGuestCid;
  reset.source_port = header.target_port;
  reset.target_port = header.source_port;
  reset.type = header.type;
  reset.operation = kVsockReset;
  replies_.push_back(reset);
}

// The next receive buffer that holds at least a header, in chain_. Smaller ones go back empty.
bool VsockDevice::take_buffer(Queue& queue) {
  for (uint32_t i = 0; i < kQueueSize && queue.pop(&chain_); ++i) {
    if (chain_.writable_bytes >= sizeof(VsockHeader)) return true;
    queue.push(chain_, 0);
  }
  guest_full_ = true;
  return false;
}

void VsockDevice::put_packet(Queue& queue, const VsockHeader& header, ByteView payload) {
  ChainWriter writer(queues_->memory(), chain_);
  bool written = writer.write({reinterpret_cast<const uint8_t*>(&header), sizeof header}).ok() &&
                 writer.write(payload).ok();
  queue.push(chain_, written ? writer.written() : 0);
  if (written) return;  // otherwise the guest gave us a private page, and lost a packet by it
  auto found = connections_.find({header.source_port, header.target_port});
  if (found != connections_.end() && header.operation != kVsockReset)
    found->second.connection->stream_failed();
}

void VsockDevice::send_controls() {
  Queue* queue = queues_->at(kReceive);
  if (!queue) return;
  while (!replies_.empty() && take_buffer(*queue)) {
    put_packet(*queue, replies_.front(), {});
    replies_.pop_front();
  }
  for (auto& [ports, stream] : connections_) {
    // Two at most: SHUTDOWN may be followed by RST.
    for (int i = 0; i < 2 && stream.connection->has_control() && take_buffer(*queue); ++i) {
      put_packet(*queue, stream.connection->next_control(), {});
    }
  }
}

// One packet from the stream to the guest. False: no more for now.
bool VsockDevice::send_data(VsockConnection& connection) {
  Queue* queue = queues_->at(kReceive);
  if (!connection.may_read_stream() || !queue || !take_buffer(*queue)) return false;
  size_t space = std::min<uint64_t>(
      {chain_.writable_bytes - sizeof(VsockHeader), connection.credit(), kMaxPayload});
  if (space == 0) {
    queue->push(chain_, 0);
    return false;
  }
  scratch_.resize(std::max(scratch_.size(), space));
  ssize_t got = ::recv(connection.stream(), scratch_.data(), space, MSG_DONTWAIT);
  int error = errno;
  if (got > 0) {
    put_packet(*queue, connection.data_header(static_cast<uint32_t>(got)),
               {scratch_.data(), static_cast<size_t>(got)});
    return true;
  }
  queue->put_back(chain_);
  if (got == 0) connection.stream_ended();
  if (got < 0 && error != EAGAIN && error != EINTR) connection.stream_failed();
  return false;
}

void VsockDevice::on_stream(VsockPorts ports, uint32_t events) {
  bool live = queues_ && queues_->run([&] {
    auto found = connections_.find(ports);
    if (found == connections_.end()) return;
    VsockConnection& connection = *found->second.connection;
    if ((events & ~static_cast<uint32_t>(EPOLLIN)) && connection.must_write_stream())
      connection.flush_to_stream();
    for (uint32_t i = 0; i < kPacketsPerStreamTurn && send_data(connection);) ++i;
    settle();
  });
  // The driver is gone and reset() is on its way.
  if (!live && connections_.contains(ports)) watch(ports, connections_[ports], 0);
}

// After every event: control packets out, finished connections away, and each stream watched for
// what can happen to it.
void VsockDevice::settle() {
  send_controls();
  queues_->flush(kReceive);
  if (replies_full_ && replies_.size() < kMaxReplies) queues_->again(kTransmit);
  for (auto it = connections_.begin(); it != connections_.end();) {
    VsockConnection& connection = *it->second.connection;
    uint32_t events = 0;
    if (connection.may_read_stream() && !guest_full_) events |= EPOLLIN;
    if (connection.must_write_stream()) events |= EPOLLOUT;
    watch(it->first, it->second, events);
    it = connection.done() ? connections_.erase(it) : std::next(it);
  }
}

// Not watched for nothing: epoll reports a hang-up whether asked or not.
void VsockDevice::watch(VsockPorts ports, Stream& stream, uint32_t events) {
  if (stream.watched == events) return;
  int fd = stream.connection->stream();
  stream.watched = events;
  if (events == 0) return loop_.unwatch(fd);
  auto watched = loop_.watch(fd, events, [this, ports](uint32_t seen) { on_stream(ports, seen); });
  if (watched.ok()) return;
  stream.watched = 0;
  stream.connection->stream_failed();
}

Result<void> VsockDevice::connect_to_guest(uint32_t port, UniqueFd stream) {
  Result<void> result =
      make_error(ErrorCode::invalid_state, "virtio/vsock", "port {}: no driver in the guest", port);
  if (!queues_) return result;
  queues_->run([&] {
    result = {};
    if (connections_.size() >= kMaxConnections) {
      result = make_error(ErrorCode::resource_exhausted, "virtio/vsock", "port {}: {} connections",
                          port, kMaxConnections);
      return;
    }
    while (connections_.contains({next_host_port_, port})) ++next_host_port_;
    add({next_host_port_++, port}, std::move(stream))->ask();
    settle();
  });
  return result;
}

}  // namespace bartizan::vmm::virtio
