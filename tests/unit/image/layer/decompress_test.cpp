// Compressed layers: several members, truncations, rubbish behind them.
#include "image/layer/decompress.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

namespace bartizan::image {
namespace {

std::string gzip(std::string_view text) {
  std::string out(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view packed) {
  std::unique_ptr<tar::ByteSource> source = std::make_unique<tar::MemorySource>(as_bytes(packed));
  auto stream = layer::decompress(layer::Compression::gzip, std::move(source), "test").value();
  std::string text;
  Bytes chunk(1000);
  for (;;) {
    auto got = stream->read(chunk);
    if (!got.ok()) return got.error();
    if (*got == 0) return text;
    text.append(as_text(chunk).substr(0, *got));
  }
}

TEST(Gzip, SeveralMembersAndEveryTruncation) {
  std::string text(5000, 'x'), packed = gzip(text);
  EXPECT_EQ(gunzip(packed + packed).value(), text + text);
  for (size_t size = 1; size < packed.size(); ++size) {
    auto cut = gunzip(std::string_view(packed).substr(0, size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::corrupt);
  }
  EXPECT_EQ(gunzip(packed + "garbage").error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::image
