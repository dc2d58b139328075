#include <fmt/format.h>

#include <span>

#include "bartizan/tee.hpp"
#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr std::string_view kTees[] = {"none", "simulated", "sev", "sev-es", "snp", "tdx"};
constexpr std::string_view kHostKernels[] = {"since-6.10", "before-6.10"};
constexpr std::string_view kVmms[] = {"qemu", "ec2", "gce"};

using Names = std::span<const std::string_view>;

template <typename Enum>
std::string_view name_of(Names names, Enum value) {
  auto index = static_cast<size_t>(value);
  return index < names.size() ? names[index] : "unknown";
}

template <typename Enum>
Result<Enum> value_of(Names names, std::string_view what, std::string_view name) {
  for (size_t i = 0; i < names.size(); i++) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return make_error(ErrorCode::invalid_argument, "tee", "{} \"{}\" is unknown: {} or {}", what,
                    name, fmt::join(names.first(names.size() - 1), ", "), names.back());
}

}  // namespace

std::string_view to_string(Tee tee) {
  return name_of(kTees, tee);
}
std::string to_string(const std::vector<Tee>& tees) {
  std::string list;
  for (Tee tee : tees) list += fmt::format("{}{}", list.empty() ? "" : ", ", to_string(tee));
  return list;
}
std::string_view to_string(HostKernel kernel) {
  return name_of(kHostKernels, kernel);
}
std::string_view to_string(Vmm vmm) {
  return name_of(kVmms, vmm);
}

Result<Tee> tee_from_string(std::string_view name) {
  return value_of<Tee>(kTees, "TEE", name);
}
Result<HostKernel> host_kernel_from_string(std::string_view name) {
  return value_of<HostKernel>(kHostKernels, "host kernel", name);
}
Result<Vmm> vmm_from_string(std::string_view name) {
  return value_of<Vmm>(kVmms, "VMM", name);
}

}  // namespace bartizan
