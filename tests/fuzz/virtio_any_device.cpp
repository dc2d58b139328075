// A device against a guest that does anything: registers, guest memory, chains, private pages,
// resets, in any order. Compiled once for each device (BARTIZAN_FUZZ_DEVICE). The input is a list
// of operations; the loop runs between them.
#include <sys/mman.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>

#include "base/errors.hpp"
#include "fakes/guest_driver.hpp"
#include "vmm/virtio/block/device.hpp"
#include "vmm/virtio/console/device.hpp"
#include "vmm/virtio/net/device.hpp"
#include "vmm/virtio/rng/device.hpp"
#include "vmm/virtio/vsock/device.hpp"

using namespace bartizan;  // NOLINT: a program of its own

namespace {

constexpr uint64_t kQueueStride = 0x100000, kMemory = 0x400000;
constexpr int kMaxOperations = 200;
constexpr int kLastRounds = 4;  // of the loop, after the last operation

// Descriptors of the host's side, which operations write to and close.
std::vector<UniqueFd> hosts;

UniqueFd scratch_file() {
  UniqueFd file(::memfd_create("scratch", MFD_CLOEXEC));
  if (!file.valid() || ::ftruncate(file.get(), 65536) != 0) std::abort();
  return file;
}

Result<UniqueFd> stream() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return errno_error(errno, "fuzz", "socketpair");
  }
  hosts.emplace_back(ends[1]);
  return UniqueFd(ends[0]);
}

[[maybe_unused]] std::shared_ptr<vmm::virtio::Device> make_console(EventLoop&) {
  return vmm::virtio::ConsoleDevice::create([](ByteView) {});
}
[[maybe_unused]] std::shared_ptr<vmm::virtio::Device> make_block(EventLoop&) {
  return vmm::virtio::BlockDevice::create({scratch_file(), 4096, 32768, false, "scratch"}).value();
}
[[maybe_unused]] std::shared_ptr<vmm::virtio::Device> make_rng(EventLoop&) {
  return vmm::virtio::RngDevice::create();
}
[[maybe_unused]] std::shared_ptr<vmm::virtio::Device> make_vsock(EventLoop& loop) {
  vmm::virtio::VsockOptions options;
  options.ports[1] = [](uint32_t) { return stream(); };
  return vmm::virtio::VsockDevice::create(loop, std::move(options));
}
// Isolated: a fuzzer must not talk to the world.
[[maybe_unused]] std::shared_ptr<vmm::virtio::Device> make_net(EventLoop& loop) {
  return vmm::virtio::NetDevice::create(loop, {{{"127.0.0.1", 0, 80}}, true}).value();
}

class Input {
 public:
  explicit Input(ByteView bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t byte() { return take(1).empty() ? 0 : last_; }
  uint16_t half() { return static_cast<uint16_t>(byte() | byte() << 8); }
  uint32_t word() { return half() | static_cast<uint32_t>(half()) << 16; }
  ByteView take(size_t count) {
    ByteView part = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(part.size());
    if (!part.empty()) last_ = part[0];
    return part;
  }

 private:
  ByteView bytes_;
  uint8_t last_ = 0;
};

class Guest {
 public:
  explicit Guest(ByteView input) : input_(input) {
    loop_ = EventLoop::create().value();
    transport_ = vmm::virtio::MmioTransport::create(memory_, *loop_, interrupt_,
                                                    BARTIZAN_FUZZ_DEVICE(*loop_), {})
                     .value();
    for (size_t i = 0; i < transport_->queue_count(); ++i) {
      queues_.push_back(std::make_unique<fakes::DriverQueue>(memory_, i * kQueueStride, 16, true));
    }
  }
  void run() {
    loop_->post([this] { round(); });
    loop_->run();
    transport_.reset();
    hosts.clear();
  }

 private:
  // Operations until one that lets the device run.
  void round() {
    while (!input_.empty() && operations_++ < kMaxOperations && !operate()) {
    }
    bool over = input_.empty() || operations_ >= kMaxOperations;
    if (over && ++last_rounds_ > kLastRounds)
      loop_->stop();
    else
      loop_->post([this] { round(); });
  }
  bool operate() {
    switch (input_.byte() % 8) {
      case 0: {
        uint16_t offset = input_.half();
        transport_->write(offset % 0x1000, 4, input_.word());
        return false;
      }
      case 1: {
        uint32_t at = input_.word() % (kMemory - 256);
        memory_.guest_write(at, input_.take(input_.byte()));
        return false;
      }
      case 2: {
        uint8_t page = input_.byte();
        memory_.make_private((page & 0x7f) * 0x8000ull, page & 0x80);
        return false;
      }
      case 3:
        host(input_.byte());
        return true;
      case 4:
        start(input_.word());
        return true;
      case 5:
      case 6:
        chain();
        return true;
      default:
        (void)transport_->read(input_.half() % 0x1000, 4);
        return true;
    }
  }
  void start(uint32_t dropped) {
    auto write = [this](uint64_t offset, uint32_t value) { transport_->write(offset, 4, value); };
    write(0x70, 0);
    for (uint32_t half = 0; half < 2; ++half) {
      write(0x14, half);
      write(0x24, half);
      write(0x20, static_cast<uint32_t>(transport_->read(0x10, 4)) & (half ? ~0u : ~dropped));
    }
    write(0x70, 11);
    for (size_t i = 0; i < queues_.size(); ++i) {
      queues_[i] = std::make_unique<fakes::DriverQueue>(memory_, i * kQueueStride, 16, true);
      write(0x30, static_cast<uint32_t>(i));
      write(0x38, 16);
      write(0x80, static_cast<uint32_t>(queues_[i]->descriptors()));
      write(0x90, static_cast<uint32_t>(queues_[i]->available()));
      write(0xa0, static_cast<uint32_t>(queues_[i]->used()));
      write(0x44, 1);
    }
    write(0x70, 15);
  }
  void chain() {
    size_t queue = input_.byte() % queues_.size();
    uint8_t shape = input_.byte();
    std::vector<Bytes> readable(shape & 3);
    std::vector<uint32_t> writable(shape >> 2 & 3);
    for (Bytes& part : readable) {
      ByteView bytes = input_.take(input_.byte());
      part.assign(bytes.begin(), bytes.end());
    }
    for (uint32_t& part : writable) part = input_.half();
    if (readable.empty() && writable.empty()) return;
    queues_[queue]->make_available(readable, writable, shape & 16);
    transport_->write(vmm::virtio::kNotifyOffset, 4, static_cast<uint32_t>(queue));
    while (queues_[queue]->take_used()) {
    }
  }
  void host(uint8_t what) {
    if (hosts.empty()) return;
    if (what & 1)
      hosts.pop_back();
    else
      (void)::send(hosts.back().get(), "0123456789abcdef", 16, MSG_NOSIGNAL);
  }

  Input input_;
  fakes::PlainMemory memory_{kMemory};
  fakes::CountingInterrupt interrupt_;
  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<vmm::virtio::MmioTransport> transport_;
  std::vector<std::unique_ptr<fakes::DriverQueue>> queues_;
  int operations_ = 0, last_rounds_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Guest({data, size}).run();
  return 0;
}
