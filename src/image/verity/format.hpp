// Makes the dm-verity superblock and tree with libcryptsetup, in the same plain file as the data.
#pragma once

#include <filesystem>
#include <string>

#include "manifest/manifest.hpp"

namespace bartizan::image {

// Data is [0, data_bytes) of `path`. veritysetup's --hash-offset is data_bytes, where the
// superblock is; the returned hash_offset is the first hash block, one block later, which is what
// device-mapper wants.
Result<Manifest::Verity> format_verity(const std::filesystem::path& path, uint64_t data_bytes,
                                       ByteView salt, const std::string& uuid);

}  // namespace bartizan::image
