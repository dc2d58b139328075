// A hostile layer: first byte says how it is compressed. Whatever it holds, the merge ends, stays
// within the root, and what it accepts becomes a file system whose pieces lie inside it.
#include <cstdlib>

#include "image/layer/apply.hpp"
#include "image/layer/decompress.hpp"

namespace {

using namespace bartizan;  // NOLINT

class CheckedSink : public image::BlockSink {
 public:
  Result<void> write(uint64_t offset, ByteView bytes) override {
    if (offset != end_ && offset != 0) std::abort();
    if (offset != 0) end_ = offset + bytes.size();
    return {};
  }

 private:
  uint64_t end_ = image::kBlockSize;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto compression = static_cast<image::Compression>(data[0] % 3);
  CheckedSink sink;
  image::ErofsWriter writer(sink);
  image::LayerMerger merger(writer);
  ByteView content(data + 1, size - 1);
  // The same bytes as two layers: everything collides with itself.
  for (uint32_t number : {2, 1}) {
    auto applied = merger.apply(number, "layer", [&] {
      return image::decompress(compression, std::make_unique<image::MemorySource>(content),
                               "layer");
    });
    if (!applied.ok()) return 0;
  }
  auto root = merger.finish();
  if (!root.ok()) return 0;
  auto written = writer.finish(**root, {});
  if (written.ok() && *written % image::kBlockSize != 0) std::abort();
  return 0;
}
