// A disk on a file system that answers nothing, as the kernel has it: a FUSE mount whose server
// keeps every read until it may go on. Needs root, for the mount; it is in a namespace of its own.
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>
#include <tuple>

#include "base/mutex.hpp"
#include "disk_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint64_t kBytes = 64 * 1024;

// One file, "disk", full of 0x5a.
class HangingFiles {
 public:
  HangingFiles() {
    std::thread([this] { mount(); }).join();
    if (file_.valid()) return;
    fuse_.reset();
    if (server_.joinable()) server_.join();
  }
  ~HangingFiles() {
    go_on();
    file_.reset();
    ending_ = true;
    if (server_.joinable()) server_.join();
  }
  bool mounted() const { return file_.valid(); }
  UniqueFd open() const { return UniqueFd(::dup(file_.get())); }
  uint32_t held() {
    MutexLock lock(mutex_);
    return static_cast<uint32_t>(held_.size());
  }
  void go_on() {
    MutexLock lock(mutex_);
    hangs_ = false;
    for (const auto& [unique, error, size] : held_) answer(unique, error, Bytes(size, 0x5a));
    held_.clear();
  }

 private:
  // The mount is this thread's: it goes with the last file that is open in it.
  void mount() {
    char folder[] = "/tmp/bartizan-fuse-XXXXXX";
    fuse_ = UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fuse_.valid() || ::unshare(CLONE_NEWNS) != 0 || ::mkdtemp(folder) == nullptr) return;
    const auto options =
        "fd=" + std::to_string(fuse_.get()) + ",rootmode=40000,user_id=0,group_id=0";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount("bartizan-test", folder, "fuse", MS_NOSUID | MS_NODEV, options.c_str()) == 0) {
      server_ = std::thread([this] { serve(); });
      file_ = UniqueFd(::open((std::string(folder) + "/disk").c_str(), O_RDONLY | O_CLOEXEC));
      ::umount2(folder, MNT_DETACH);
    }
    std::filesystem::remove(folder);
  }
  void serve() {
    Bytes request(256 * 1024);
    while (!ending_) {
      const ssize_t got = ::read(fuse_.get(), request.data(), request.size());
      if (got < 0 && errno == ENODEV) return;  // unmounted
      if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) {
        ::usleep(1000);
        continue;
      }
      fuse_in_header header;
      std::memcpy(&header, request.data(), sizeof header);
      handle(header, request.data() + sizeof header);
    }
  }
  void handle(const fuse_in_header& header, const uint8_t* body) {
    switch (header.opcode) {
      case FUSE_INIT: {
        fuse_init_out out{};
        out.major = 7;
        out.minor = 31;
        out.max_write = 65536;
        return give(header.unique, out);
      }
      case FUSE_LOOKUP: {
        fuse_entry_out out{};
        out.nodeid = 2;
        out.attr = attributes();
        return give(header.unique, out);
      }
      case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr = attributes();
        return give(header.unique, out);
      }
      case FUSE_OPEN: {
        fuse_open_out out{};
        out.open_flags = FOPEN_DIRECT_IO;
        return give(header.unique, out);
      }
      case FUSE_READ: {
        fuse_read_in in;
        std::memcpy(&in, body, sizeof in);
        return hold(header.unique, 0, in.size);
      }
      case FUSE_POLL:  // comes before a ring's read
        return hold(header.unique, -ENOSYS, 0);
      case FUSE_FORGET:
      case FUSE_INTERRUPT:
        return;  // want no answer
    }
    answer(header.unique, header.opcode == FUSE_RELEASE ? 0 : -ENOSYS, {});
  }
  void hold(uint64_t unique, int error, uint32_t size) {
    MutexLock lock(mutex_);
    if (hangs_)
      held_.emplace_back(unique, error, size);
    else
      answer(unique, error, Bytes(size, 0x5a));
  }
  static fuse_attr attributes() {
    fuse_attr attributes{};
    attributes.ino = 2;
    attributes.size = kBytes;
    attributes.mode = S_IFREG | 0600;
    attributes.nlink = 1;
    return attributes;
  }
  template <typename Out>
  void give(uint64_t unique, const Out& out) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&out);
    answer(unique, 0, Bytes(bytes, bytes + sizeof out));
  }
  void answer(uint64_t unique, int error, Bytes body) {
    fuse_out_header header{static_cast<uint32_t>(sizeof header + body.size()), error, unique};
    iovec parts[] = {{&header, sizeof header}, {body.data(), body.size()}};
    [[maybe_unused]] ssize_t put = ::writev(fuse_.get(), parts, body.empty() ? 1 : 2);
  }

  UniqueFd fuse_, file_;
  std::thread server_;
  std::atomic<bool> ending_ = false;
  Mutex mutex_;
  bool hangs_ BARTIZAN_GUARDED_BY(mutex_) = true;
  std::vector<std::tuple<uint64_t, int, uint32_t>> held_ BARTIZAN_GUARDED_BY(mutex_);
};

class HungFiles : public DiskTest {
 protected:
  void SetUp() override {
    if (GetParam().ring && !ring_is_possible()) GTEST_SKIP() << "io_uring is refused here";
    files_ = std::make_unique<HangingFiles>();
    if (!files_->mounted()) GTEST_SKIP() << "no FUSE for us: needs root and /dev/fuse";
    launch([&](EventLoop&) {
      return BlockDevice::create(
                 {.file = files_->open(), .size = kBytes, .serial = "disk", .engine = engine()})
          .value();
    });
  }
  bool wait_until_held(uint32_t requests) {
    return guest_->wait_until([&] { return files_->held() == requests; });
  }
  // No thread that was left behind holds the file any more.
  void wait_until_let_go() {
    for (int i = 0; i < 1000 && descriptors() != 1; ++i) ::usleep(10'000);
    EXPECT_EQ(descriptors(), 1) << "that of the test alone";
  }

 private:
  static int descriptors() {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) {
      std::error_code gone;
      const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), gone);
      count += !gone && path == "/disk";
    }
    return count;
  }

 protected:
  std::unique_ptr<HangingFiles> files_;
};

TEST_P(HungFiles, HoldTheirRequestsAndNothingElse) {
  guest_->send(0, {request(0, 0)}, {512, 1});
  auto second = guest_->send(0, {request(0, 8)}, {512, 1});
  ASSERT_TRUE(wait_until_held(2)) << "both are on their way";
  guest_->settle();  // the loop answers
  ASSERT_TRUE(guest_->ask(0, {request(8, 0)}, {20, 1}));
  files_->go_on();
  ASSERT_TRUE(guest_->wait(0));
  ASSERT_TRUE(guest_->wait(0));
  auto [at, length] = second.writable.front();
  EXPECT_EQ(guest_->memory().guest_read(at, length), Bytes(length, 0x5a));
}

TEST_P(HungFiles, DoNotHoldTheEndOfTheMachine) {
  guest_->send(0, {request(0, 0)}, {512, 1});
  ASSERT_TRUE(wait_until_held(1));
  guest_.reset();
  EXPECT_EQ(files_->held(), 1u) << "the machine is gone, and the request still there";
  files_->go_on();
  wait_until_let_go();
}

TEST_P(HungFiles, AreLetGoWhenTheyAnswer) {
  for (uint32_t i = 0; i < 6; ++i) guest_->send(0, {request(0, i)}, {512, 1});
  ASSERT_TRUE(guest_->wait_until([&] { return files_->held() >= 3; }));
  guest_.reset();
  files_->go_on();
  wait_until_let_go();
}

BARTIZAN_DISK_TEST(HungFiles);

}  // namespace
}  // namespace bartizan::vmm::virtio
