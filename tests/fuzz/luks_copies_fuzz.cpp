// Two hostile copies of a LUKS2 header, or a LUKS1 header. The first byte says how: bit 0, the rest
// is a disk's beginning as it is; otherwise 512 bytes of each copy follow, of which bits 1 and 2
// say where the second lies, and bits 3 and 4 whose checksum is set right.
#include <algorithm>
#include <cstdlib>

#include "crypto/hash.hpp"
#include "image/luks2/luks_info.hpp"

namespace {

using namespace bartizan;  // NOLINT
constexpr size_t kBinaryBytes = 512, kChecksum = 448, kChecksumBytes = 64, kDigestBytes = 32;
constexpr size_t kAlgorithm = 72, kAlgorithmBytes = 32, kSmallestCopy = 16 * 1024;

void put(std::span<uint8_t> copy, ByteView binary, bool mend) {
  std::copy(binary.begin(), binary.end(), copy.begin());
  if (!mend) return;
  std::fill_n(copy.begin() + kChecksum, kChecksumBytes, 0);
  auto digest = crypto::sha256(copy);
  std::copy(digest.begin(), digest.end(), copy.begin() + kChecksum);
}

Bytes head_of(uint8_t how, ByteView input) {
  if (how & 1) return Bytes(input.begin(), input.end());
  size_t size = kSmallestCopy << (how >> 1 & 3);
  Bytes head(2 * size);
  ByteView first = input.first(std::min(input.size(), kBinaryBytes));
  ByteView second = input.subspan(first.size());
  second = second.first(std::min(second.size(), kBinaryBytes));
  put(std::span(head).first(size), first, how & 8);
  put(std::span(head).subspan(size), second, how & 16);
  return head;
}

bool is_checksummed(ByteView head) {
  std::string_view algorithm = as_text(head.subspan(kAlgorithm, kAlgorithmBytes));
  return algorithm.substr(0, algorithm.find('\0')) == "sha256";
}

// What was whole is not any more when a byte of the first copy changes, unless nothing covers it:
// the algorithm's own name, what a checksum field has beyond the digest.
void expect_noticed(Bytes head) {
  size_t at = head[kChecksum] << 4 | head[kChecksum + 1];
  bool covered = at < kAlgorithm || (at >= kAlgorithm + kAlgorithmBytes &&
                                     (at < kChecksum + kDigestBytes || at >= kBinaryBytes));
  if (!covered) return;
  head[at] ^= 1;
  auto copies = image::luks2::check_luks_copies(head);
  if (copies.ok() && copies->version == 2 && copies->remark.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Bytes head = head_of(data[0], ByteView(data, size).subspan(1));
  auto copies = image::luks2::check_luks_copies(head);
  if (!copies.ok()) {
    if (copies.error().code != ErrorCode::corrupt) std::abort();
    return 0;
  }
  if (copies->version != 1 && copies->version != 2) std::abort();
  if (copies->version == 2 && copies->remark.empty() && is_checksummed(head))
    expect_noticed(std::move(head));
  return 0;
}
