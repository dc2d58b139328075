// The volume key of a disk that another program formatted, LUKS1 or LUKS2, by its passphrase.
#pragma once

#include <filesystem>

#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"

namespace bartizan::image::luks2 {

struct LuksPayload {
  SecretBytes volume_key;
  uint64_t offset = 0, size = 0;  // of the encrypted bytes on the disk
  uint32_t sector_size = 512;
};

// `disk`: a regular file that nobody else can write, as libcryptsetup reads it again (and repairs
// it); `head`: its first kMaxLuksHeadBytes, or all of it. Errors: verification_failed, reason
// "source_passphrase": it opens no key slot; unsupported: another cipher than aes-xts-plain64, or
// more than one segment; resource_exhausted: a header that wants more work or memory than its
// makers' defaults ever do; corrupt.
Result<LuksPayload> unlock_luks(const std::filesystem::path& disk, ByteView head,
                                uint64_t disk_bytes, const SecretBytes& passphrase,
                                std::string_view name);

}  // namespace bartizan::image::luks2
