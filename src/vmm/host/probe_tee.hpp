// What a host has of one hardware TEE, and the first thing that it lacks.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "bartizan/tee.hpp"
#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::host {

struct HostFiles {
  std::shared_ptr<kvm::KernelApi> kernel;
  std::filesystem::path kvm_device = "/dev/kvm";
  std::filesystem::path root = "/";  // of /dev and /sys, so that tests can play other hosts
};

// `tee`: sev, sev_es, snp or tdx.
TeeProbe probe_hardware_tee(Tee tee, const HostFiles& host);

// unsupported: names what is missing and what to do. For the TEEs that need no hardware: nothing.
Result<void> require_tee(Tee tee, const HostFiles& host);

// Position of the C-bit on this host's processor. Nothing: no SEV here.
std::optional<uint8_t> host_c_bit(const HostFiles& host);

// How many guests of a TEE a host can hold at a time, and how many it does: its ASIDs or TDX keys
// (Linux Documentation/admin-guide/cgroup-v2.rst, "Misc").
struct TeeCapacity {
  uint64_t total = 0, used = 0;
};
std::optional<TeeCapacity> tee_capacity(Tee tee, const std::filesystem::path& root);

}  // namespace bartizan::vmm::host
