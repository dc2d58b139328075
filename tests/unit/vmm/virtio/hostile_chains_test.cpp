// Descriptor chains as no driver makes them, by the thousand in each run and by ten million in
// `scripts/test soak`: descriptors, rings and notifications are random, and so is what they point
// to. Each device has to live on, or say that it needs a reset, and work again after it.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "base/errors.hpp"
#include "fakes/guest_driver.hpp"
#include "vmm/virtio/block/device.hpp"
#include "vmm/virtio/console/device.hpp"
#include "vmm/virtio/net/device.hpp"
#include "vmm/virtio/rng/device.hpp"
#include "vmm/virtio/vsock/device.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint64_t kMemory = 0x400000, kQueueStride = 0x100000;
constexpr uint16_t kQueueSize = 16;
constexpr uint32_t kMostChainsInARound = 8;
constexpr uint32_t kNeedsReset = 0x40;

uint64_t wanted_chains() {
  const char* level = std::getenv("BARTIZAN_TEST_LEVEL");
  return level != nullptr && std::string_view(level) == "soak" ? 10'000'000 : 20'000;
}

std::shared_ptr<Device> make_disk(BlockEngine engine) {
  UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(file.get(), 65536), 0);
  return BlockDevice::create({.file = std::move(file),
                              .offset = 4096,
                              .size = 32768,
                              .read_only = false,
                              .serial = "disk",
                              .engine = engine})
      .value();
}

struct Kind {
  const char* name;
  std::shared_ptr<Device> (*make)(EventLoop& loop);
  bool has_threads = false;
};

constexpr Kind kKinds[] = {
    {"Console",
     [](EventLoop&) -> std::shared_ptr<Device> { return ConsoleDevice::create([](ByteView) {}); }},
    {"Block", [](EventLoop&) { return make_disk(BlockEngine::threads); }, true},
    {"BlockRing", [](EventLoop&) { return make_disk(BlockEngine::any); }, true},
    {"Rng", [](EventLoop&) -> std::shared_ptr<Device> { return RngDevice::create(); }},
    {"Vsock",
     [](EventLoop& loop) -> std::shared_ptr<Device> {
       VsockOptions options;
       options.ports[1] = [](uint32_t) -> Result<UniqueFd> {
         int ends[2];
         if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
           return errno_error(errno, "test", "socketpair");
         ::close(ends[1]);
         return UniqueFd(ends[0]);
       };
       return VsockDevice::create(loop, std::move(options));
     }},
    {"Net",
     [](EventLoop& loop) -> std::shared_ptr<Device> {
       return NetDevice::create(loop, {{}, {.isolated = true}}).value();
     }},
};

class HostileGuest {
 public:
  HostileGuest(const Kind& kind, uint64_t chains)
      : loop_(EventLoop::create().value()), chains_left_(chains), has_threads_(kind.has_threads) {
    transport_ = MmioTransport::create(memory_, *loop_, interrupt_, kind.make(*loop_), {}).value();
    start();
  }

  void run() {
    loop_->post([this] { round(); });
    loop_->run();
  }
  bool works_after_a_reset() {
    start();
    return (transport_->read(0x70, 4) & kNeedsReset) == 0;
  }
  uint64_t resets() const { return resets_; }
  uint64_t taken() const { return taken_; }  // whose end the device wrote down

 private:
  uint32_t any(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  bool one_in(uint32_t n) { return any(n) == 0; }
  void write(uint64_t offset, uint32_t value) { transport_->write(offset, 4, value); }

  // Virtio 1.2, §3.1.1 and §4.2.2.
  void start() {
    write(0x70, 0);
    for (uint32_t half : {0u, 1u}) {
      write(0x14, half);
      write(0x24, half);
      write(0x20, static_cast<uint32_t>(transport_->read(0x10, 4)));
    }
    write(0x70, 11);
    for (size_t i = 0; i < transport_->queue_count(); ++i) {
      const uint64_t base = i * kQueueStride;
      const std::pair<uint64_t, uint64_t> settings[] = {
          {0x30, i}, {0x38, kQueueSize}, {0x80, base}, {0x90, base + 0x2000}, {0xa0, base + 0x3000},
          {0x44, 1}};
      for (auto [offset, value] : settings) write(offset, static_cast<uint32_t>(value));
      memory_.make_private(base + 0x2000, false);
      memory_.make_private(base + 0x3000, false);
      memory_.guest_write(base + 0x2000, Bytes(64));
      memory_.guest_write(base + 0x3000, Bytes(4));
    }
    indexes_.assign(transport_->queue_count(), 0);
    used_.assign(transport_->queue_count(), 0);
    write(0x70, 15);
  }

  uint64_t address() {
    switch (any(32)) {
      case 0:
        return random_();  // anywhere
      case 1:
        return kMemory - any(64);  // across the end
      case 2:
        return any(0x6000);  // a ring
      default:
        return 0x10000 + any(0x2e0000);
    }
  }
  uint32_t length() {
    switch (any(32)) {
      case 0:
        return static_cast<uint32_t>(random_());
      case 1:
        return 0;
      default:
        return any(2048);
    }
  }
  uint16_t flags() {
    return static_cast<uint16_t>(one_in(32) ? random_() : one_in(3) ? any(4) : any(2) * 2);
  }

  void put(uint64_t at) {
    const auto next = static_cast<uint16_t>(any(kQueueSize + (one_in(64) ? 9 : 0)));
    memory_.guest_store(at, fakes::RawDescriptor{address(), length(), flags(), next});
  }

  void offer(uint16_t queue) {
    const uint64_t base = queue * kQueueStride;
    for (uint32_t i = 0; i <= any(4); ++i) put(base + any(kQueueSize) * 16ull);
    if (one_in(4)) put(0x10000 + any(0x1000) * 16ull);  // of an indirect table, perhaps
    uint16_t& index = indexes_[queue];
    memory_.guest_store<uint16_t>(base + 0x2004 + index % kQueueSize * 2ull,
                                  static_cast<uint16_t>(any(kQueueSize + (one_in(128) ? 5 : 0))));
    index = static_cast<uint16_t>(one_in(512) ? random_() : index + 1);
    memory_.guest_store<uint16_t>(base + 0x2002, index);
    if (one_in(256)) memory_.make_private(any(0x400) * 0x1000ull, one_in(2));
  }

  // What the device has used since it was asked last.
  void look() {
    for (size_t queue = 0; queue < indexes_.size(); ++queue) {
      const uint16_t now = memory_.guest_load<uint16_t>(queue * kQueueStride + 0x3002);
      taken_ += static_cast<uint16_t>(now - std::exchange(used_[queue], now));
    }
  }

  // A device's own threads get the processor before the next chains come, or they would see few.
  void let_threads_run() {
    const uint64_t before = taken_;
    for (int i = 0; i < 20 && taken_ == before; ++i) {
      if (transport_->read(0x70, 4) & kNeedsReset) return;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      look();
    }
  }

  void round() {
    look();
    if (has_threads_) let_threads_run();
    if (transport_->read(0x70, 4) & kNeedsReset) {
      ++resets_;
      start();
    }
    for (uint32_t i = any(kMostChainsInARound); i <= kMostChainsInARound && chains_left_ > 0;
         ++i, --chains_left_) {
      const auto queue = static_cast<uint16_t>(any(static_cast<uint32_t>(indexes_.size())));
      offer(queue);
      write(kNotifyOffset, queue);
    }
    if (chains_left_ == 0)
      loop_->stop();
    else
      loop_->post([this] { round(); });
  }

  std::mt19937_64 random_{12345};
  fakes::PlainMemory memory_{kMemory};
  fakes::CountingInterrupt interrupt_;
  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<MmioTransport> transport_;
  std::vector<uint16_t> indexes_, used_;
  uint64_t chains_left_, resets_ = 0, taken_ = 0;
  const bool has_threads_;
};

class HostileChains : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Devices, HostileChains, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(HostileChains, EndNobody) {
  HostileGuest guest(GetParam(), wanted_chains());
  guest.run();
  EXPECT_TRUE(guest.works_after_a_reset());
  EXPECT_GT(guest.resets(), 0u) << "some must be refused";
  EXPECT_GT(guest.taken(), wanted_chains() / 10) << "and some be taken";
  RecordProperty("taken", std::to_string(guest.taken()));
  RecordProperty("resets", std::to_string(guest.resets()));
}

}  // namespace
}  // namespace bartizan::vmm::virtio
