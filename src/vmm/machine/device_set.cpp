#include "vmm/machine/device_set.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest_abi/boot_stages.hpp"
#include "plan/boot/layout.hpp"
#include "vmm/virtio/rng/device.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr std::array<const char*, plan::boot::kVirtioSlots> kSlotNames = {
    "console", "block disk", "block manifest", "block scratch", "rng", "vsock", "net"};

static_assert(virtio::kMmioSize == plan::boot::kVirtioMmioSize);

std::vector<virtio::PortForward> forwards(const std::vector<PublishedPort>& ports) {
  std::vector<virtio::PortForward> forwards;
  forwards.reserve(ports.size());
  for (const auto& port : ports)
    forwards.push_back(
        {port.host_address, port.host_port, port.guest_port, port.protocol == PortProtocol::udp});
  return forwards;
}

class Irq final : public virtio::Interrupt {
 public:
  static Result<std::unique_ptr<Irq>> create(vcpu::VirtualMachine& vm, uint32_t gsi) {
    UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) return errno_error(errno, "machine", "eventfd");
    TRY(vm.connect_interrupt(event.get(), gsi));
    return std::unique_ptr<Irq>(new Irq(std::move(event)));
  }
  void trigger() override {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t put = ::write(event_.get(), &one, sizeof one);
  }

 private:
  explicit Irq(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;
};

}  // namespace

DeviceSet::DeviceSet(EventLoop& loop, DeviceOptions options)
    : loop_(loop),
      options_(std::move(options)),
      streams_(loop, std::move(options_.stdin_fd), std::move(options_.stdout_fd), options_.log),
      lines_(options_.guest_line),
      services_(loop, std::move(options_.services)) {}

Result<std::unique_ptr<DeviceSet>> DeviceSet::create(EventLoop& loop, vcpu::VirtualMachine& vm,
                                                     DeviceOptions options) {
  std::unique_ptr<DeviceSet> set(new DeviceSet(loop, std::move(options)));
  auto devices = TRY(set->make_devices());
  for (uint32_t slot = 0; slot < plan::boot::kVirtioSlots; ++slot) {
    TRY(set->connect(vm, slot, std::move(devices[slot])));
  }
  return set;
}

Result<std::vector<std::shared_ptr<virtio::Device>>> DeviceSet::make_devices() {
  std::vector<std::shared_ptr<virtio::Device>> devices;
  devices.push_back(virtio::ConsoleDevice::create([this](ByteView bytes) { lines_.add(bytes); }));
  devices.push_back(TRY(make_workload_disk()));
  devices.push_back(TRY(make_manifest_disk()));
  devices.push_back(TRY(make_scratch_disk()));
  devices.push_back(virtio::RngDevice::create());
  auto net = TRY(make_net());
  devices.push_back(TRY(make_vsock()));
  devices.push_back(std::move(net));
  return devices;
}

void DeviceSet::send_signal(uint8_t number) {
  if (auto size = number == SIGWINCH ? streams_.terminal_size() : std::nullopt)
    return services_.send_terminal_size(*size);
  services_.send_signal(number);
}

void DeviceSet::finish() {
  streams_.flush();
  lines_.finish();
}

Result<std::shared_ptr<virtio::Device>> DeviceSet::make_disk(virtio::BlockOptions disk) {
  disk.thread_setup = options_.thread_setup;
  return std::shared_ptr<virtio::Device>(TRY(virtio::BlockDevice::create(std::move(disk))));
}

Result<std::shared_ptr<virtio::Device>> DeviceSet::make_workload_disk() {
  return make_disk({std::move(options_.disk), options_.disk_offset, options_.disk_size, true,
                    std::string(guest_abi::kDiskSerial)});
}

Result<std::shared_ptr<virtio::Device>> DeviceSet::make_manifest_disk() {
  uint64_t size = align_up(options_.manifest.size(), kSectorSize);
  UniqueFd file(::memfd_create("bartizan-manifest", MFD_CLOEXEC));
  if (!file.valid()) return errno_error(errno, "machine", "manifest: memfd_create");
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    return errno_error(errno, "machine", "manifest: ftruncate");
  }
  TRY(write_exactly(file.get(), options_.manifest, 0, "manifest"));
  return make_disk({std::move(file), 0, size, true, std::string(guest_abi::kManifestSerial)});
}

Result<std::shared_ptr<virtio::Device>> DeviceSet::make_scratch_disk() {
  if (!options_.scratch.valid()) return std::shared_ptr<virtio::Device>();
  uint64_t size = align_down(TRY(file_size(options_.scratch.get(), "scratch disk")), kSectorSize);
  return make_disk(
      {std::move(options_.scratch), 0, size, false, std::string(guest_abi::kScratchSerial)});
}

Result<std::shared_ptr<virtio::Device>> DeviceSet::make_vsock() {
  virtio::VsockOptions ports{services_.ports()};
  streams_.add_ports(options_.host, ports.ports);
  if (auto_publisher_) {
    ports.ports[guest_abi::kListeningVsockPort] = [this](uint32_t) {
      return auto_publisher_->open();
    };
  }
  for (const VsockPort& port : options_.vsock) {
    if (!port.listen)
      ports.ports[port.port] = [path = port.path](uint32_t) { return virtio::connect_unix(path); };
  }
  vsock_ = virtio::VsockDevice::create(loop_, std::move(ports));
  for (const VsockPort& port : options_.vsock) {
    if (port.listen)
      listeners_.push_back(TRY(virtio::VsockListener::create(loop_, vsock_, port.port, port.path)));
  }
  return std::shared_ptr<virtio::Device>(vsock_);
}

Result<std::shared_ptr<virtio::Device>> DeviceSet::make_net() {
  if (options_.network == NetworkMode::none) return std::shared_ptr<virtio::Device>();
  const bool isolated = options_.network == NetworkMode::isolated;
  net_ = TRY(virtio::NetDevice::create(
      loop_, {forwards(options_.publish), {isolated, options_.allow, options_.log}}));
  if (!options_.publish_auto.empty()) make_auto_publisher();
  return std::shared_ptr<virtio::Device>(net_);
}

void DeviceSet::make_auto_publisher() {
  AutoPublisherOptions options{options_.publish_auto, {}, options_.log, [this] {
                                 if (options_.published_changed)
                                   options_.published_changed(published());
                               }};
  for (const PublishedPort& port : options_.publish)
    if (port.protocol == PortProtocol::tcp) options.taken.insert(port.guest_port);
  auto_publisher_ = std::make_unique<AutoPublisher>(loop_, net_, std::move(options));
}

Result<void> DeviceSet::connect(vcpu::VirtualMachine& vm, uint32_t slot,
                                std::shared_ptr<virtio::Device> device) {
  uint64_t address = plan::boot::virtio_mmio_address(slot);
  interrupts_.push_back(TRY(Irq::create(vm, plan::boot::virtio_gsi(slot))));
  auto transport =
      TRY(virtio::MmioTransport::create(vm.memory(), loop_, *interrupts_.back(), std::move(device),
                                        {kSlotNames[slot], options_.log}));
  for (size_t queue = 0; queue < transport->queue_count(); ++queue) {
    TRY(vm.connect_notify(transport->notify_fd(queue), address + virtio::kNotifyOffset, queue));
  }
  return vm.mmio().add(address, virtio::kMmioSize, transport);
}

std::vector<PublishedPort> DeviceSet::published() const {
  std::vector<PublishedPort> ports;
  if (net_ == nullptr) return ports;
  for (const auto& port : net_->published())
    ports.push_back({port.host_address, port.host_port, port.guest_port,
                     port.udp ? PortProtocol::udp : PortProtocol::tcp});
  return ports;
}

}  // namespace bartizan::vmm::machine
