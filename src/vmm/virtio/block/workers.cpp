#include "vmm/virtio/block/workers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

#include "base/errors.hpp"

namespace bartizan::vmm::virtio {
namespace {

// Without a ring: requests that a disk has at a time; each may hold kMaxRequestBytes.
constexpr size_t kMaxWorkers = 4;

// How long the end of a machine waits for a disk.
constexpr auto kPatience = std::chrono::seconds(1);

int64_t execute(int fd, const DiskStep& step) {
  const auto at = static_cast<off_t>(step.at);
  int64_t result = 0;
  switch (step.kind) {
    case DiskStep::Kind::read:
      result = ::pread(fd, step.data, step.bytes, at);
      break;
    case DiskStep::Kind::write:
      result = ::pwrite(fd, step.data, step.bytes, at);
      break;
    case DiskStep::Kind::sync:
      result = ::fdatasync(fd);
      break;
    case DiskStep::Kind::allocate:
      result = ::fallocate(fd, step.mode, at, static_cast<off_t>(step.bytes));
      break;
  }
  return result < 0 ? -errno : result;
}

}  // namespace

Result<std::shared_ptr<BlockWorkers>> BlockWorkers::create(BackingFile disk, ThreadSetup setup,
                                                           BlockEngine engine) {
  std::shared_ptr<BlockWorkers> workers(new BlockWorkers(std::move(disk), std::move(setup)));
  TRY(workers->start_first(engine));
  if (engine == BlockEngine::ring && !workers->has_ring_) {
    workers->end();
    return make_error(ErrorCode::unsupported, "virtio/block", "io_uring: not here");
  }
  return workers;
}

// The ring is its thread's own, so that thread makes it. If it is confined already, because its
// creator is, it gets none.
Result<void> BlockWorkers::start_first(BlockEngine engine) {
  ThreadSetup setup = setup_;
  if (engine != BlockEngine::threads) {
    setup = [this] {
      make_ring();
      Result<void> done = setup_ ? setup_() : Result<void>();
      if (!done.ok()) ring_.reset();
      return done;
    };
  }
  MutexLock lock(mutex_);
  TRY(start_worker(setup));
  has_ring_ = ring_ != nullptr;
  return {};
}

Result<void> BlockWorkers::start_worker(const ThreadSetup& setup) {
  threads_.push_back(TRY(start_thread(
      "disk", [self = shared_from_this()] { self->work(); }, 0, setup)));
  ++running_;
  return {};
}

void BlockWorkers::attach(Queues& queues, uint64_t features) {
  MutexLock lock(mutex_);
  queues_ = &queues;
  features_ = features;
}

void BlockWorkers::detach() {
  MutexLock lock(mutex_);
  queues_ = nullptr;
  ++generation_;
  while (users_ != 0) changed_.wait(lock);
}

void BlockWorkers::wake() {
  MutexLock lock(mutex_);
  call_worker();
}

void BlockWorkers::end() {
  std::vector<std::thread> threads;
  bool all_ended;
  {
    MutexLock lock(mutex_);
    ending_ = true;
    wanted_ = false;
    call_worker();
    work_.notify_all();
    auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (running_ != 0 && changed_.wait_until(lock, deadline)) {
    }
    all_ended = running_ == 0;
    if (all_ended && has_ring_) ring_->release_file();  // its thread may not
    released_ = true;
    work_.notify_all();
    threads = std::move(threads_);
  }
  for (std::thread& thread : threads) {
    if (all_ended)
      thread.join();
    else
      thread.detach();
  }
}

void BlockWorkers::work() {
  bool ring;
  {
    MutexLock lock(mutex_);  // the thread's own start has ended then
    ring = has_ring_;
  }
  ring ? serve_by_ring() : serve_by_threads();
  {
    MutexLock lock(mutex_);
    --running_;
    changed_.notify_all();
    while (ring && !released_) work_.wait(lock);
  }
  if (ring) ring_.reset();
}

// Before the look into the queue: what comes after it is wanted again.
BlockWorkers::Turn BlockWorkers::take_turn() {
  wanted_ = false;
  return {generation_, features_, ending_};
}

// One more thread, if all are busy; without it the request waits for one of them.
void BlockWorkers::call_worker() {
  const bool called = std::exchange(wanted_, true);
  if (has_ring_) {
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t put = called ? 0 : ::write(wake_.get(), &one, sizeof one);
    return;
  }
  if (idle_ == 0 && !ending_ && threads_.size() < kMaxWorkers) (void)start_worker(setup_);
  work_.notify_one();
}

bool BlockWorkers::with_queues(uint64_t generation, const std::function<void(Queues&)>& use) {
  Queues* queues;
  {
    MutexLock lock(mutex_);
    if (queues_ == nullptr || generation != generation_) return false;
    queues = queues_;
    ++users_;
  }
  bool live = false;
  // By reference: a function that had to be allocated could fail here, outside of the guard.
  auto locked = [&] { use(*queues); };
  auto work = [&] { live = queues->run(std::ref(locked)); };
  auto used = call_guarded("disk", std::ref(work));
  MutexLock lock(mutex_);
  --users_;
  changed_.notify_all();
  return live && used.ok();
}

void BlockWorkers::serve_by_threads() {
  for (Turn turn = wait_for_work(); !turn.ending; turn = wait_for_work()) {
    // What has no memory now is asked for again by the driver's next notification.
    (void)call_guarded("disk", [&] {
      while (serve_one(turn)) {
      }
    });
  }
}

BlockWorkers::Turn BlockWorkers::wait_for_work() {
  MutexLock lock(mutex_);
  ++idle_;
  while (!ending_ && !wanted_) work_.wait(lock);
  --idle_;
  return take_turn();
}

// False: no request, or the driver has gone.
bool BlockWorkers::serve_one(const Turn& turn) {
  BlockRequest request;
  bool taken = false, more = false;
  bool live = with_queues(turn.generation, [&](Queues& queues) {
    Queue* queue = queues.at(0);
    taken = queue && queue->pop(&request.chain);
    if (taken) request.take(disk_, queues.memory(), turn.features);
    more = taken && queue->more();
    queues.flush(0);  // a broken queue is told
  });
  if (!live || !taken) return false;
  if (more) {
    MutexLock lock(mutex_);
    call_worker();
  }
  while (auto step = request.next_step())
    request.finish_step(*step, execute(disk_.file.get(), *step));
  return with_queues(turn.generation, [&](Queues& queues) {
    Queue* queue = queues.at(0);
    if (queue) queue->push(request.chain, request.give(queues.memory()));
    queues.flush(0);
  });
}

}  // namespace bartizan::vmm::virtio
