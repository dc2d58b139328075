// GuestRecord: what a guest reported and did, and the exit reason that follows. Any thread.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "bartizan/machine.hpp"
#include "base/mutex.hpp"
#include "guest_abi/boot_stages.hpp"
#include "vmm/vcpu/dispatch.hpp"
#include "vmm/vcpu/exits.hpp"

namespace bartizan::vmm::machine {

class GuestRecord {
 public:
  using Clock = std::chrono::steady_clock;
  // `exits` outlives it. Time counts from now.
  explicit GuestRecord(const vcpu::ExitCounters& exits) : exits_(exits), start_(Clock::now()) {}

  void launched();              // the vCPUs start now
  void stage(uint32_t number);  // the guest's mark; only the first of each counts
  void exit_report(uint32_t kind, uint32_t value);  // only the first counts
  void log_line(std::string_view line);  // looks for the guest's own report of its failure
  bool end(const vcpu::End& end);        // true for the first, which counts

  ExitReason reason() const;  // after end()
  bool reported() const;
  uint32_t last_stage() const;  // 0: none yet
  void fill(MachineStats& stats) const;

 private:
  struct Mark {
    bool reached = false;
    double milliseconds = 0;
    uint64_t exits = 0;
  };
  Mark mark_now() const;
  ExitReason reported_reason() const BARTIZAN_REQUIRES(mutex_);
  ExitReason unreported_reason() const BARTIZAN_REQUIRES(mutex_);
  ExitReason failed(uint32_t value) const BARTIZAN_REQUIRES(mutex_);
  static ExitReason refused(uint32_t number);  // by the boot stub

  const vcpu::ExitCounters& exits_;
  const Clock::time_point start_;
  mutable Mutex mutex_;
  // Mark 0 is "launch".
  std::array<Mark, guest_abi::kStageCount + 1> marks_ BARTIZAN_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, uint64_t>> pid1_exits_ BARTIZAN_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, uint64_t>> workload_exits_ BARTIZAN_GUARDED_BY(mutex_);
  uint32_t last_stage_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  std::optional<std::pair<uint32_t, uint32_t>> report_ BARTIZAN_GUARDED_BY(mutex_);
  std::optional<vcpu::End> end_ BARTIZAN_GUARDED_BY(mutex_);
  std::string failure_ BARTIZAN_GUARDED_BY(mutex_);
  std::string panic_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::machine
