// DiskRing: an io_uring that reaches one file and nothing else.
//
// Threads: made, used and destroyed on one thread, before it is confined (vmm/harden): the filter
// of a confined thread has io_uring_enter alone, and that only for rings which the thread itself
// registered. The kernel holds the ring to reading, writing, syncing and allocating on this file
// and to reading one eventfd, so that it leads around no filter.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "vmm/virtio/block/request.hpp"

namespace bartizan::vmm::virtio {

class DiskRing {
 public:
  // `file` and `wake`, an eventfd that blocks, are borrowed; `most` steps are in it at a time.
  // nullptr: this kernel has no such ring, a container's filter or a sysctl refuses it, or the file
  // is one that it would not wait for (O_NONBLOCK).
  static std::unique_ptr<DiskRing> create(int file, int wake, uint32_t most);
  DiskRing(const DiskRing&) = delete;
  DiskRing& operator=(const DiskRing&) = delete;
  ~DiskRing();  // precondition: no step is in it, or the kernel would write to freed memory

  // The step's memory stays until `finished` was called with `tag`.
  void add(const DiskStep& step, uint32_t tag);

  // Hands over what was added, and calls `finished` for what has ended: bytes, 0, or -errno. With
  // `wait`, not before something has ended or the eventfd was written.
  void enter(bool wait, const std::function<void(uint32_t tag, int64_t result)>& finished);

  // The last use, when no step is in it: the eventfd is not read any more.
  void stop();

  // After stop(), on any thread that is not confined: closes the ring's hold on the file. Without
  // it the kernel does so some time after the ring is gone, and a file system stays busy.
  void release_file();

 private:
  DiskRing() = default;
  bool set_up(int file, int wake, uint32_t most);
  bool restrict_operations();
  int register_at_ring(uint32_t what, const void* rules, size_t count);
  void listen();
  uint32_t reap(const std::function<void(uint32_t tag, int64_t result)>& finished);

  io_uring ring_ = {};
  const std::thread::id thread_ = std::this_thread::get_id();
  bool made_ = false;
  int wake_ = -1;
  bool listening_ = false, stopping_ = false;
  uint8_t flags_ = 0;        // of entries
  uint64_t wake_count_ = 0;  // where the eventfd is read to
};

}  // namespace bartizan::vmm::virtio
