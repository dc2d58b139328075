// The table by which QEMU passes to OVMF what to boot (QEMU: target/i386/sev.c): SHA-256 of command
// line, initrd and kernel, each under its GUID. It is measured, so the three files are.
#pragma once

#include <array>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/hash.hpp"

namespace bartizan::plan::tee::snp {

struct KernelHashes {
  crypto::Sha256Digest kernel{}, initrd{}, command_line{};

  // Without an initrd: of no bytes. The command line is hashed with its final zero byte.
  static KernelHashes of(ByteView kernel, ByteView initrd, std::string_view command_line);
};

// 168, padded to a multiple of 16 as LAUNCH_UPDATE_DATA needs
constexpr size_t kHashTableBytes = 176;

std::array<uint8_t, kHashTableBytes> hash_table(const KernelHashes& hashes);

}  // namespace bartizan::plan::tee::snp
