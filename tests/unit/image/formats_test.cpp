// Small formats: LUKS2 JSON, KRUN footer, OCI documents, verity sizes, compression.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "image/builder/krun.hpp"
#include "image/layer/decompress.hpp"
#include "image/luks2/header.hpp"
#include "image/oci/image_manifest.hpp"
#include "image/support.hpp"
#include "image/verity/tree.hpp"

namespace bartizan::image {
namespace {

// As cryptsetup 2.6.1 wrote it.
std::string luks2_json() {
  return test::read_text(std::string(BARTIZAN_SOURCE_DIR) +
                         "/tests/fuzz/corpus/luks2_json_fuzz/header");
}

TEST(Luks2Json, NumbersOfAHeaderThatCryptsetupMade) {
  auto luks2 = luks2::parse_luks2_json(luks2_json());
  ASSERT_TRUE(luks2.ok()) << luks2.error().describe();
  EXPECT_EQ(luks2->cipher, "aes-xts-plain64");
  EXPECT_EQ(luks2->key_bytes, 64u);
  EXPECT_EQ(luks2->keyslot.offset, 32768u);
  EXPECT_EQ(luks2->keyslot.stripes, 4000u);
  EXPECT_EQ(luks2->keyslot.iterations, 1000u);
  EXPECT_EQ(luks2->keyslot.salt.size(), 32u);
  EXPECT_EQ(luks2->digest.value.size(), 32u);
}

TEST(Luks2Json, RefusesWhatIsNotThere) {
  auto with = [](std::string_view from, std::string_view to) {
    std::string text = luks2_json();
    size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return luks2::parse_luks2_json(text.replace(at, from.size(), to));
  };
  EXPECT_EQ(with("\"segments\"", "\"segmentz\"").error().code, ErrorCode::corrupt);
  EXPECT_EQ(with("\"pbkdf2\"", "\"argon2id\"").error().code, ErrorCode::unsupported);
  EXPECT_EQ(with("\"32768\"", "\"-1\"").error().code, ErrorCode::corrupt);
  EXPECT_EQ(with("\"32768\"", "\"99999999999999999999\"").error().code, ErrorCode::corrupt);
  EXPECT_EQ(luks2::parse_luks2_json("[]").error().code, ErrorCode::corrupt);
}

TEST(KrunFooter, EndsWholeBlocks) {
  for (size_t size : {0, 1, 4083, 4084, 4085, 8180}) {
    std::string json(size, 'j');
    Bytes footer = builder::krun_footer(json);
    EXPECT_EQ(footer.size() % 4096, 0u);
    EXPECT_EQ(builder::parse_krun_footer(footer).value(), json);
  }
  EXPECT_EQ(builder::krun_footer(std::string(4084, 'j')).size(), 4096u);
}

TEST(KrunFooter, RefusesLies) {
  Bytes footer = builder::krun_footer("{}");
  auto changed = [&](size_t from_end, uint8_t value) {
    Bytes copy = footer;
    copy[copy.size() - from_end] = value;
    return builder::parse_krun_footer(copy);
  };
  EXPECT_EQ(changed(12, 'k').error().code, ErrorCode::corrupt);
  EXPECT_EQ(changed(6, 1).error().code, ErrorCode::corrupt);  // 64 KiB more than there is
  EXPECT_EQ(changed(1, 0xff).error().code, ErrorCode::corrupt);
  EXPECT_EQ(builder::parse_krun_footer(Bytes(5)).error().code, ErrorCode::corrupt);
}

TEST(KrunConfig, RoundTripAndBounds) {
  builder::KrunConfig config{"id", "https://x", 3, 700};
  auto again = builder::parse_krun_json(builder::krun_json(config).value()).value();
  EXPECT_EQ(again.workload_id, "id");
  EXPECT_EQ(again.vcpus, 3u);
  EXPECT_EQ(again.ram_mib, 700u);
  EXPECT_EQ(builder::parse_krun_json(builder::krun_json({"id", "", 256, 1}).value()).error().code,
            ErrorCode::corrupt);
}

TEST(ImageManifest, MediaTypesAndDigests) {
  std::string digest = "sha256:" + std::string(64, 'a');
  auto document = [&](std::string config, std::string layer, std::string layer_digest) {
    return oci::parse_image_manifest(
        fmt::format(
            R"({{"config":{{"mediaType":"{}","digest":"{}","size":1}},"layers":[{{"mediaType":"{}","digest":"{}","size":1}}]}})",
            config, digest, layer, layer_digest),
        "test");
  };
  std::string config(oci::kConfigType), layer(oci::kLayerType);
  EXPECT_TRUE(document(config, layer, digest).ok());
  EXPECT_TRUE(document(config, layer + "+zstd", digest).ok());
  EXPECT_EQ(document(config, layer + "+lz4", digest).error().code, ErrorCode::unsupported);
  EXPECT_EQ(document("application/vnd.cncf.helm.config.v1+json", layer, digest).error().code,
            ErrorCode::unsupported);
  for (const std::string& bad :
       std::vector<std::string>{"sha256:../x", "md5:00", "sha256:" + std::string(63, 'a'),
                                "sha256:" + std::string(64, 'A')}) {
    EXPECT_EQ(document(config, layer, bad).error().code, ErrorCode::corrupt) << bad;
  }
}

TEST(VerityTree, Sizes) {
  EXPECT_EQ(verity::verity_tree_blocks(1), 1u);
  EXPECT_EQ(verity::verity_tree_blocks(128), 1u);
  EXPECT_EQ(verity::verity_tree_blocks(129), 3u);
  EXPECT_EQ(verity::verity_tree_blocks(128 * 128 + 1), 129u + 2 + 1);
}

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
  std::unique_ptr<layer::ByteSource> source =
      std::make_unique<layer::MemorySource>(as_bytes(packed));
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
