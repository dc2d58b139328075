// DeviceSet: the virtio-mmio slots of a machine, in the order of docs/reference/guest-abi.md,
// connected to KVM: interrupts by irqfd, queue notifications by ioeventfd. Made before the loop
// runs, destroyed after it has stopped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bartizan/machine.hpp"
#include "base/event_loop.hpp"
#include "vmm/machine/guest_log.hpp"
#include "vmm/machine/services.hpp"
#include "vmm/machine/workload_input.hpp"
#include "vmm/machine/workload_output.hpp"
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
  UniqueFd scratch;  // invalid: none
  bool network = true;
  std::vector<PublishedPort> publish;
  std::vector<VsockPort> vsock;
  ServiceOptions services;
  LogSink log;
  std::function<void(std::string_view)> guest_line;
};

class DeviceSet {
 public:
  static Result<std::unique_ptr<DeviceSet>> create(EventLoop& loop, vcpu::VirtualMachine& vm,
                                                   DeviceOptions options);

  // Loop's thread. SIGWINCH of a caller with a terminal: the guest gets the size, and its kernel
  // sends the signal.
  void send_signal(uint8_t number);
  void stage_reached(uint32_t number) { services_.stage_reached(number); }  // any thread
  void open_terminal();                   // loop's thread: a terminal's input may flow; once
  void tell_terminal_size();              // loop's thread; nothing without a terminal
  void finish_log() { lines_.finish(); }  // loop's thread
  uint64_t dropped_output() const { return output_.dropped(); }
  std::vector<PublishedPort> published() const;

 private:
  DeviceSet(EventLoop& loop, DeviceOptions options);
  Result<std::vector<std::shared_ptr<virtio::Device>>> make_devices();
  Result<std::shared_ptr<virtio::Device>> make_manifest_disk();
  Result<std::shared_ptr<virtio::Device>> make_scratch_disk();
  Result<std::shared_ptr<virtio::Device>> make_vsock();
  Result<std::shared_ptr<virtio::Device>> make_net();
  Result<void> connect(vcpu::VirtualMachine& vm, uint32_t slot,
                       std::shared_ptr<virtio::Device> device);

  EventLoop& loop_;
  DeviceOptions options_;
  UniqueFd terminal_fd_;  // the caller's terminal, whose size is the guest's; may be invalid
  WorkloadInput input_;
  WorkloadOutput output_;
  LineSplitter lines_;
  Services services_;
  std::shared_ptr<virtio::ConsoleDevice> terminal_;
  std::shared_ptr<virtio::NetDevice> net_;
  std::shared_ptr<virtio::VsockDevice> vsock_;
  std::vector<std::unique_ptr<virtio::VsockListener>> listeners_;  // die before vsock_
  std::vector<std::unique_ptr<virtio::Interrupt>> interrupts_;
};

}  // namespace bartizan::vmm::machine
