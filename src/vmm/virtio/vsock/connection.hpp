// One stream: the packet header, and the credit and shutdown state of a connection (virtio 1.2
// §5.10.6).
//
//   guest --RW--> outgoing_ --send--> stream        bounded by kStreamBuffer, which we advertise as
//   buf_alloc guest <--RW-- (read when there is credit and a receive buffer) <-- stream
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::virtio {

struct VsockHeader {  // §5.10.6, struct virtio_vsock_hdr; little endian
  uint64_t source_cid = 0, target_cid = 0;
  uint32_t source_port = 0, target_port = 0;
  uint32_t length = 0;
  uint16_t type = 1;  // VIRTIO_VSOCK_TYPE_STREAM
  uint16_t operation = 0;
  uint32_t flags = 0;
  uint32_t buffer_size = 0;  // buf_alloc
  uint32_t forwarded = 0;    // fwd_cnt
} __attribute__((packed));
static_assert(sizeof(VsockHeader) == 44);

enum VsockOperation : uint16_t {
  kVsockRequest = 1,
  kVsockResponse = 2,
  kVsockReset = 3,
  kVsockShutdown = 4,
  kVsockData = 5,
  kVsockCreditUpdate = 6,
  kVsockCreditRequest = 7,
};
constexpr uint32_t kShutdownReceive = 1, kShutdownSend = 2, kShutdownBoth = 3;

// What we promise to hold for the guest of one stream. A guest that sends more breaks the rules and
// is reset.
constexpr uint32_t kStreamBuffer = 64 * kKiB;

struct VsockPorts {
  uint32_t host = 0;
  uint32_t guest = 0;
  auto operator<=>(const VsockPorts&) const = default;
};

class VsockConnection {
 public:
  VsockConnection(VsockPorts ports, UniqueFd stream) : ports_(ports), stream_(std::move(stream)) {}

  const VsockPorts ports_;
  int stream() const { return stream_.get(); }

  // The connection's opening. `ask`: we send REQUEST; `accept`: we answer the guest's with
  // RESPONSE.
  void ask() { control_ = kVsockRequest; }
  void accept(const VsockHeader& request);

  // A packet from the guest. The answer, if any, waits in next_control().
  void receive(const VsockHeader& header, ByteView payload);

  // The stream has component again.
  void flush_to_stream();

  // The stream ended or failed: the guest learns it after what was read before.
  void stream_ended() { stream_eof_ = true; }
  void stream_failed() { reset(); }

  // Whether a control packet must go to the guest before any data; and that packet, as it should be
  // sent now.
  bool has_control() const;
  VsockHeader next_control();                // precondition: has_control()
  VsockHeader data_header(uint32_t length);  // counts it against the guest's credit

  uint32_t credit() const;  // bytes that the guest has space for
  bool may_read_stream() const {
    return open_ && !done_ && !stream_eof_ && !guest_stopped_receiving_ && credit() > 0;
  }
  bool must_write_stream() const { return !outgoing_.empty(); }
  bool done() const { return done_ && !control_; }  // and the guest knows

 private:
  VsockHeader header(uint16_t operation);
  bool eof_to_tell() const { return open_ && !done_ && stream_eof_ && !eof_told_; }
  void take_data(ByteView payload);
  void take_response();
  void guest_shutdown(uint32_t flags);
  void finish_if_both_ended();
  void reset();

  UniqueFd stream_;
  std::optional<uint16_t> control_;  // REQUEST, RESPONSE or RST that waits to be sent
  bool credit_update_wanted_ = false;
  bool open_ = false;
  bool stream_eof_ = false, eof_told_ = false;
  bool guest_stopped_sending_ = false, guest_stopped_receiving_ = false, write_end_closed_ = false;
  bool done_ = false;

  Bytes outgoing_;               // from the guest, not yet taken by the stream
  uint32_t forwarded_ = 0;       // bytes that the stream took: our fwd_cnt
  uint32_t told_forwarded_ = 0;  // the last fwd_cnt that the guest saw
  uint32_t sent_ = 0;            // bytes sent to the guest
  uint32_t peer_buffer_ = 0;     // guest-controlled: its buf_alloc
  uint32_t peer_forwarded_ = 0;  // guest-controlled: its fwd_cnt
};

}  // namespace bartizan::vmm::virtio
