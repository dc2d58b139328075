#include "vmm/vcpu/exits.hpp"

namespace bartizan::vmm::vcpu {
namespace {

constexpr std::array<const char*, kExitCauses> kNames = {"io",  "mmio",     "hypercall",
                                                         "msr", "shutdown", "other"};

}  // namespace

uint64_t ExitCounters::total() const {
  uint64_t sum = 0;
  for (const auto& count : counts_) sum += count.load(std::memory_order_relaxed);
  return sum;
}

std::vector<std::pair<std::string, uint64_t>> ExitCounters::by_cause() const {
  std::vector<std::pair<std::string, uint64_t>> all;
  for (size_t i = 0; i < kExitCauses; ++i) {
    all.emplace_back(kNames[i], counts_[i].load(std::memory_order_relaxed));
  }
  return all;
}

}  // namespace bartizan::vmm::vcpu
