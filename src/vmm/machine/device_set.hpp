// DeviceSet: the virtio-mmio slots of a machine, in the order of docs/reference/guest-abi.md,
// connected to KVM: interrupts by irqfd, queue notifications by ioeventfd. Made before the loop
// runs, destroyed after it has stopped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bartizan/machine.hpp"
#include "base/event_loop.hpp"
#include "vmm/machine/auto_publisher.hpp"
#include "vmm/machine/guest_log.hpp"
#include "vmm/machine/services.hpp"
#include "vmm/machine/workload_streams.hpp"
#include "vmm/vcpu/virtual_machine.hpp"
#include "vmm/virtio/block/device.hpp"
#include "vmm/virtio/console/device.hpp"
#include "vmm/virtio/mmio.hpp"
#include "vmm/virtio/net/device.hpp"
#include "vmm/virtio/vsock/device.hpp"

namespace bartizan::vmm::machine {

struct DeviceOptions {
  UniqueFd stdin_fd, stdout_fd;
  UniqueFd disk;
  uint64_t disk_offset = 0, disk_size = 0;
  Bytes manifest;
  guest_abi::HostAccess host;  // of the manifest
  UniqueFd scratch;            // invalid: none
  NetworkMode network = NetworkMode::outbound;
  std::vector<virtio::EgressRule> allow;
  std::vector<PublishedPort> publish;
  std::string publish_auto;
  std::vector<VsockPort> vsock;
  ServiceOptions services;
  ThreadSetup thread_setup;
  LogSink log;
  std::function<void(std::string_view)> guest_line;
  // Loop's thread, after the start: other ports are published than before.
  std::function<void(std::vector<PublishedPort>)> published_changed;
};

class DeviceSet {
 public:
  static Result<std::unique_ptr<DeviceSet>> create(EventLoop& loop, vcpu::VirtualMachine& vm,
                                                   DeviceOptions options);

  // Loop's thread. SIGWINCH of a caller with a terminal: the guest gets the size, and its kernel
  // sends the signal.
  void send_signal(uint8_t number);
  void stage_reached(uint32_t number) { services_.stage_reached(number); }  // any thread
  void finish();  // loop's thread: what the guest has sent and nobody has got yet
  std::vector<PublishedPort> published() const;

 private:
  DeviceSet(EventLoop& loop, DeviceOptions options);
  Result<std::vector<std::shared_ptr<virtio::Device>>> make_devices();
  Result<std::shared_ptr<virtio::Device>> make_disk(virtio::BlockOptions disk);
  Result<std::shared_ptr<virtio::Device>> make_workload_disk();
  Result<std::shared_ptr<virtio::Device>> make_manifest_disk();
  Result<std::shared_ptr<virtio::Device>> make_scratch_disk();
  Result<std::shared_ptr<virtio::Device>> make_vsock();
  Result<std::shared_ptr<virtio::Device>> make_net();
  void make_auto_publisher();
  Result<void> connect(vcpu::VirtualMachine& vm, uint32_t slot,
                       std::shared_ptr<virtio::Device> device);

  EventLoop& loop_;
  DeviceOptions options_;
  WorkloadStreams streams_;
  LineSplitter lines_;
  Services services_;
  std::shared_ptr<virtio::NetDevice> net_;
  std::unique_ptr<AutoPublisher> auto_publisher_;
  std::shared_ptr<virtio::VsockDevice> vsock_;
  std::vector<std::unique_ptr<virtio::VsockListener>> listeners_;  // die before vsock_
  std::vector<std::unique_ptr<virtio::Interrupt>> interrupts_;
};

}  // namespace bartizan::vmm::machine
