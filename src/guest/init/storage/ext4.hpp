// A fresh ext4 for the scratch disk, by libext2fs: no mke2fs in the initrd.
#pragma once

#include <string>

#include "bartizan/result.hpp"

namespace bartizan::guest::init::storage {

// Formats the whole of `device` (a block device or a file): blocks of 4096 bytes, no journal (the
// file system does not outlive the boot), extended attributes and file types, as overlayfs wants
// them. Every block that the kernel will read is written, whole: on a fresh dm-integrity device
// one that never was is an I/O error.
Result<void> make_ext4(const std::string& device);

}  // namespace bartizan::guest::init::storage
