// A disk that does not answer until the test lets it go on: to threads, whose pread of one file
// waits; to a ring, an empty pipe. hung_fuse_test.cpp has a file system that hangs.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.hpp"
#include "disk_test.hpp"

namespace {

std::mutex gate_mutex;
std::condition_variable gate_changed;
ino_t hanging_file = 0;  // 0: none
int waiting = 0;

void pass_gate(int fd) {
  struct stat status {};
  std::unique_lock lock(gate_mutex);
  if (hanging_file == 0 || ::fstat(fd, &status) != 0 || status.st_ino != hanging_file) return;
  ++waiting;
  gate_changed.notify_all();
  gate_changed.wait(lock, [] { return hanging_file == 0; });
  --waiting;
  gate_changed.notify_all();
}

}  // namespace

// In place of the C library's, in the whole program.
extern "C" ssize_t pread64(int fd, void* to, size_t size, off64_t at) {
  pass_gate(fd);
  return ::syscall(SYS_pread64, fd, to, size, at);
}

namespace bartizan::vmm::virtio {
namespace {

class HungDisk : public DiskTest {
 protected:
  void SetUp() override {
    if (GetParam().ring && !ring_is_possible()) GTEST_SKIP() << "io_uring is refused here";
    GetParam().ring ? make_pipe() : make_file();
    launch([&](EventLoop&) {
      return BlockDevice::create({.file = UniqueFd(::dup(file_.get())),
                                  .size = kBytes,
                                  .serial = "disk",
                                  .engine = engine()})
          .value();
    });
  }
  void make_file() {
    file_ = unnamed_file(std::filesystem::temp_directory_path()).value();
    write_exactly(file_.get(), Bytes(kBytes, 0x5a), 0, "disk").value();
  }
  void make_pipe() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    file_ = UniqueFd(ends[0]);
    source_ = UniqueFd(ends[1]);
  }
  void hang() {
    struct stat status {};
    if (GetParam().ring) return;  // empty so far
    ASSERT_EQ(::fstat(file_.get(), &status), 0);
    std::lock_guard lock(gate_mutex);
    hanging_file = status.st_ino;
  }
  void go_on() {
    if (source_.valid()) {
      ASSERT_EQ(::write(source_.get(), Bytes(kBytes, 0x5a).data(), kBytes),
                static_cast<ssize_t>(kBytes));
    }
    std::unique_lock lock(gate_mutex);
    hanging_file = 0;
    gate_changed.notify_all();
    gate_changed.wait(lock, [] { return waiting == 0; });
  }
  void wait_until_hung(int requests) {
    if (GetParam().ring) return ask_for_id();  // taken after them
    std::unique_lock lock(gate_mutex);
    ASSERT_TRUE(
        gate_changed.wait_for(lock, std::chrono::seconds(10), [&] { return waiting == requests; }));
  }
  void ask_for_id() {  // which needs no disk
    Bytes id = read_request();
    id[0] = 8;
    ASSERT_TRUE(guest_->ask(0, {id}, {20, 1}));
  }
  // Descriptors of the file in this process. By path: ThreadSanitizer takes a look at a descriptor
  // that another thread closes meanwhile for a race.
  int holders() const {
    struct stat status {
    }, other{};
    EXPECT_EQ(::fstat(file_.get(), &status), 0);
    int count = 0;
    for (int fd = 0; fd < 256; ++fd)
      count += ::stat(("/proc/self/fd/" + std::to_string(fd)).c_str(), &other) == 0 &&
               other.st_ino == status.st_ino;
    return count - source_.valid();
  }
  static Bytes read_request() { return Bytes(16); }
  void TearDown() override {
    if (!HasFatalFailure() && !IsSkipped()) go_on();
    guest_.reset();
  }

  static constexpr uint64_t kBytes = 4096;
  UniqueFd source_;  // of a pipe
};

TEST_P(HungDisk, HoldsItsRequestsAndNothingElse) {
  hang();
  guest_->send(0, {read_request()}, {512, 1});
  guest_->send(0, {read_request()}, {512, 1});
  wait_until_hung(2);  // several requests are on their way
  EXPECT_FALSE(guest_->wait(0, std::chrono::milliseconds(50)));
  guest_->settle();  // the loop answers
  ask_for_id();
  go_on();
  EXPECT_TRUE(guest_->wait(0));
  EXPECT_TRUE(guest_->wait(0));
}

TEST_P(HungDisk, AnswerThatComesAfterAResetIsDropped) {
  hang();
  auto sent = guest_->send(0, {read_request()}, {512, 1});
  wait_until_hung(1);
  guest_->reset();
  ASSERT_TRUE(guest_->start());
  auto [at, length] = sent.writable.front();
  guest_->memory().guest_write(at, Bytes(length, 0xee));
  go_on();
  EXPECT_FALSE(guest_->wait(0, std::chrono::milliseconds(50)));
  EXPECT_EQ(guest_->memory().guest_read(at, length), Bytes(length, 0xee));
  auto answer = guest_->ask(0, {read_request()}, {512, 1});
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)[0], 0x5a);
}

// And the thread that stays behind harms nobody when it comes back.
TEST_P(HungDisk, DoesNotHoldTheEndOfTheMachine) {
  hang();
  guest_->send(0, {read_request()}, {512, 1});
  wait_until_hung(1);
  guest_.reset();
  EXPECT_EQ(holders(), 2);  // ours, and that of the thread
  go_on();
  for (int i = 0; holders() != 1 && i < 1000; ++i) ::usleep(10'000);
  EXPECT_EQ(holders(), 1);
}

BARTIZAN_DISK_TEST(HungDisk);

}  // namespace
}  // namespace bartizan::vmm::virtio
