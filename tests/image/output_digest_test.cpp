// The output layer is hashed while it is written, on the strength of a prediction: whatever becomes
// of the prediction, sha256sum must find each blob's name to be its digest, and the image verifies.
#include <gtest/gtest.h>

#include <fstream>

#include "image/builder/filesystem_builder.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;

class OutputDigest : public testing::Test {
 protected:
  // Fails the test unless the image at `folder` is what its names say.
  void check(const fs::path& folder) {
    auto sums = run_tool("cd " + (folder / "blobs/sha256").string() +
                         " && for f in *; do echo \"$f  $f\"; done | sha256sum -c");
    EXPECT_EQ(sums.status, 0) << sums.output;
    auto verified = verify_image(folder, std::nullopt, {});
    EXPECT_TRUE(verified.ok()) << verified.error().describe();
  }
  void build(const ProgressSink& progress = {}) {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "out";
    options.progress = progress;
    auto report = build_image(options);
    ASSERT_TRUE(report.ok()) << report.error().describe();
    check(options.output);
  }
  std::optional<image::builder::PredictedFilesystem> prediction() {
    auto source = image::oci::read_layout(scratch_ / "src", "").value();
    return image::builder::predict_filesystem(scratch_ / "src", source, scratch_.path(), {});
  }
  static std::string big() {
    std::string bytes(3'000'001, 'x');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i >> 7);
    return bytes;
  }

  ScratchFolder scratch_;
};

TEST_F(OutputDigest, PredictionIsTheSuperblockThatComes) {
  make_layout(scratch_ / "src", {{make_tar({{"a", '0', big()}, {"gone", '0', "1"}, {"b/", '5'}})},
                                 {make_tar({{".wh.gone", '0'}, {"l", '2', "", "a"}})}});
  auto told = prediction();
  ASSERT_TRUE(told.has_value());
  BuildOptions options;
  options.source = scratch_ / "src";
  options.output = scratch_ / "out";
  auto report = build_image(options);
  ASSERT_TRUE(report.ok()) << report.error().describe();
  check(options.output);
  decrypt_filesystem(options.output, report->disk_key, scratch_ / "erofs");
  std::string erofs = read_text(scratch_ / "erofs");
  EXPECT_EQ(told->size, erofs.size());
  EXPECT_EQ(std::string(told->superblock.begin(), told->superblock.end()), erofs.substr(0, 4096));
}

// What is only counted is read back too: the configuration's tail is longer than all else.
TEST_F(OutputDigest, OfAnImageThatIsHardlyMoreThanItsConfiguration) {
  for (size_t size : {100u, 2500u, 3900u}) {
    std::error_code ignored;
    fs::remove_all(scratch_ / "src", ignored);
    fs::remove_all(scratch_ / "out", ignored);
    make_layout(scratch_ / "src", {{make_tar({{"x", '0', "1"}})}}, "latest",
                R"({"Cmd":["x"],"Env":["A=)" + std::string(size, 'a') + R"("]})");
    EXPECT_TRUE(prediction().has_value()) << size;
    build();
  }
}

TEST_F(OutputDigest, WithoutPrediction) {
  std::string tar = make_tar({{"a", '0', big()}});
  write_text(scratch_ / "tar", tar);
  ASSERT_EQ(run_tool("gzip -1 " + (scratch_ / "tar").string()).status, 0);
  make_layout(scratch_ / "src", {{read_text(scratch_ / "tar.gz"),
                                  "application/vnd.oci.image.layer.v1.tar+gzip", tar}});
  EXPECT_FALSE(prediction().has_value());
  build();
}

// The layer says something else while the prediction is made than when it is read in earnest.
TEST_F(OutputDigest, WrongPrediction) {
  std::string right = make_tar({{"a", '0', big()}, {"b", '0', std::string(5000, 'b')}});
  std::string other =
      make_tar({{"a", '0', big()}, {"b", '0', std::string(4608, 'b')}, {"c/", '5'}});
  ASSERT_EQ(right.size(), other.size());
  make_layout(scratch_ / "src", {{right}});
  auto told = prediction();
  fs::path blob;
  for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256"))
    if (entry.file_size() == right.size()) blob = entry.path();
  auto put = [&](const std::string& bytes) {
    std::fstream(blob, std::ios::in | std::ios::out | std::ios::binary) << bytes;
  };
  put(other);
  auto told_wrong = prediction();
  ASSERT_TRUE(told.has_value() && told_wrong.has_value());
  ASSERT_NE(told->superblock, told_wrong->superblock);
  build([&](const Progress& progress) {
    if (progress.stage == "layers" && progress.done > 0) put(right);
    return true;
  });
}

}  // namespace
}  // namespace bartizan::test
