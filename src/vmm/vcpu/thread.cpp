#include "vmm/vcpu/thread.hpp"

#include <signal.h>

#include "base/thread.hpp"
#include "vmm/vcpu/kick.hpp"

namespace bartizan::vmm::vcpu {

VcpuThread::~VcpuThread() {
  stop();
  join();
}

Result<void> VcpuThread::start(OnEnd on_end) {
  MutexLock lock(mutex_);
  auto body = [this, on_end = std::move(on_end)] {
    End end{End::Kind::crash, ""};
    auto ran = call_guarded("vcpu", [&] { end = run(); });
    if (!ran.ok()) end.detail = ran.error().describe();
    on_end(vcpu_.id(), end);
    MutexLock lock(mutex_);
    running_ = false;
  };
  auto thread = start_thread("vcpu", std::move(body), kick_signal());
  if (!thread.ok()) return std::move(thread).error();
  thread_ = std::move(*thread);
  handle_ = thread_.native_handle();
  running_ = true;
  return {};
}

// immediate_exit first: a vCPU that is about to enter the guest returns at once; one that is inside
// gets the signal. Both orders of events end outside, where stopping_ is seen.
void VcpuThread::stop() {
  stopping_.store(true);
  vcpu_.set_immediate_exit(true);
  MutexLock lock(mutex_);
  if (running_) ::pthread_kill(handle_, kick_signal());
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
    auto exited = vcpu_.run();
    if (!exited.ok()) return {End::Kind::crash, exited.error().describe()};
    if (!*exited) continue;
    if (auto end = dispatch(vcpu_.shared(), handlers_, counters_)) return *end;
  }
  return {End::Kind::stopped, ""};
}

}  // namespace bartizan::vmm::vcpu
