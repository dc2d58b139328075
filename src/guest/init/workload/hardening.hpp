// What PID 1 disables: kernel features that would let root (the workload is root in most images)
// change the kernel or look at PID 1.
#pragma once

#include <string_view>

#include "bartizan/result.hpp"

namespace bartizan::guest::init::workload {

// After the last module: no more modules, no kexec, no core dumps, no SysRq; lockdown. If it is
// `required`, a kernel that cannot be locked down is verification_failed, reason "lockdown".
Result<void> lock_down_kernel(bool required);
// By the text of /sys/kernel/security/lockdown, "none integrity [confidentiality]".
bool is_locked_down(std::string_view lockdown);

// PID 1 itself: no ptrace, no core, freed memory overwritten, a fatal signal becomes an exit
// report.
void protect_process();

// In the child, before exec: capabilities that a container does not need are gone for good (also
// from the bounding set, from which exec as root would bring them back), I/O ports too.
Result<void> drop_privileges();

}  // namespace bartizan::guest::init::workload
