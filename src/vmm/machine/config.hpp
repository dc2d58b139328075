// Checks of what a caller asks for, before anything is made: each refusal names the option and the
// value.
#pragma once

#include "bartizan/machine.hpp"
#include "base/unique_fd.hpp"
#include "guest_abi/manifest.hpp"
#include "vmm/memory/vm_memory.hpp"
#include "vmm/virtio/net/egress.hpp"

namespace bartizan::vmm::machine {

// invalid_argument.
Result<void> check_options(const MachineOptions& options);

// invalid_argument: `whose` numbers are no machine's; 0 is not judged. `whose` ends with a space,
// or is "".
Result<void> check_size(const std::string& whose, uint32_t vcpus, uint32_t ram_mib);

// resource_exhausted: more than the host's limits, with both numbers. `ram_mib` and `vcpus` as the
// machine would have them.
Result<void> check_limits(const MachineOptions& options, uint32_t vcpus, uint32_t ram_mib,
                          const guest_abi::Manifest& manifest);

// Checks path, range and manifest (corrupt, unsupported); fills in a `size` of 0.
struct OpenedDisk {
  UniqueFd file;
  guest_abi::Manifest manifest;
};
Result<OpenedDisk> open_disk(LuksDisk& disk);

// What the guest would find out when it is booted: that it gets no key, or one that does not open
// its disk. `file` is the opened disk. invalid_argument; verification_failed, reason "disk_key";
// corrupt.
Result<void> check_disk_key(const LuksDisk& disk, int file, const guest_abi::Manifest& manifest,
                            Tee tee);

// The broker that is asked for this launch's key: the manifest's, at the address of the options if
// they have one. permission_denied: the manifest does not let a host choose it; invalid_argument.
Result<std::optional<guest_abi::Manifest::Broker>> decide_broker(
    const MachineOptions& options, const guest_abi::Manifest& manifest);

// What network the guest gets: what the manifest wants must be there. `asked`: the URL from which
// the guest fetches its key, and which it must be able to reach; empty: it asks nobody.
struct NetworkDecision {
  NetworkMode mode = NetworkMode::none;
  std::vector<virtio::EgressRule> allow = {};
};
// Errors: invalid_argument, permission_denied (the broker is at a place that is not allowed).
Result<NetworkDecision> decide_network(const MachineOptions& options,
                                       const guest_abi::Manifest& manifest,
                                       const std::string& asked);

// The scratch disk that the manifest asks for; invalid if it asks for none. invalid_argument if the
// options name one nevertheless.
Result<UniqueFd> open_scratch(const MachineOptions& options, const guest_abi::Manifest& manifest);

// A duplicate (CLOEXEC) of a descriptor; invalid for -1.
Result<UniqueFd> duplicate(int fd, const char* what);
// Of the caller's, which must be one that can be read (O_RDONLY) or written (O_WRONLY).
Result<UniqueFd> duplicate_stream(int fd, int access, const char* what);

memory::Backing backing_of(HugePages pages);

// The same error with `machine "name": ` in front.
Error in_machine(Error error, const std::string& name);

// The value, or its error so.
template <typename T>
Result<T> in_machine(Result<T> result, const std::string& name) {
  if (result.ok()) return result;
  return in_machine(std::move(result).error(), name);
}

}  // namespace bartizan::vmm::machine
