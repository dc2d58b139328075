// BlockWorkers: threads that serve a disk's queue, so that a disk that is slow or hangs holds up
// its own requests and nothing else: not the event loop, not a reset, not the end of the machine.
//
// Two engines do the same. One thread with an io_uring has many requests on their way at a time and
// waits for none of them; where the kernel or a container's filter has no io_uring for us, up to
// four threads have one request each.
//
// A request is copied out of the guest before its I/O and back after it. While the disk takes its
// time nobody holds the queue or guest memory; what comes back after a reset is dropped.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/thread.hpp"
#include "vmm/virtio/block/ring.hpp"
#include "vmm/virtio/queues.hpp"

namespace bartizan::vmm::virtio {

enum class BlockEngine { any, threads, ring };  // any: a ring, if there can be one

class BlockWorkers : public std::enable_shared_from_this<BlockWorkers> {
 public:
  // With its first thread; more start as requests wait. The thread has its ring before `setup`
  // takes that right. Errors: of the system, for the thread, or of its `setup`; unsupported: no
  // ring.
  static Result<std::shared_ptr<BlockWorkers>> create(BackingFile disk, ThreadSetup setup = {},
                                                      BlockEngine engine = BlockEngine::any);

  // The driver is ready, with the features that it accepted, and gone. After detach() no thread
  // touches the queues; it waits for copies in memory, never for the disk.
  void attach(Queues& queues, uint64_t features);
  void detach();

  void wake();  // there may be requests; the queues are locked

  // Once, after detach(). Joins the threads, but leaves those behind that the disk does not let go:
  // they hold this object, with the memory that the kernel writes to, and end with their requests.
  void end();

 private:
  struct Turn {  // what holds at the time of asking
    uint64_t generation = 0, features = 0;
    bool ending = false;
  };
  struct Flights;
  class KeptFlights;

  BlockWorkers(BackingFile disk, ThreadSetup setup)
      : disk_(std::move(disk)), setup_(std::move(setup)) {}
  Result<void> start_first(BlockEngine engine);
  Result<void> start_worker(const ThreadSetup& setup) BARTIZAN_REQUIRES(mutex_);
  void make_ring();
  void work();
  Turn take_turn() BARTIZAN_REQUIRES(mutex_);
  void call_worker() BARTIZAN_REQUIRES(mutex_);
  bool with_queues(uint64_t generation, const std::function<void(Queues&)>& use);

  void serve_by_threads();
  Turn wait_for_work();
  bool serve_one(const Turn& turn);

  void serve_by_ring();
  bool exchange(Flights& flights, const Turn& turn);
  void fly(Flights& flights, uint32_t index);

  const BackingFile disk_;
  const ThreadSetup setup_;
  UniqueFd wake_;                   // eventfd, with a ring
  std::unique_ptr<DiskRing> ring_;  // its thread's; others ask has_ring_
  bool has_ring_ = false;           // as create() found
  Mutex mutex_;
  Condition work_, changed_;  // wanted_, ending_ or released_; users_ or running_
  Queues* queues_ BARTIZAN_GUARDED_BY(mutex_) = nullptr;
  uint64_t features_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint64_t generation_ BARTIZAN_GUARDED_BY(mutex_) = 1;  // of queues_
  uint32_t users_ BARTIZAN_GUARDED_BY(mutex_) = 0;       // threads that have queues_ in hand
  bool wanted_ BARTIZAN_GUARDED_BY(mutex_) = false;
  bool ending_ BARTIZAN_GUARDED_BY(mutex_) = false;
  bool released_ BARTIZAN_GUARDED_BY(mutex_) = false;  // the ring may go
  uint32_t idle_ BARTIZAN_GUARDED_BY(mutex_) = 0, running_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::virtio
