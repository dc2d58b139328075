// virtio-vsock (virtio 1.2 §5.10): byte streams between the guest (CID 3) and the host (CID 2).
//
// A port that the guest may connect to has a Connect function, called on the loop's thread; it
// gives the host's end, a non-blocking stream socket (a unix socket, one end of a socketpair). In
// the other direction connect_to_guest takes a stream and asks the guest for a connection. Whatever
// else the guest sends is answered with RST.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "base/event_loop.hpp"
#include "vmm/virtio/device.hpp"
#include "vmm/virtio/vsock/connection.hpp"

namespace bartizan::vmm::virtio {

constexpr uint64_t kVsockHostCid = 2, kVsockGuestCid = 3;

using Connect = std::function<Result<UniqueFd>(uint32_t port)>;

struct VsockOptions {
  std::map<uint32_t, Connect> ports;  // what the guest may connect to
};

class VsockDevice : public Device {
 public:
  static std::shared_ptr<VsockDevice> create(EventLoop& loop, VsockOptions options);
  ~VsockDevice() override;

  // Loop's thread, not from a Connect function. `stream` is closed if the guest refuses or is not
  // there. Errors: invalid_state (no driver), resource_exhausted (kMaxConnections).
  Result<void> connect_to_guest(uint32_t port, UniqueFd stream);

  size_t connection_count() const { return connections_.size(); }  // loop's thread

  DeviceType type() const override { return DeviceType::vsock; }
  std::vector<uint16_t> queue_sizes() const override;
  std::vector<uint8_t> config() const override;
  void activate(Queues& queues, uint64_t features) override;
  void notify(uint16_t index) override;
  void reset() override;

 private:
  VsockDevice(EventLoop& loop, VsockOptions options) : loop_(loop), options_(std::move(options)) {}

  struct Stream {
    std::unique_ptr<VsockConnection> connection;
    uint32_t watched = 0;  // epoll events, 0: not watched
  };

  // From the guest.
  void drain_guest();
  void receive(const Chain& chain);
  void dispatch(const VsockHeader& header, ByteView payload);
  void accept(const VsockHeader& request, VsockPorts ports);
  void refuse(const VsockHeader& header);
  VsockConnection* add(VsockPorts ports, UniqueFd stream);

  // To the guest.
  bool take_buffer(Queue& queue);
  void put_packet(Queue& queue, const VsockHeader& header, ByteView payload);
  void send_controls();
  bool send_data(VsockConnection& connection);

  // The host's ends.
  void on_stream(VsockPorts ports, uint32_t events);
  void settle();
  void watch(VsockPorts ports, Stream& stream, uint32_t events);

  EventLoop& loop_;
  VsockOptions options_;
  Queues* queues_ = nullptr;
  std::map<VsockPorts, Stream> connections_;
  std::deque<VsockHeader> replies_;  // RSTs for what belongs to no connection
  uint32_t next_host_port_ = 1u << 30;
  bool replies_full_ = false;  // the guest's packets wait until it takes answers
  bool guest_full_ = false;  // no receive buffers: streams are not read until the driver gives some
  Chain chain_;
  Bytes scratch_;
};

// A non-blocking connection to the unix stream socket at `path`. For VsockOptions::ports.
Result<UniqueFd> connect_unix(const std::filesystem::path& path);

// Listens at `path` and joins each connection to guest port `port`. Removes the socket in the end.
// Same thread rules as the device, and must die before it.
class VsockListener {
 public:
  // Errors: already_exists (something is at `path`), not_found, permission_denied, invalid_argument
  // (name too long).
  static Result<std::unique_ptr<VsockListener>> create(EventLoop& loop,
                                                       std::shared_ptr<VsockDevice> device,
                                                       uint32_t port, std::filesystem::path path);
  ~VsockListener();

 private:
  VsockListener(EventLoop& loop, std::shared_ptr<VsockDevice> device, uint32_t port,
                std::filesystem::path path)
      : loop_(loop), device_(std::move(device)), port_(port), path_(std::move(path)) {}
  Result<void> listen();
  Result<void> watch();
  void on_connection();

  EventLoop& loop_;
  std::shared_ptr<VsockDevice> device_;
  uint32_t port_;
  std::filesystem::path path_;
  UniqueFd socket_;
  bool bound_ = false;
  uint64_t pause_ = 0;  // timer: no descriptors left, try again later
};

}  // namespace bartizan::vmm::virtio
