#include "attest/https/worker_pool.hpp"

#include <algorithm>

#include "attest/https/fair_share.hpp"
#include "base/errors.hpp"
#include "base/thread.hpp"

namespace bartizan::attest::https {
namespace {

constexpr size_t kFewestWorkers = 2, kMostWorkers = 8;
// One group alone may fill half of the queue: many guests behind one address are one group.
constexpr size_t kQueueDivisor = 1;

size_t worker_count() {
  return std::clamp<size_t>(std::thread::hardware_concurrency(), kFewestWorkers, kMostWorkers);
}

}  // namespace

Result<std::unique_ptr<WorkerPool>> WorkerPool::start(size_t threads, size_t queue) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool(queue));
  const size_t count = threads == 0 ? worker_count() : threads;
  for (size_t i = 0; i < count; ++i) {
    pool->threads_.push_back(
        TRY(start_thread("broker worker", [raw = pool.get()] { raw->run(); })));
  }
  return pool;
}

bool WorkerPool::post(const PeerAddress& group, std::function<void()> work) {
  MutexLock lock(mutex_);
  if (stopped_) return false;
  auto found = waiting_.find(group);
  const size_t own = found == waiting_.end() ? 0 : found->second.size();
  if (!within_fair_share(own, queued_, limit_, kQueueDivisor)) return false;
  found = waiting_.try_emplace(group).first;
  found->second.push_back(std::move(work));
  if (found->second.size() == 1) {
    try {
      turns_.push_back(group);
    } catch (...) {  // nobody would ever take it
      waiting_.erase(found);
      throw;
    }
  }
  queued_ += 1;
  changed_.notify_one();
  return true;
}

size_t WorkerPool::queued() const {
  MutexLock lock(mutex_);
  return queued_;
}

// Empty: stopped.
std::function<void()> WorkerPool::next(MutexLock& lock) {
  while (!stopped_ && turns_.empty()) changed_.wait(lock);
  if (stopped_) return {};
  const PeerAddress group = turns_.front();
  turns_.pop_front();
  auto found = waiting_.find(group);
  std::function<void()> work = std::move(found->second.front());
  found->second.pop_front();
  queued_ -= 1;
  if (found->second.empty()) {
    waiting_.erase(found);
  } else {
    turns_.push_back(group);
  }
  return work;
}

void WorkerPool::run() {
  while (true) {
    std::function<void()> work;
    {
      MutexLock lock(mutex_);
      work = next(lock);
    }
    if (!work) return;
    (void)call_guarded("request", work);
  }
}

void WorkerPool::stop() {
  std::map<PeerAddress, std::deque<std::function<void()>>> dropped;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
    turns_.clear();
    queued_ = 0;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace bartizan::attest::https
