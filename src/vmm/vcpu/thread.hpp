// VcpuThread: one vCPU and the thread that runs it until it ends or is stopped.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "base/mutex.hpp"
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

  Result<void> start(OnEnd on_end);
  // Makes the vCPU leave the guest for good, wherever it is. Any thread but its own; also before
  // start().
  void stop();
  void join();  // any thread but its own; of several callers, one waits

 private:
  End run();

  kvm::Vcpu vcpu_;
  const Handlers& handlers_;
  ExitCounters& counters_;
  std::atomic<bool> stopping_{false};

  Mutex mutex_;
  std::thread thread_ BARTIZAN_GUARDED_BY(mutex_);
  // The thread exists, so a signal may be sent to it.
  bool running_ BARTIZAN_GUARDED_BY(mutex_) = false;
  pthread_t handle_ BARTIZAN_GUARDED_BY(mutex_){};
};

}  // namespace bartizan::vmm::vcpu
