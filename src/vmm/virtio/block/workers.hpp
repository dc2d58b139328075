// BlockWorkers: threads that serve a disk's queue, so that a disk that is slow or hangs holds up
// its own requests and nothing else: not the event loop, not a reset, not the end of the machine.
//
// A request is copied out of the guest before its I/O and back after it. While the disk takes its
// time a thread holds neither the queue nor guest memory; what comes back after a reset is dropped.
// A thread pool, not io_uring: the system call filter of most container engines forbids io_uring,
// and a second way would need tests of its own.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/thread.hpp"
#include "vmm/virtio/block/request.hpp"
#include "vmm/virtio/queues.hpp"

namespace bartizan::vmm::virtio {

class BlockWorkers : public std::enable_shared_from_this<BlockWorkers> {
 public:
  // With its first thread; more start as requests wait. Errors: of the system, for the thread, or
  // of its `setup`.
  static Result<std::shared_ptr<BlockWorkers>> create(BackingFile disk, ThreadSetup setup = {});

  // The driver is ready, and gone. After detach() no thread touches the queues; it waits for copies
  // in memory, never for the disk.
  void attach(Queues& queues);
  void detach();

  void wake();  // there may be requests; the queues are locked

  // Once, after detach(). Joins the threads, but leaves those behind that the disk does not let go:
  // they hold this object and end with their request.
  void end();

 private:
  BlockWorkers(BackingFile disk, ThreadSetup setup)
      : disk_(std::move(disk)), setup_(std::move(setup)) {}
  Result<void> start_worker() BARTIZAN_REQUIRES(mutex_);
  void work();
  uint64_t wait_for_work();
  bool serve_one(uint64_t generation);
  void call_worker() BARTIZAN_REQUIRES(mutex_);
  bool with_queues(uint64_t generation, const std::function<void(Queues&)>& use);

  const BackingFile disk_;
  const ThreadSetup setup_;
  Mutex mutex_;
  Condition work_, changed_;  // wanted_ or ending_; users_ or running_
  Queues* queues_ BARTIZAN_GUARDED_BY(mutex_) = nullptr;
  uint64_t generation_ BARTIZAN_GUARDED_BY(mutex_) = 1;  // of queues_
  uint32_t users_ BARTIZAN_GUARDED_BY(mutex_) = 0;       // threads that have queues_ in hand
  bool wanted_ BARTIZAN_GUARDED_BY(mutex_) = false;
  bool ending_ BARTIZAN_GUARDED_BY(mutex_) = false;
  uint32_t idle_ BARTIZAN_GUARDED_BY(mutex_) = 0, running_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::virtio
