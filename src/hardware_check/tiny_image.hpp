// The smallest image that a guest can run: one static program that exits with kTinyImageStatus. For
// hosts where nothing can be fetched (scripts/hardware-check).
#pragma once

#include <filesystem>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::hardware_check {

constexpr int kTinyImageStatus = 42;

// An ELF executable for x86-64 that makes one system call.
Bytes tiny_program();

// Makes an OCI layout in `folder`, which exists and is empty.
Result<void> make_tiny_image(const std::filesystem::path& folder);

}  // namespace bartizan::hardware_check
