// Hostile gzip and zstd streams; the first byte chooses. Read in large and in odd little pieces
// they give the same bytes and the same verdict.
#include <algorithm>
#include <cstdlib>

#include "crypto/hash.hpp"
#include "image/layer/decompress.hpp"

namespace {

using namespace bartizan;  // NOLINT
// A bomb may grow to gigabytes before it is refused, too much for one run here.
constexpr uint64_t kEnough = 8 << 20;

struct Outcome {
  std::array<uint8_t, 32> digest;
  uint64_t bytes = 0;
  bool fine = true;
};

Outcome unpack(image::layer::Compression compression, ByteView content, size_t piece) {
  Outcome outcome{};
  crypto::Hasher hasher(crypto::HashKind::sha256);
  auto source = image::layer::decompress(
      compression, std::make_unique<image::tar::MemorySource>(content), "fuzz");
  if (!source.ok()) std::abort();
  Bytes buffer(piece);
  while (outcome.bytes < kEnough) {
    auto part = std::span(buffer).first(std::min<uint64_t>(piece, kEnough - outcome.bytes));
    auto got = (*source)->read(part);
    if (!got.ok()) outcome.fine = false;
    if (!got.ok() || *got == 0) break;
    if (*got > part.size()) std::abort();
    hasher.update(part.first(*got));
    outcome.bytes += *got;
  }
  auto digest = hasher.finish();
  std::copy_n(digest.begin(), outcome.digest.size(), outcome.digest.begin());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto compression =
      data[0] % 2 ? image::layer::Compression::gzip : image::layer::Compression::zstd;
  ByteView content(data + 1, size - 1);
  Outcome large = unpack(compression, content, 256 * 1024), odd = unpack(compression, content, 997);
  // What is damaged may have given different amounts before it was found to be so.
  if (large.fine != odd.fine) std::abort();
  if (large.fine && (large.bytes != odd.bytes || large.digest != odd.digest)) std::abort();
  return 0;
}
