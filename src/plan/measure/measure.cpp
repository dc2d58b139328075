#include <array>

#include "base/errors.hpp"
#include "base/units.hpp"
#include "plan/measure/launch_planner.hpp"
#include "plan/tee/sev/digest.hpp"
#include "plan/tee/snp/digest.hpp"
#include "plan/tee/tdx/digest.hpp"

namespace bartizan {
using namespace plan::measure;  // NOLINT: the public functions of this component
namespace plan::measure {
namespace {

using tee::snp::VmsaOptions;

// AMD's security processor encrypts and measures one page of 4 KiB in about this time (SEVeriFast,
// ASPLOS 2024), one page after the other.
constexpr uint64_t kMillisecondsPerPage = 1;

std::string kind_name(tee::PageKind kind) {
  constexpr std::array<const char*, 7> kNames = {"",           "normal",  "vmsa", "zero",
                                                 "unmeasured", "secrets", "cpuid"};
  return kNames[static_cast<size_t>(kind)];
}

bool measures_registers(Tee tee) {
  return tee == Tee::simulated || tee == Tee::sev_es || tee == Tee::snp;
}

// Whether a launch by that TEE has a use for the item.
bool is_loaded(Tee tee, const tee::PlanItem& item) {
  if (tee == Tee::sev || tee == Tee::sev_es) return tee::sev::is_loaded(item);
  return tee != Tee::tdx || tee::tdx::load_of(item.kind) != tee::tdx::Load::none;
}

void list_pages(const tee::LaunchPlan& plan, Measurement* measurement) {
  for (const auto& item : plan.items) {
    if (!is_loaded(plan.tee, item)) continue;
    uint64_t pages = (item.size + kPageSize - 1) / kPageSize;
    measurement->pages.push_back({item.address.value, kind_name(item.kind), item.what, pages});
  }
  if (measures_registers(plan.tee)) {
    measurement->pages.push_back(
        {tee::snp::kVmsaAddress, kind_name(tee::PageKind::vmsa), "vcpus", plan.cpus.size()});
  }
  for (const auto& page : measurement->pages) measurement->page_count += page.count;
}

template <size_t kSize>
std::vector<uint8_t> to_vector(const std::array<uint8_t, kSize>& digest) {
  return {digest.begin(), digest.end()};
}

std::vector<uint8_t> digest_of(const tee::LaunchPlan& plan, const VmsaOptions& vmsa) {
  switch (plan.tee) {
    case Tee::none:
      break;
    case Tee::simulated:
    case Tee::snp:
      return to_vector(tee::snp::launch_digest(plan, vmsa));
    case Tee::sev:
    case Tee::sev_es:
      return to_vector(tee::sev::launch_digest(plan, vmsa));
    case Tee::tdx:
      return to_vector(tee::tdx::launch_digest(plan));
  }
  return {};
}

}  // namespace

uint64_t default_guest_features(Tee tee) {
  return tee == Tee::simulated || tee == Tee::snp ? tee::snp::kSnpActive : 0;
}

Result<void> check_guest_features(Tee tee, uint64_t features) {
  if (features == 0) return {};
  if (tee != Tee::snp && tee != Tee::sev_es)
    return make_error(ErrorCode::invalid_argument, "machine",
                      "guest features for TEE \"{}\": only sev-es and snp have them",
                      to_string(tee));
  bool snp_active = (features & tee::snp::kSnpActive) != 0;
  if (snp_active == (tee == Tee::snp)) return {};
  return make_error(ErrorCode::invalid_argument, "machine",
                    "guest features {:#x} for TEE \"{}\": bit 0 is set with snp, and only then",
                    features, to_string(tee));
}

Measurement measure_plan(const tee::LaunchPlan& plan, const VmsaOptions& vmsa) {
  Measurement measurement;
  measurement.tee = plan.tee;
  measurement.digest = digest_of(plan, vmsa);
  list_pages(plan, &measurement);
  if (measures_registers(plan.tee) || plan.tee == Tee::sev) {
    measurement.launch_milliseconds = measurement.page_count * kMillisecondsPerPage;
  }
  measurement.vcpus = static_cast<uint32_t>(plan.cpus.size());
  measurement.host_kernel = vmsa.host_kernel;
  measurement.c_bit = plan.c_bit;
  if (plan.tee == Tee::tdx) {
    for (const auto& value : tee::tdx::runtime_registers(plan)) {
      measurement.rtmrs.push_back(to_vector(value));
    }
  }
  return measurement;
}

Result<Measurement> measure_plan(const tee::LaunchPlan& plan) {
  uint64_t features =
      plan.guest_features != 0 ? plan.guest_features : default_guest_features(plan.tee);
  return measure_plan(plan, VmsaOptions{.sev_features = features});
}

}  // namespace plan::measure

Result<Measurement> measure(const LaunchOptions& options) {
  TRY(plan::measure::check_guest_features(options.tee, options.guest_features));
  return plan::measure::measure_plan(TRY(plan::measure::make_plan(options, false)));
}

}  // namespace bartizan
