// The dm-verity tree as its verifier sees it (Linux
// Documentation/admin-guide/device-mapper/verity.rst, hash type 1): our own walk, so that an image
// which libcryptsetup made is judged by something else. Works inside a larger file.
#pragma once

#include "base/progress.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::image::verity {

// Blocks that a tree over `data_blocks` takes.
uint64_t verity_tree_blocks(uint64_t data_blocks);

// Hashes all data at `fd` from byte `start` on, level by level, and compares each level with the
// stored one and the top with the root hash. verification_failed, reason "verity", names the first
// block that differs.
Result<void> verify_tree(int fd, uint64_t start, const guest_abi::Manifest::Verity& verity,
                         const std::string& name, Meter& meter);

}  // namespace bartizan::image::verity
