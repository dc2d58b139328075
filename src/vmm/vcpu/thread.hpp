// VcpuThread: one vCPU and the thread that runs it until it ends or is stopped.
//
// immediate_exit of KVM is set exactly while the vCPU is to be outside the guest, for a pause or
// for good; it changes under the lock, so that the end of a pause undoes no stop.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "base/mutex.hpp"
#include "base/thread.hpp"
#include "vmm/kvm/vcpu.hpp"
#include "vmm/vcpu/dispatch.hpp"
#include "vmm/vcpu/exits.hpp"

namespace bartizan::vmm::vcpu {

class VcpuThread {
 public:
  // On the vCPU's thread, once. Does not throw.
  using OnEnd = std::function<void(uint32_t id, const End& end)>;

  // `handlers` and `counters` outlive it.
  VcpuThread(kvm::Vcpu vcpu, const Handlers& handlers, ExitCounters& counters)
      : vcpu_(std::move(vcpu)), handlers_(handlers), counters_(counters) {}
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;
  ~VcpuThread();  // stops and joins

  kvm::Vcpu& vcpu() { return vcpu_; }  // before start()

  Result<void> start(OnEnd on_end, ThreadSetup setup = {});
  // Makes the vCPU leave the guest for good, wherever it is. Any thread but its own; also before
  // start().
  void stop();
  // Between the two the vCPU is outside the guest, or on its way there. Any thread but its own;
  // also before start(). Of a stop they change nothing.
  void pause();
  void resume();
  // Until it is outside, which takes as long as the exit that it may be handling; not if it is
  // resumed meanwhile, or on its own thread, which is outside and pauses when it is done here.
  void wait_until_paused();
  void join();  // any thread but its own; of several callers, one waits

 private:
  End run();
  void hold();
  void leave_guest() BARTIZAN_REQUIRES(mutex_);

  kvm::Vcpu vcpu_;
  const Handlers& handlers_;
  ExitCounters& counters_;
  std::atomic<bool> stopping_{false}, paused_{false};  // change under the lock

  Mutex mutex_;
  Condition changed_;
  bool held_ BARTIZAN_GUARDED_BY(mutex_) = false;  // outside the guest, in a pause
  std::thread thread_ BARTIZAN_GUARDED_BY(mutex_);
  // The thread exists, so a signal may be sent to it.
  bool running_ BARTIZAN_GUARDED_BY(mutex_) = false;
  pthread_t handle_ BARTIZAN_GUARDED_BY(mutex_){};
};

}  // namespace bartizan::vmm::vcpu
