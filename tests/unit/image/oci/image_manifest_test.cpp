// Image manifests: media types and digests.
#include "image/oci/image_manifest.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace bartizan::image {
namespace {

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

}  // namespace
}  // namespace bartizan::image
