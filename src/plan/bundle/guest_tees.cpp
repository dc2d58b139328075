#include "plan/bundle/guest_tees.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::plan::bundle {
namespace {

constexpr uint32_t bit(Tee tee) {
  return 1u << static_cast<uint32_t>(tee);
}
constexpr Tee kAllTees[] = {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx};
constexpr uint32_t kAmd = bit(Tee::simulated) | bit(Tee::sev) | bit(Tee::sev_es) | bit(Tee::snp);

// Memory is accepted by the boot stub, so none needs CONFIG_UNACCEPTED_MEMORY; a launch secret is a
// file of the initramfs, so none needs CONFIG_EFI_SECRET.
struct Need {
  std::string_view option;
  std::string_view module;  // that it makes where it is "m"; empty: it must be built in
  uint32_t tees;
};
constexpr Need kNeeds[] = {
    // PID 1 stops where the kernel cannot be locked down.
    {"CONFIG_SECURITY_LOCKDOWN_LSM", "", kAmd | bit(Tee::tdx)},
    {"CONFIG_AMD_MEM_ENCRYPT", "", kAmd},           // the simulated TEE runs that code, too
    {"CONFIG_KVM_GUEST", "", bit(Tee::simulated)},  // tells page states by hypercall
    {"CONFIG_SEV_GUEST", "sev_guest", bit(Tee::snp)},
    {"CONFIG_INTEL_TDX_GUEST", "", bit(Tee::tdx)},
    {"CONFIG_TDX_GUEST_DRIVER", "tdx_guest", bit(Tee::tdx)},
};

// 'y', 'm', or 0 where the configuration does not set the option.
char setting_of(std::string_view config, std::string_view option) {
  while (!config.empty()) {
    std::string_view line = config.substr(0, config.find('\n'));
    config.remove_prefix(std::min(line.size() + 1, config.size()));
    if (!line.starts_with(option) || line.substr(option.size()).size() != 2) continue;
    if (line[option.size()] == '=') return line.back();
  }
  return 0;
}

std::string needs_of(Tee tee) {
  std::string list;
  for (const Need& need : kNeeds) {
    if ((need.tees & bit(tee)) == 0) continue;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", need.option);
  }
  return list;
}

}  // namespace

std::vector<Tee> tees_of_kernel(std::string_view config,
                                const std::function<bool(std::string_view)>& has_module) {
  uint32_t missing = 0;
  for (const Need& need : kNeeds) {
    const char setting = setting_of(config, need.option);
    const bool module = setting == 'm' && !need.module.empty() && has_module(need.module);
    if (setting != 'y' && !module) missing |= need.tees;
  }
  std::vector<Tee> tees;
  for (Tee tee : kAllTees) {
    if ((missing & bit(tee)) == 0) tees.push_back(tee);
  }
  return tees;
}

std::optional<Unfit> unfit_for(const BundleInfo& bundle, Tee tee) {
  if (std::ranges::find(bundle.tees, tee) != bundle.tees.end()) return {};
  return Unfit{fmt::format("guest bundle {}: its kernel {} can be a guest of {}, not of {}",
                           bundle.path.string(), bundle.kernel_release, to_string(bundle.tees),
                           to_string(tee)),
               fmt::format("make the bundle of a kernel with {}, such as Debian's "
                           "linux-image-6.12-cloud-amd64: \"bartizan bundle create --kernel FILE\"",
                           needs_of(tee))};
}

Result<void> check_guest_of(const BundleInfo& bundle, Tee tee) {
  auto unfit = unfit_for(bundle, tee);
  if (!unfit) return {};
  return make_error(ErrorCode::unsupported, "bundle", "{}; {}", unfit->missing, unfit->advice);
}

}  // namespace bartizan::plan::bundle
