#include "vmm/virtio/mmio.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>

#include "base/errors.hpp"

namespace bartizan::vmm::virtio {
namespace {

// §4.2.2, offsets of the registers.
enum Register : uint64_t {
  kMagic = 0x000,
  kVersion = 0x004,
  kDeviceId = 0x008,
  kVendorId = 0x00c,
  kDeviceFeatures = 0x010,
  kDeviceFeaturesSelect = 0x014,
  kDriverFeatures = 0x020,
  kDriverFeaturesSelect = 0x024,
  kQueueSelect = 0x030,
  kQueueSizeMax = 0x034,
  kQueueSize = 0x038,
  kQueueReady = 0x044,
  kQueueNotify = kNotifyOffset,
  kInterruptStatus = 0x060,
  kInterruptAck = 0x064,
  kStatus = 0x070,
  kQueueDescriptorsLow = 0x080,
  kQueueDescriptorsHigh = 0x084,
  kQueueDriverLow = 0x090,
  kQueueDriverHigh = 0x094,
  kQueueDeviceLow = 0x0a0,
  kQueueDeviceHigh = 0x0a4,
  kSharedMemoryLengthLow = 0x0b0,
  kSharedMemoryBaseHigh = 0x0bc,
  kConfigGeneration = 0x0fc,
  kConfig = 0x100,
};

constexpr uint32_t kMagicValue = 0x74726976;   // "virt"
constexpr uint32_t kVendorValue = 0x5a545242;  // "BRTZ"

constexpr uint32_t kDriverOk = 4, kFeaturesOk = 8, kNeedsReset = 64;  // §2.1
constexpr uint32_t kDriverBits = 1 | 2 | kDriverOk | kFeaturesOk | 128;
constexpr uint32_t kUsedBuffer = 1, kConfigChange = 2;  // §4.2.2, InterruptStatus

// Without VERSION_1 it is a legacy driver; without ACCESS_PLATFORM one whose rings lie in memory
// that we may not touch.
constexpr uint64_t kRequired = kFeatureVersion1 | kFeatureAccessPlatform;

// A guest can break its queues and reset the device as often as it likes; the caller's log is not
// for it to fill.
constexpr uint32_t kMaxComplaints = 8;

void set_half(uint64_t* value, bool high, uint32_t half) {
  *value = high ? (*value & 0xffffffffull) | static_cast<uint64_t>(half) << 32
                : (*value & ~0xffffffffull) | half;
}

void kick(int fd) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t put = ::write(fd, &one, sizeof one);  // full counter: it is awake anyway
}

}  // namespace

Result<std::shared_ptr<MmioTransport>> MmioTransport::create(memory::DeviceMemory& memory,
                                                             EventLoop& loop, Interrupt& interrupt,
                                                             std::shared_ptr<Device> device,
                                                             MmioOptions options) {
  std::shared_ptr<MmioTransport> transport(
      new MmioTransport(memory, loop, interrupt, std::move(device), std::move(options)));
  TRY(transport->watch_notifications());
  return transport;
}

MmioTransport::MmioTransport(memory::DeviceMemory& memory, EventLoop& loop, Interrupt& interrupt,
                             std::shared_ptr<Device> device, MmioOptions options)
    : memory_(memory),
      loop_(loop),
      interrupt_(interrupt),
      device_(std::move(device)),
      options_(std::move(options)),
      offered_(device_ ? device_->features() | kRequired | kFeatureIndirect | kFeatureEventIndex
                       : 0),
      max_sizes_(device_ ? device_->queue_sizes() : std::vector<uint16_t>{}),
      queues_(memory, {.used = [this](uint16_t) { raise(kUsedBuffer); },
                       .again = [this](uint16_t queue) { kick(notify_fds_[queue].get()); },
                       .broken =
                           [this](uint16_t queue, const std::string& why) {
                             fail_device(fmt::format("queue {}: {}", queue, why));
                           }}),
      registers_(max_sizes_.size()) {}

Result<void> MmioTransport::watch_notifications() {
  for (uint16_t queue = 0; queue < static_cast<uint16_t>(max_sizes_.size()); ++queue) {
    UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) return errno_error(errno, "vmm/virtio/mmio", options_.name + ": eventfd");
    TRY(loop_.watch(event.get(), EPOLLIN, [this, queue](uint32_t) { process(queue); }));
    notify_fds_.push_back(std::move(event));
  }
  return {};
}

MmioTransport::~MmioTransport() {
  for (const UniqueFd& event : notify_fds_) loop_.unwatch(event.get());
  clear_queues();
  if (device_) device_->reset();
}

// §4.2.2.2: registers are read and written 32 bits wide, aligned; the configuration space at any
// width.
uint64_t MmioTransport::read(uint64_t offset, uint32_t size) {
  if (offset >= kConfig) return read_config(offset - kConfig, size);
  if (size != 4 || offset % 4 != 0) return 0;
  return read_register(offset);
}

uint64_t MmioTransport::read_config(uint64_t offset, uint32_t size) const {
  uint64_t value = 0;
  const auto config = device_ ? device_->config() : std::vector<uint8_t>{};
  if (offset >= config.size()) return 0;
  std::memcpy(&value, config.data() + offset,
              std::min<uint64_t>(std::min(size, 8u), config.size() - offset));
  return value;
}

uint32_t MmioTransport::read_register(uint64_t offset) {
  MutexLock lock(mutex_);
  switch (offset) {
    case kMagic:
      return kMagicValue;
    case kVersion:
      return 2;
    case kDeviceId:
      return static_cast<uint32_t>(device_ ? device_->type() : DeviceType::none);
    case kVendorId:
      return kVendorValue;
    case kDeviceFeatures:
      return device_features_select_ < 2
                 ? static_cast<uint32_t>(offered_ >> 32 * device_features_select_)
                 : 0;
    case kQueueSizeMax:
      return queue_select_ < max_sizes_.size() ? max_sizes_[queue_select_] : 0;
    case kQueueReady:
      return queue_select_ < registers_.size() && registers_[queue_select_].ready;
    case kInterruptStatus:
      return interrupt_status_;
    case kStatus:
      return status_;
    case kConfigGeneration:  // §2.5.1: no device changes its configuration
      return 0;
  }
  // §4.2.2: no shared memory regions, so their length and base read as all ones.
  return offset >= kSharedMemoryLengthLow && offset <= kSharedMemoryBaseHigh ? UINT32_MAX : 0;
}

void MmioTransport::write(uint64_t offset, uint32_t size, uint64_t value) {
  if (!device_ || offset >= kConfig || size != 4 || offset % 4 != 0) return;
  uint32_t word = static_cast<uint32_t>(value);
  if (offset == kQueueNotify) return notify(word);
  if (offset == kStatus) return write_status(word);
  if (offset == kQueueReady) return set_queue_ready(word & 1);
  MutexLock lock(mutex_);
  write_register(offset, word);
}

void MmioTransport::write_register(uint64_t offset, uint32_t value) {
  switch (offset) {
    case kDeviceFeaturesSelect:
      device_features_select_ = value;
      return;
    case kDriverFeaturesSelect:
      driver_features_select_ = value;
      return;
    case kDriverFeatures:
      return write_driver_features(value);
    case kQueueSelect:
      queue_select_ = value;
      return;
    case kInterruptAck:
      interrupt_status_ &= ~value;
      return;
  }
  write_queue_register(offset, value);
}

void MmioTransport::write_driver_features(uint32_t value) {
  if (status_ & kFeaturesOk || driver_features_select_ > 1) return;
  set_half(&accepted_, driver_features_select_ == 1, value);
}

// A ready queue's registers are frozen (§4.2.2.2).
void MmioTransport::write_queue_register(uint64_t offset, uint32_t value) {
  if (queue_select_ >= registers_.size() || registers_[queue_select_].ready) return;
  QueueRegisters& queue = registers_[queue_select_];
  switch (offset) {
    case kQueueSize:
      queue.size = value;
      return;
    case kQueueDescriptorsLow:
    case kQueueDescriptorsHigh:
      return set_half(&queue.descriptors, offset == kQueueDescriptorsHigh, value);
    case kQueueDriverLow:
    case kQueueDriverHigh:
      return set_half(&queue.driver, offset == kQueueDriverHigh, value);
    case kQueueDeviceLow:
    case kQueueDeviceHigh:
      return set_half(&queue.device, offset == kQueueDeviceHigh, value);
  }
}

// §4.2.2.2: when the driver has written 0, the device is done with the queue.
void MmioTransport::set_queue_ready(bool ready) {
  uint32_t selected;
  {
    MutexLock lock(mutex_);
    selected = queue_select_;
    if (selected >= registers_.size() || registers_[selected].ready == ready) return;
    registers_[selected].ready = ready;
  }
  if (ready) return;
  MutexLock lock(queues_.mutex());
  queues_.remove(static_cast<uint16_t>(selected));
}

void MmioTransport::notify(uint32_t queue) {
  if (queue < notify_fds_.size()) kick(notify_fds_[queue].get());
}

void MmioTransport::write_status(uint32_t value) {
  if (value == 0) return reset();
  MutexLock lock(mutex_);
  uint32_t added = value & kDriverBits & ~status_;
  bool acceptable = (accepted_ & kRequired) == kRequired && (accepted_ & ~offered_) == 0;
  if (!acceptable) added &= ~kFeaturesOk;  // the driver reads it back and gives up (§3.1.1)
  if (!((status_ | added) & kFeaturesOk)) added &= ~kDriverOk;
  status_ |= added;
  if (!(added & kDriverOk)) return;
  activation_wanted_ = true;
  request_sync();
}

// When this returns no device touches guest memory any more; that the device itself forgets comes
// after, in order.
void MmioTransport::reset() {
  {
    MutexLock lock(mutex_);
    ++generation_;
    activation_wanted_ = false;
    reset_wanted_ = true;
  }
  clear_queues();
  MutexLock lock(mutex_);
  status_ = interrupt_status_ = 0;
  accepted_ = 0;
  device_features_select_ = driver_features_select_ = queue_select_ = 0;
  registers_.assign(registers_.size(), {});
  request_sync();
}

void MmioTransport::clear_queues() {
  MutexLock lock(queues_.mutex());
  queues_.clear();
}

// One posted call at most: a guest that writes Status in a loop must not fill the loop's list.
void MmioTransport::request_sync() {
  if (sync_posted_) return;
  sync_posted_ = true;
  loop_.post([this] { sync(); });
}

void MmioTransport::sync() {
  bool reset_device, activate_device;
  uint64_t generation;
  {
    MutexLock lock(mutex_);
    sync_posted_ = false;
    reset_device = std::exchange(reset_wanted_, false);
    activate_device = std::exchange(activation_wanted_, false);
    generation = generation_;
  }
  if (reset_device) device_->reset();
  if (activate_device) activate(generation);
}

// The queues are built and installed in one piece under both locks: a reset comes wholly before or
// wholly after.
void MmioTransport::activate(uint64_t generation) {
  uint64_t features = 0;
  std::string fault;
  MutexLock lock(queues_.mutex());
  queues_.install(build_queues(generation, &features, &fault));
  if (queues_.empty()) return;
  device_->activate(queues_, features);
  for (uint16_t queue = 0; queue < static_cast<uint16_t>(max_sizes_.size()); ++queue)
    device_->notify(queue);
  if (!fault.empty()) fail_device(fault);
}

std::vector<std::optional<Queue>> MmioTransport::build_queues(uint64_t generation,
                                                              uint64_t* features,
                                                              std::string* fault) {
  MutexLock lock(mutex_);
  if (generation != generation_) return {};
  *features = accepted_;
  std::vector<std::optional<Queue>> queues(registers_.size());
  for (size_t i = 0; i < registers_.size(); ++i) {
    const QueueRegisters& from = registers_[i];
    if (!from.ready) continue;
    // A size that 16 bits do not hold becomes 0, which is refused.
    QueueConfig config{.size = static_cast<uint16_t>(from.size <= UINT16_MAX ? from.size : 0),
                       .descriptors = {from.descriptors},
                       .driver = {from.driver},
                       .device = {from.device},
                       .indirect = (accepted_ & kFeatureIndirect) != 0,
                       .event_index = (accepted_ & kFeatureEventIndex) != 0};
    auto queue = Queue::create(memory_, config, max_sizes_[i]);
    if (queue.ok())
      queues[i] = std::move(*queue);
    else
      *fault = queue.error().message;
  }
  return queues;
}

void MmioTransport::process(uint16_t queue) {
  uint64_t count;
  [[maybe_unused]] ssize_t got = ::read(notify_fds_[queue].get(), &count, sizeof count);
  MutexLock lock(queues_.mutex());
  // Without queues the device is not active: activate() will look at every queue.
  if (!queues_.empty()) device_->notify(queue);
}

// On the loop's thread with the queues locked, so never after a reset has returned.
void MmioTransport::raise(uint32_t cause) {
  {
    MutexLock lock(mutex_);
    interrupt_status_ |= cause;
  }
  interrupt_.trigger();
}

// §2.1.2: DEVICE_NEEDS_RESET and a configuration change, once.
void MmioTransport::fail_device(const std::string& why) {
  bool logged;
  {
    MutexLock lock(mutex_);
    if (status_ & kNeedsReset) return;
    status_ |= kNeedsReset;
    logged = complaints_++ < kMaxComplaints;
  }
  raise(kConfigChange);
  if (logged && options_.log)
    options_.log(LogLevel::warning, fmt::format("virtio {}: {}", options_.name, why));
}

}  // namespace bartizan::vmm::virtio
