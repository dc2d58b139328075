// Confinement: what the threads of one machine give up before their first step, for good.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bartizan/machine.hpp"
#include "base/thread.hpp"
#include "base/unique_fd.hpp"
#include "vmm/harden/system_calls.hpp"

namespace bartizan::vmm::harden {

// What a machine's threads need after its start.
struct ThreadNeeds {
  bool network = false;
  bool quotes = false;                          // a quote service is asked
  bool joins = false;                           // a vsock port leads to a unix socket
  std::vector<std::filesystem::path> readable;  // files and folders
};

// Empty: nothing is given up.
struct Setups {
  ThreadSetup devices, vcpus;
};

// Finds out on a thread of its own, which ends at once, what this kernel and the filters around us
// let a thread do. `required`: unsupported, if it is not all; the message names what is missing.
// `preferred`: what is possible, and a line to `missing` for the rest. `off`: empty setups. Lack of
// descriptors, memory or threads is resource_exhausted: it says nothing about the kernel.
Result<Setups> confine(Hardening wish, const ThreadNeeds& needs, std::vector<std::string>* missing);

}  // namespace bartizan::vmm::harden
