// The initramfs segment with the file that a SEV or SEV-ES launch secret goes into
// (guest_abi/launch_secret): one page, so that the content is physically contiguous, as KVM wants
// it, and 16-aligned, as the firmware does.
#pragma once

#include "base/bytes.hpp"
#include "guest_abi/stub_table.hpp"

namespace bartizan::plan::measure {

constexpr uint64_t kSecretOffset = guest_abi::kStubSecretOffset;  // of the file's content

Bytes launch_secret_page();

}  // namespace bartizan::plan::measure
