#include "plan/bundle/create/lz4_legacy.hpp"

#include <lz4hc.h>

#include <algorithm>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::plan::bundle::create {
namespace {

constexpr uint32_t kMagic = 0x184c2102;
constexpr size_t kBlock = 8 * kMiB;

Result<void> append_block(ByteView block, Bytes* output) {
  size_t start = output->size();
  int bound = LZ4_compressBound(static_cast<int>(block.size()));
  output->resize(start + 4 + static_cast<size_t>(bound));
  int size = LZ4_compress_HC(reinterpret_cast<const char*>(block.data()),
                             reinterpret_cast<char*>(output->data() + start + 4),
                             static_cast<int>(block.size()), bound, LZ4HC_CLEVEL_MAX);
  if (size <= 0) return make_error(ErrorCode::internal, "bundle/lz4", "initrd: LZ4 gave up");
  store_le(output->data() + start, static_cast<uint32_t>(size));
  output->resize(start + 4 + static_cast<size_t>(size));
  return {};
}

}  // namespace

Result<Bytes> lz4_legacy(ByteView input) {
  Bytes output(4);
  store_le(output.data(), kMagic);
  while (!input.empty()) {
    auto block = input.first(std::min(input.size(), kBlock));
    TRY(append_block(block, &output));
    input = input.subspan(block.size());
  }
  return output;
}

}  // namespace bartizan::plan::bundle::create
