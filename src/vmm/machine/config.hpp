// Checks of what a caller asks for, before anything is made: each refusal names the option and the
// value.
#pragma once

#include "bartizan/machine.hpp"
#include "base/unique_fd.hpp"
#include "vmm/memory/vm_memory.hpp"

namespace bartizan::vmm::machine {

// invalid_argument.
Result<void> check_options(const MachineOptions& options);

// invalid_argument: `whose` numbers are no machine's; 0 is not judged. `whose` ends with a space,
// or is "".
Result<void> check_size(const std::string& whose, uint32_t vcpus, uint32_t ram_mib);

// Checks path, range and manifest (corrupt, unsupported); fills in a `size` of 0. Gives the opened
// file.
Result<UniqueFd> open_disk(LuksDisk& disk);

// Does the guest get a network device? What the manifest wants must be there; invalid_argument if
// it is not.
Result<bool> decide_network(const MachineOptions& options, const LuksDisk& disk);

// The scratch disk that the manifest asks for; invalid if it asks for none. invalid_argument if the
// options name one nevertheless.
Result<UniqueFd> open_scratch(const MachineOptions& options, const LuksDisk& disk);

// A duplicate (CLOEXEC) of the caller's descriptor; invalid for -1.
Result<UniqueFd> duplicate(int fd, const char* what);

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
