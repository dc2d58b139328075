#include "vmm/vcpu/thread.hpp"

#include <signal.h>

#include "vmm/vcpu/kick.hpp"

namespace bartizan::vmm::vcpu {

VcpuThread::~VcpuThread() {
  stop();
  join();
}

Result<void> VcpuThread::start(OnEnd on_end, ThreadSetup setup) {
  MutexLock lock(mutex_);
  auto body = [this, on_end = std::move(on_end)] {
    End end{End::Kind::crash, ""};
    auto ran = call_guarded("vcpu", [&] { end = run(); });
    if (!ran.ok()) end.detail = ran.error().describe();
    on_end(vcpu_.id(), end);
    MutexLock lock(mutex_);
    running_ = false;
    changed_.notify_all();
  };
  auto thread = start_thread("vcpu", std::move(body), kick_signal(), std::move(setup));
  if (!thread.ok()) return std::move(thread).error();
  thread_ = std::move(*thread);
  handle_ = thread_.native_handle();
  running_ = true;
  return {};
}

// immediate_exit first: a vCPU that is about to enter the guest returns at once; one that is inside
// gets the signal. Both orders of events end outside, where stopping_ and paused_ are seen.
void VcpuThread::leave_guest() {
  vcpu_.set_immediate_exit(true);
  if (running_) ::pthread_kill(handle_, kick_signal());
  changed_.notify_all();
}

void VcpuThread::stop() {
  MutexLock lock(mutex_);
  stopping_.store(true);
  leave_guest();
}

void VcpuThread::pause() {
  MutexLock lock(mutex_);
  if (paused_.exchange(true)) return;
  leave_guest();
}

void VcpuThread::resume() {
  MutexLock lock(mutex_);
  paused_.store(false);
  vcpu_.set_immediate_exit(stopping_.load());
  changed_.notify_all();
}

void VcpuThread::wait_until_paused() {
  MutexLock lock(mutex_);
  if (thread_.get_id() == std::this_thread::get_id()) return;
  while (running_ && paused_.load() && !held_) changed_.wait(lock);
}

// On the vCPU's thread.
void VcpuThread::hold() {
  {
    MutexLock lock(mutex_);
    held_ = true;
    changed_.notify_all();
    while (paused_.load() && !stopping_.load()) changed_.wait(lock);
    held_ = false;
  }
  (void)vcpu_.mark_paused();
}

void VcpuThread::join() {
  std::thread thread;
  {
    MutexLock lock(mutex_);
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
}

End VcpuThread::run() {
  while (!stopping_.load()) {
    if (paused_.load()) {
      hold();
      continue;
    }
    auto exited = vcpu_.run();
    if (!exited.ok()) return {End::Kind::crash, exited.error().describe()};
    if (!*exited) continue;
    if (auto end = dispatch(vcpu_.shared(), handlers_, counters_)) return *end;
  }
  return {End::Kind::stopped, ""};
}

}  // namespace bartizan::vmm::vcpu
