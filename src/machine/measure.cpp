#include <array>

#include "base/errors.hpp"
#include "machine/plan.hpp"
#include "tee/snp/digest.hpp"

namespace bartizan {
namespace machine {
namespace {

std::string kind_name(tee::PageKind kind) {
  constexpr std::array<const char*, 7> kNames = {"",           "normal",  "vmsa", "zero",
                                                 "unmeasured", "secrets", "cpuid"};
  return kNames[static_cast<size_t>(kind)];
}

void list_pages(const tee::LaunchPlan& plan, Measurement* measurement) {
  for (const auto& item : plan.items) {
    measurement->pages.push_back(
        {item.address.value, kind_name(item.kind), item.what, item.size / memory::kPageSize});
  }
  if (plan.tee != Tee::none) {
    measurement->pages.push_back(
        {tee::snp::kVmsaAddress, kind_name(tee::PageKind::vmsa), "vcpus", plan.cpus.size()});
  }
  for (const auto& page : measurement->pages) measurement->page_count += page.count;
}

}  // namespace

Result<Measurement> measure_plan(const tee::LaunchPlan& plan) {
  Measurement measurement;
  measurement.tee = plan.tee;
  if (plan.tee == Tee::simulated) {
    auto digest = tee::snp::launch_digest(plan);
    measurement.digest.assign(digest.begin(), digest.end());
  } else if (plan.tee != Tee::none) {
    return make_error(
        ErrorCode::unsupported, "machine/measure",
        "TEE \"{}\": this version measures launches of \"none\" and \"simulated\" only",
        to_string(plan.tee));
  }
  list_pages(plan, &measurement);
  return measurement;
}

}  // namespace machine

Result<Measurement> measure(const LaunchOptions& options) {
  return machine::measure_plan(TRY(machine::make_plan(options, false)));
}

}  // namespace bartizan
