// A hostile LUKS2 header as a whole, read through libcryptsetup: 512 bytes of binary header, then
// its JSON. Sizes and checksums are set right here, as an attacker would, or nothing but the
// checksum were ever tried.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.hpp"
#include "crypto/hash.hpp"
#include "image/luks2/header.hpp"

namespace {

using namespace bartizan;  // NOLINT
constexpr size_t kCopyBytes = 16 * 1024, kBinaryBytes = 512, kJsonAt = 4096;
constexpr size_t kDiskBytes = (1 << 20) + 4096;

// struct luks2_hdr_disk of the LUKS2 On-Disk Format Specification 1.0, §2.1: big endian.
void put_be64(Bytes& to, size_t at, uint64_t value) {
  for (int i = 0; i < 8; ++i) to[at + i] = static_cast<uint8_t>(value >> (56 - 8 * i));
}

Bytes make_copy(ByteView input, bool second) {
  constexpr size_t kSize = 8, kOffset = 256, kChecksum = 448, kChecksumBytes = 64;
  Bytes copy(kCopyBytes);
  ByteView binary = input.first(std::min(input.size(), kBinaryBytes));
  ByteView json = input.subspan(binary.size());
  json = json.first(std::min(json.size(), kCopyBytes - kJsonAt - 1));
  std::copy(binary.begin(), binary.end(), copy.begin());
  std::copy(json.begin(), json.end(), copy.begin() + kJsonAt);
  if (second) std::copy_n("SKUL", 4, copy.begin());
  put_be64(copy, kSize, kCopyBytes);
  put_be64(copy, kOffset, second ? kCopyBytes : 0);
  std::fill_n(copy.begin() + kChecksum, kChecksumBytes, 0);
  auto digest = crypto::sha256(copy);
  std::copy(digest.begin(), digest.end(), copy.begin() + kChecksum);
  return copy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int disk = ::memfd_create("disk", MFD_CLOEXEC);
  static const bool sized = ::ftruncate(disk, kDiskBytes) == 0;
  if (!sized) std::abort();
  for (bool second : {false, true}) {
    Bytes copy = make_copy({data, size}, second);
    if (!write_exactly(disk, copy, second ? kCopyBytes : 0, "disk").ok()) std::abort();
  }
  auto luks2 = image::luks2::read_luks2(fmt::format("/proc/self/fd/{}", disk));
  if (luks2.ok() && luks2->keyslot.kdf != "pbkdf2") std::abort();
  return 0;
}
