#include "vmm/virtio/block/ring.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/mutex.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr int kFile = 0, kWake = 1;  // indexes of registered descriptors
constexpr uint64_t kWakeTag = UINT64_MAX;

// The kernel's threads that wait for a disk; what it answers at once needs none.
constexpr unsigned int kMaxKernelThreads = 4;

// How long to wait if the kernel takes nothing now (no memory).
constexpr timespec kPause{0, 10'000'000};

constexpr int kOperations[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC,
                               IORING_OP_FALLOCATE};

// The kernel asks a FUSE server whether a file can be read, and waits for the answer on the thread
// that handed over the read: such files, and those of which nothing is known, go to its own
// threads at once.
bool asks_before_reading(int file) {
  struct statfs status {};
  return ::fstatfs(file, &status) != 0 || status.f_type == FUSE_SUPER_MAGIC;
}

// liburing maps and unmaps by system calls of its own, which the thread sanitizer does not see: to
// it, two rings that were at one address one after the other are one. This orders them.
void order_rings() {
#if defined(__SANITIZE_THREAD__)
  static Mutex order;
  MutexLock lock(order);
#endif
}

}  // namespace

std::unique_ptr<DiskRing> DiskRing::create(int file, int wake, uint32_t most) {
  const int flags = ::fcntl(file, F_GETFL);
  if (flags < 0 || flags & O_NONBLOCK) return nullptr;
  std::unique_ptr<DiskRing> ring(new DiskRing);
  return ring->set_up(file, wake, most) ? std::move(ring) : nullptr;
}

// All that a confined thread may not do, and the first call that it may: a filter around us that
// forbids that one shows now.
bool DiskRing::set_up(int file, int wake, uint32_t most) {
  order_rings();
  if (::io_uring_queue_init(most + 1, &ring_, IORING_SETUP_R_DISABLED) != 0) return false;
  made_ = true;
  const int files[] = {file, wake};
  unsigned int threads[] = {kMaxKernelThreads, kMaxKernelThreads};
  if (::io_uring_ring_dontfork(&ring_) != 0 || ::io_uring_register_files(&ring_, files, 2) != 0 ||
      ::io_uring_register_iowq_max_workers(&ring_, threads) != 0 ||
      ::io_uring_register_ring_fd(&ring_) != 1 || !restrict_operations() ||
      register_at_ring(IORING_REGISTER_ENABLE_RINGS, nullptr, 0) != 0) {
    return false;
  }
  wake_ = wake;
  flags_ = IOSQE_FIXED_FILE | (asks_before_reading(file) ? IOSQE_ASYNC : 0);
  listen();
  return ::io_uring_submit(&ring_) == 1;
}

DiskRing::~DiskRing() {
  order_rings();
  // On another thread, where an exception may lead, it would take one of that thread's rings out of
  // its list.
  if (made_ && std::this_thread::get_id() == thread_) ::io_uring_queue_exit(&ring_);
}

bool DiskRing::restrict_operations() {
  std::array<io_uring_restriction, std::size(kOperations) + 3> rules = {};
  for (size_t i = 0; i < std::size(kOperations); ++i) {
    rules[i].opcode = IORING_RESTRICTION_SQE_OP;
    rules[i].sqe_op = static_cast<uint8_t>(kOperations[i]);
  }
  auto& allowed = rules[std::size(kOperations)];
  allowed.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  allowed.sqe_flags = IOSQE_FIXED_FILE | IOSQE_ASYNC;
  auto& required = rules[std::size(kOperations) + 1];
  required.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
  required.sqe_flags = IOSQE_FIXED_FILE;
  auto& last = rules[std::size(kOperations) + 2];
  last.opcode = IORING_RESTRICTION_REGISTER_OP;
  last.register_op = IORING_UNREGISTER_FILES;
  return register_at_ring(IORING_REGISTER_RESTRICTIONS, rules.data(), rules.size()) == 0;
}

// What liburing 2.3 declares functions of its own for, and forgot to export.
int DiskRing::register_at_ring(uint32_t what, const void* rules, size_t count) {
  return ::io_uring_register(static_cast<unsigned int>(ring_.ring_fd), what, rules,
                             static_cast<unsigned int>(count));
}

// There is always an entry: each step and the eventfd have one at a time.
void DiskRing::listen() {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  ::io_uring_prep_read(entry, kWake, &wake_count_, sizeof wake_count_, 0);
  entry->flags = IOSQE_FIXED_FILE;
  entry->user_data = kWakeTag;
  listening_ = true;
}

void DiskRing::stop() {
  stopping_ = true;
  const uint64_t one = 1;
  while (listening_ && ::write(wake_, &one, sizeof one) == sizeof one)
    enter(true, [](uint32_t, int64_t) {});
}

void DiskRing::release_file() {
  (void)::io_uring_unregister_files(&ring_);
}

void DiskRing::add(const DiskStep& step, uint32_t tag) {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  const auto length = static_cast<unsigned int>(step.bytes);  // read, write: kMaxRequestBytes
  switch (step.kind) {
    case DiskStep::Kind::read:
      ::io_uring_prep_read(entry, kFile, step.data, length, step.at);
      break;
    case DiskStep::Kind::write:
      ::io_uring_prep_write(entry, kFile, step.data, length, step.at);
      break;
    case DiskStep::Kind::sync:
      ::io_uring_prep_fsync(entry, kFile, IORING_FSYNC_DATASYNC);
      break;
    case DiskStep::Kind::allocate:
      ::io_uring_prep_fallocate(entry, kFile, step.mode, static_cast<off_t>(step.at),
                                static_cast<off_t>(step.bytes));
      break;
  }
  entry->flags = flags_;
  entry->user_data = tag;
}

void DiskRing::enter(bool wait, const std::function<void(uint32_t tag, int64_t result)>& finished) {
  const bool waits = wait && ::io_uring_cq_ready(&ring_) == 0;
  const int entered = ::io_uring_submit_and_wait(&ring_, waits ? 1 : 0);
  const uint32_t ended = reap(finished);
  if (entered < 0 && entered != -EINTR && ended == 0) ::nanosleep(&kPause, nullptr);
}

uint32_t DiskRing::reap(const std::function<void(uint32_t tag, int64_t result)>& finished) {
  uint32_t ended = 0;
  io_uring_cqe* entry = nullptr;
  while (::io_uring_peek_cqe(&ring_, &entry) == 0) {
    const uint64_t tag = entry->user_data;
    const int result = entry->res;
    ::io_uring_cqe_seen(&ring_, entry);
    ++ended;
    if (tag != kWakeTag) {
      finished(static_cast<uint32_t>(tag), result);
      continue;
    }
    listening_ = false;
    if (!stopping_) listen();
  }
  return ended;
}

}  // namespace bartizan::vmm::virtio
