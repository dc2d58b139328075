// A hostile layer: first byte says how it is compressed. Whatever it holds, the merge ends, stays
// within the root, and what it accepts becomes a file system whose pieces lie inside it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/units.hpp"
#include "image/layer/apply.hpp"
#include "image/layer/decompress.hpp"

namespace {

using namespace bartizan;  // NOLINT

class CheckedSink : public image::filesystem::BlockSink {
 public:
  Result<void> write(uint64_t offset, ByteView bytes) override {
    if (offset != end_ && offset != 0) std::abort();
    if (offset != 0) end_ = offset + bytes.size();
    return {};
  }

 private:
  uint64_t end_ = kBlockSize;
};

// The same bytes as two layers: everything collides with itself.
void merge(image::layer::Compression compression, ByteView content) {
  CheckedSink sink;
  image::filesystem::ErofsWriter writer(sink);
  image::layer::LayerMerger merger(writer, std::filesystem::temp_directory_path());
  for (uint16_t number : {2, 1}) {
    auto applied = merger.apply(number, "layer", [&] {
      return image::layer::decompress(compression,
                                      std::make_unique<image::tar::MemorySource>(content), "layer");
    });
    if (!applied.ok()) return;
  }
  auto tree = merger.finish();
  if (!tree.ok()) return;
  auto written = writer.finish(**tree, {});
  if (written.ok() && *written % kBlockSize != 0) std::abort();
}

// A wrong checksum ends an archive, so that hardly a change to a header would be seen otherwise:
// every block that looks like a header gets the right one.
Bytes with_checksums(ByteView tar) {
  constexpr size_t kBlock = 512, kMagic = 257, kChecksum = 148, kChecksumBytes = 8;
  Bytes mended(tar.begin(), tar.end());
  for (size_t at = 0; at + kBlock <= mended.size(); at += kBlock) {
    auto block = std::span(mended).subspan(at, kBlock);
    if (as_text(block).substr(kMagic, 5) != "ustar") continue;
    std::fill_n(block.begin() + kChecksum, kChecksumBytes, ' ');
    unsigned sum = 0;
    for (uint8_t byte : block) sum += byte;
    char text[kChecksumBytes];
    std::snprintf(text, sizeof text, "%06o", sum);
    std::copy_n(text, kChecksumBytes - 1, block.begin() + kChecksum);
  }
  return mended;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto compression = static_cast<image::layer::Compression>(data[0] % 3);
  ByteView content(data + 1, size - 1);
  merge(compression, content);
  if (compression == image::layer::Compression::none) merge(compression, with_checksums(content));
  return 0;
}
