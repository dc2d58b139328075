// Why the boot stub stopped a launch, out of what reached the host: the numbers and their ways are
// in guest_abi/stub_table.hpp.
#pragma once

#include <optional>
#include <string>

#include "vmm/vcpu/dispatch.hpp"

namespace bartizan::vmm::machine {

// The number in an exit report of kind guest_failure: "a stage failed" without a stage.
// Nothing: the report is not the stub's.
std::optional<uint32_t> refusal_of_report(uint32_t value);
// The number in a guest's last word to KVM. Nothing: that was not the stub's.
std::optional<uint32_t> refusal_of_end(const vcpu::End& end);

// "boot stub: initrd is not what was measured".
std::string refusal_text(uint32_t number);

}  // namespace bartizan::vmm::machine
