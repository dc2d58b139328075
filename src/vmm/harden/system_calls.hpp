// seccomp: which system calls a thread may make. x86-64.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "bartizan/result.hpp"

namespace bartizan::vmm::harden {

// What a thread is for.
struct Duty {
  bool vcpu = false;     // runs a guest; else it serves devices and orders
  bool quotes = false;   // of a vCPU: starts threads that ask a quote service
  bool network = false;  // of devices: connects and listens for the guest
  bool joins = false;    // of devices: connects to unix sockets, which no filter tells apart
};

// A filter program: what the duty needs is allowed, the rest fails with EPERM (clone3 with ENOSYS,
// so that libc falls back to clone, whose flags a filter can see).
std::vector<sock_filter> make_filter(Duty duty);

// This thread, and those that it starts, are held to it for good. unsupported: the kernel has no
// seccomp filters.
Result<void> restrict_system_calls(const std::vector<sock_filter>& filter);

}  // namespace bartizan::vmm::harden
