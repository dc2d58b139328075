// What a ring of a disk can be used for by somebody who has taken over the process: its memory is
// written here as the kernel's interface describes it, not by DiskRing.
#include "vmm/virtio/block/ring.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

namespace bartizan::vmm::virtio {
namespace {

constexpr uint32_t kSteps = 7;

int ring_descriptor() {
  for (int fd = 0; fd < 256; ++fd) {
    std::error_code gone;
    const auto name = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), gone);
    if (!gone && name == "anon_inode:[io_uring]") return fd;
  }
  return -1;
}

// On a thread of its own: the kernel keeps a list of rings for each.
void on_a_thread_with_a_ring(const std::function<void(DiskRing&, int file)>& body) {
  UniqueFd file(::memfd_create("disk", MFD_CLOEXEC)), wake(::eventfd(0, EFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
  bool made = false;
  std::thread([&] {
    auto ring = DiskRing::create(file.get(), wake.get(), kSteps);
    made = ring != nullptr;
    if (made) body(*ring, file.get());
  }).join();
  if (!made) GTEST_SKIP() << "io_uring is refused here";
}

class RingAttacker {
 public:
  explicit RingAttacker(int descriptor) {
    io_uring_params layout = {};
    io_uring other = {};
    EXPECT_EQ(::io_uring_queue_init_params(kSteps + 1, &other, &layout), 0);
    ::io_uring_queue_exit(&other);
    EXPECT_EQ(::io_uring_queue_mmap(descriptor, &layout, &ring_), 0);
    ring_.sq.sqe_head = ring_.sq.sqe_tail = *ring_.sq.ktail;
  }
  ~RingAttacker() {
    ring_.ring_fd = -1;  // DiskRing's
    ::io_uring_queue_exit(&ring_);
  }
  io_uring_sqe* entry() { return ::io_uring_get_sqe(&ring_); }
  int result() {
    io_uring_cqe* entry = nullptr;
    if (::io_uring_submit_and_wait(&ring_, 1) != 1 || ::io_uring_wait_cqe(&ring_, &entry) != 0)
      return INT_MAX;
    const int result = entry->res;
    ::io_uring_cqe_seen(&ring_, entry);
    return result;
  }

 private:
  io_uring ring_ = {};
};

TEST(DiskRing, ReachesItsFileAndNothingElse) {
  on_a_thread_with_a_ring([](DiskRing&, int file) {
    const int descriptor = ring_descriptor();
    ASSERT_GE(descriptor, 0);
    RingAttacker attacker(descriptor);
    char byte = 0;
    ::io_uring_prep_openat(attacker.entry(), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
    EXPECT_EQ(attacker.result(), -EACCES);
    ::io_uring_prep_socket(attacker.entry(), AF_INET, SOCK_STREAM, 0, 0);
    EXPECT_EQ(attacker.result(), -EACCES);
    ::io_uring_prep_nop(attacker.entry());
    EXPECT_EQ(attacker.result(), -EACCES);
    ::io_uring_prep_read(attacker.entry(), file, &byte, 1, 0);
    EXPECT_EQ(attacker.result(), -EACCES) << "by its descriptor, as any other of the process";
    auto* registered = attacker.entry();
    ::io_uring_prep_read(registered, 2, &byte, 1, 0);
    registered->flags = IOSQE_FIXED_FILE;
    EXPECT_EQ(attacker.result(), -EBADF) << "there are two";
    auto* linked = attacker.entry();
    ::io_uring_prep_read(linked, 0, &byte, 1, 0);
    linked->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
    EXPECT_EQ(attacker.result(), -EACCES);
    auto* good = attacker.entry();
    ::io_uring_prep_read(good, 0, &byte, 1, 0);
    good->flags = IOSQE_FIXED_FILE;
    EXPECT_EQ(attacker.result(), 1) << "the disk itself: the others were refused for what they are";
    EXPECT_EQ(
        ::io_uring_register(static_cast<unsigned int>(descriptor), IORING_REGISTER_FILES, &file, 1),
        -EACCES);
  });
}

TEST(DiskRing, IsNotForFilesThatWouldNotBeWaitedFor) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd from(ends[0]), to(ends[1]);
  std::thread([&] {
    EXPECT_EQ(DiskRing::create(from.get(), wake.get(), kSteps), nullptr);
    EXPECT_EQ(DiskRing::create(-1, wake.get(), kSteps), nullptr);
  }).join();
}

}  // namespace
}  // namespace bartizan::vmm::virtio
