#include "vmm/virtio/vsock/connection.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace bartizan::vmm::virtio {
namespace {

constexpr uint64_t kHost = 2, kGuest = 3;

// The guest is sent a credit update when this much buffer space has been freed: often enough that
// it never stalls on a full buffer that is in truth empty, and not with every packet.
constexpr uint32_t kCreditStep = kStreamBuffer / 4;

}  // namespace

void VsockConnection::accept(const VsockHeader& request) {
  open_ = true;
  peer_buffer_ = request.buffer_size;
  peer_forwarded_ = request.forwarded;
  control_ = kVsockResponse;
}

void VsockConnection::receive(const VsockHeader& header, ByteView payload) {
  if (done_) return;
  peer_buffer_ = header.buffer_size;
  peer_forwarded_ = header.forwarded;
  switch (header.operation) {
    case kVsockResponse:
      return take_response();
    case kVsockReset:
      done_ = true;
      control_.reset();
      return outgoing_.clear();
    case kVsockShutdown:
      return guest_shutdown(header.flags);
    case kVsockData:
      return take_data(payload);
    case kVsockCreditUpdate:
      return;
    case kVsockCreditRequest:
      credit_update_wanted_ = true;
      return;
  }
  reset();  // a second REQUEST, or nothing we know
}

void VsockConnection::take_response() {
  if (open_ || control_) return reset();  // to a question that we did not ask
  open_ = true;
}

void VsockConnection::take_data(ByteView payload) {
  // More than the credit that we gave: the guest would have us hold as much as it likes.
  bool allowed =
      open_ && !guest_stopped_sending_ && payload.size() <= kStreamBuffer - outgoing_.size();
  if (!allowed) return reset();
  outgoing_.insert(outgoing_.end(), payload.begin(), payload.end());
  flush_to_stream();
}

void VsockConnection::flush_to_stream() {
  while (!outgoing_.empty()) {
    ssize_t sent =
        ::send(stream_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) return reset();
    forwarded_ += static_cast<uint32_t>(sent);
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + sent);
  }
  if (outgoing_.empty()) outgoing_.shrink_to_fit();  // idle streams hold nothing
  finish_if_both_ended();
}

void VsockConnection::guest_shutdown(uint32_t flags) {
  if (!open_) return reset();
  guest_stopped_sending_ |= (flags & kShutdownSend) != 0;
  guest_stopped_receiving_ |= (flags & kShutdownReceive) != 0;
  finish_if_both_ended();
}

// §5.10.6.6: a clean end is SHUTDOWN for both directions, answered with RST when everything is
// delivered.
void VsockConnection::finish_if_both_ended() {
  if (done_ || !guest_stopped_sending_ || !outgoing_.empty()) return;
  if (!write_end_closed_) ::shutdown(stream_.get(), SHUT_WR);
  write_end_closed_ = true;
  if (guest_stopped_receiving_ || eof_told_) reset();
}

void VsockConnection::reset() {
  done_ = true;
  control_ = kVsockReset;
  outgoing_.clear();
}

uint32_t VsockConnection::credit() const {
  uint32_t in_flight = sent_ - peer_forwarded_;  // §5.10.6.3, modulo 2^32
  return in_flight >= peer_buffer_ ? 0 : peer_buffer_ - in_flight;
}

bool VsockConnection::has_control() const {
  if (control_) return true;
  return !done_ && open_ &&
         (eof_to_tell() || credit_update_wanted_ || forwarded_ - told_forwarded_ >= kCreditStep);
}

VsockHeader VsockConnection::next_control() {
  if (control_) return header(*std::exchange(control_, std::nullopt));
  if (!eof_to_tell()) {
    credit_update_wanted_ = false;
    return header(kVsockCreditUpdate);
  }
  eof_told_ = true;
  VsockHeader shutdown = header(kVsockShutdown);
  shutdown.flags = kShutdownSend;
  finish_if_both_ended();
  return shutdown;
}

VsockHeader VsockConnection::data_header(uint32_t length) {
  VsockHeader data = header(kVsockData);
  data.length = length;
  sent_ += length;
  return data;
}

// Every packet to the guest carries our credit (§5.10.6.3).
VsockHeader VsockConnection::header(uint16_t operation) {
  told_forwarded_ = forwarded_;
  VsockHeader header;
  header.source_cid = kHost;
  header.target_cid = kGuest;
  header.source_port = ports_.host;
  header.target_port = ports_.guest;
  header.operation = operation;
  header.buffer_size = kStreamBuffer;
  header.forwarded = forwarded_;
  return header;
}

}  // namespace bartizan::vmm::virtio
