// Is this a whole EROFS? Superblock with its checksum, and every folder, inode, extent, extended
// attribute and link count that the root leads to. For images that somebody wants to trust: the
// kernel checks little of this.
#pragma once

#include <functional>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::image::filesystem {

// Gives block `number` of the file system, 4096 bytes.
using ReadBlock = std::function<Result<void>(uint64_t number, std::span<uint8_t> to)>;

struct ErofsTotals {
  uint64_t inodes = 0, folders = 0, content_bytes = 0;
};

// `blocks`: how many there are. corrupt: the message names the fault and its place; memory is
// bounded by the number of inodes, work by the number of links.
Result<ErofsTotals> check_erofs(const ReadBlock& read, uint64_t blocks);

// The superblock's magic alone: does the key decrypt a file system at all?
bool has_erofs_magic(ByteView first_block);

}  // namespace bartizan::image::filesystem
