#include "vmm/virtio/block/workers.hpp"

#include "base/errors.hpp"

namespace bartizan::vmm::virtio {
namespace {

// Requests that a disk has at a time; each may hold kMaxRequestBytes.
constexpr size_t kMaxWorkers = 4;

// How long the end of a machine waits for a disk.
constexpr auto kPatience = std::chrono::seconds(1);

}  // namespace

Result<std::shared_ptr<BlockWorkers>> BlockWorkers::create(BackingFile disk, ThreadSetup setup) {
  std::shared_ptr<BlockWorkers> workers(new BlockWorkers(std::move(disk), std::move(setup)));
  MutexLock lock(workers->mutex_);
  TRY(workers->start_worker());
  return workers;
}

Result<void> BlockWorkers::start_worker() {
  threads_.push_back(TRY(start_thread(
      "disk", [self = shared_from_this()] { self->work(); }, 0, setup_)));
  ++running_;
  return {};
}

void BlockWorkers::attach(Queues& queues) {
  MutexLock lock(mutex_);
  queues_ = &queues;
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
    work_.notify_all();
    auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (running_ != 0 && changed_.wait_until(lock, deadline)) {
    }
    all_ended = running_ == 0;
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
  while (uint64_t generation = wait_for_work()) {
    // What has no memory now is asked for again by the driver's next notification.
    (void)call_guarded("disk", [&] {
      while (serve_one(generation)) {
      }
    });
  }
  MutexLock lock(mutex_);
  --running_;
  changed_.notify_all();
}

// 0: the end.
uint64_t BlockWorkers::wait_for_work() {
  MutexLock lock(mutex_);
  ++idle_;
  while (!ending_ && !wanted_) work_.wait(lock);
  --idle_;
  wanted_ = false;  // before the look into the queue: what comes after it sets it again
  return ending_ ? 0 : generation_;
}

// One more, if all are busy; without it the request waits for one of them.
void BlockWorkers::call_worker() {
  wanted_ = true;
  if (idle_ == 0 && !ending_ && threads_.size() < kMaxWorkers) (void)start_worker();
  work_.notify_one();
}

// False: no request, or the driver has gone.
bool BlockWorkers::serve_one(uint64_t generation) {
  BlockRequest request;
  bool taken = false, more = false;
  bool live = with_queues(generation, [&](Queues& queues) {
    Queue* queue = queues.at(0);
    taken = queue && queue->pop(&request.chain);
    if (taken) request.take(disk_, queues.memory());
    more = taken && queue->more();
    queues.flush(0);  // a broken queue is told
  });
  if (!live || !taken) return false;
  if (more) {
    MutexLock lock(mutex_);
    call_worker();
  }
  request.execute(disk_);
  return with_queues(generation, [&](Queues& queues) {
    Queue* queue = queues.at(0);
    if (queue) queue->push(request.chain, request.give(queues.memory()));
    queues.flush(0);
  });
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
  auto used = call_guarded("disk", [&] { live = queues->run([&] { use(*queues); }); });
  MutexLock lock(mutex_);
  --users_;
  changed_.notify_all();
  return live && used.ok();
}

}  // namespace bartizan::vmm::virtio
