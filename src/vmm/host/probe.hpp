// probe() with the world outside given: KVM by its seam, /dev and /sys by a prefix, so that tests
// can play other hosts.
#pragma once

#include <filesystem>
#include <memory>

#include "bartizan/machine.hpp"
#include "bartizan/tee.hpp"
#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::host {

Result<HostProbe> probe_host(const ProbeOptions& options,
                             const std::shared_ptr<kvm::KernelApi>& kernel,
                             const std::filesystem::path& root);

// A TEE that the host has and the bundle's kernel cannot be a guest of is not available. What the
// host lacks comes first: no bundle helps there.
void limit_to_bundle(const BundleInfo& bundle, TeeProbe& tee);

// An error of opening the KVM device, with what to do about it, as probe() gives it; others as they
// are.
Error with_advice(Error error, const std::filesystem::path& kvm_device);

// unsupported, with what to do, if this KVM does not run a guest in 64-bit mode
// (run_probe_guest()): a stock kernel would never come up. A device that passed once is not asked
// again in this process. Any thread.
Result<void> require_stock_kernels(const std::shared_ptr<kvm::KernelApi>& kernel,
                                   const std::filesystem::path& kvm_device);

}  // namespace bartizan::vmm::host
