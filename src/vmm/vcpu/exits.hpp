// Exits to user space, counted by kind: the figure by which boots are compared. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bartizan::vmm::vcpu {

enum class ExitCause : uint32_t { io, mmio, hypercall, msr, shutdown, other };
constexpr size_t kExitCauses = 6;

class ExitCounters {
 public:
  void count(ExitCause cause) {
    counts_[static_cast<size_t>(cause)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t total() const;
  std::vector<std::pair<std::string, uint64_t>> by_cause() const;  // all causes, also those at 0

 private:
  std::array<std::atomic<uint64_t>, kExitCauses> counts_{};
};

}  // namespace bartizan::vmm::vcpu
