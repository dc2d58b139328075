// probe() with the world outside given: KVM by its seam, /dev and /sys by a prefix, so that tests
// can play other hosts.
#pragma once

#include <filesystem>
#include <memory>

#include "bartizan/tee.hpp"
#include "kvm/kernel_api.hpp"

namespace bartizan::machine {

Result<HostProbe> probe_host(const ProbeOptions& options, std::shared_ptr<kvm::KernelApi> kernel,
                             const std::filesystem::path& root);

}  // namespace bartizan::machine
