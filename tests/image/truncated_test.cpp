// Files that end too early, at every step of 4 KiB: layers (with a digest that fits the stump and
// with one that does not), the JSON of a layout, and finished images before everybody who reads
// them. `corrupt`, by name, and nothing left.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kStep = 4096;

#define EXPECT_CORRUPT(result, where)                                           \
  do {                                                                          \
    const auto& got = (result);                                                 \
    ASSERT_FALSE(got.ok()) << where;                                            \
    EXPECT_EQ(got.error().code, ErrorCode::corrupt) << got.error().describe();  \
    EXPECT_EQ(got.error().describe().find('\n'), std::string::npos) << where;   \
    EXPECT_GT(got.error().message.size(), 20u) << where << got.error().message; \
  } while (false)

// So that no compression makes it small.
std::string noise(size_t size) {
  std::string text(size, '\0');
  std::mt19937 random(7);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class Truncated : public testing::TestWithParam<const char*> {
 protected:
  BuildOptions options() const {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "out";
    return options;
  }
  void expect_nothing_left() {
    for (const auto& entry : fs::directory_iterator(scratch_.path()))
      EXPECT_FALSE(entry.path().filename().string().starts_with("out")) << entry.path();
  }
  fs::path largest_blob(const std::string& layout) const {
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(scratch_ / (layout + "/blobs/sha256"))) {
      if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
    }
    return largest;
  }
  ScratchFolder scratch_;
};

TEST_P(Truncated, LayerAtEveryStep) {
  std::string tar = make_tar({{"a/", '5'}, {"a/b", '0', noise(100'000)}, {"c", '0', noise(3000)}});
  std::string tool = GetParam(), blob = tar, type = "application/vnd.oci.image.layer.v1.tar";
  if (!tool.empty()) {
    write_text(scratch_ / "tar", tar);
    ToolResult packed =
        run_tool(fmt::format("cd '{}' && {} -c tar > packed", scratch_.path().string(), tool));
    ASSERT_EQ(packed.status, 0) << packed.output;
    blob = read_text(scratch_ / "packed");
    type += "+" + tool;
  }
  ASSERT_GT(blob.size(), 100'000u);
  for (uint64_t size = kStep; size < blob.size() - 1024; size += kStep) {
    make_layout(scratch_ / "src", {{blob.substr(0, size), type, tar}});
    EXPECT_CORRUPT(build_image(options()), size);
    expect_nothing_left();
    fs::remove_all(scratch_ / "src");
    make_layout(scratch_ / "src", {{blob, type, tar}});
    fs::resize_file(largest_blob("src"), size);
    EXPECT_CORRUPT(build_image(options()), size);
    expect_nothing_left();
    fs::remove_all(scratch_ / "src");
  }
}
INSTANTIATE_TEST_SUITE_P(Compressed, Truncated, testing::Values("", "gzip", "zstd"),
                         [](const auto& info) {
                           return std::string(*info.param ? info.param : "plain");
                         });

TEST_F(Truncated, JsonOfALayoutAtEveryByte) {
  make_layout(scratch_ / "src", {{make_tar({{"a"}})}});
  for (const char* name : {"index.json", "oci-layout"}) {
    std::string whole = read_text(scratch_ / "src" / name);
    for (size_t size = 0; size < whole.size(); ++size) {
      write_text(scratch_ / "src" / name, whole.substr(0, size));
      EXPECT_CORRUPT(build_image(options()), name << " " << size);
    }
    write_text(scratch_ / "src" / name, whole);
  }
  expect_nothing_left();
}

class TruncatedImage : public Truncated {
 protected:
  void SetUp() override {
    make_layout(scratch_ / "src", {{make_tar({{"a", '0', noise(200'000)}})}});
    for (const char* name : {"image", "whole"}) {
      auto options = this->options();
      options.output = scratch_ / name;
      auto report = build_image(options);
      ASSERT_TRUE(report.ok()) << report.error().describe();
      key_ = std::move(report->disk_key);
    }
  }
  // Longest first, as a file can only be cut.
  void expect_corrupt_at_every_step(const fs::path& image, const fs::path& file) {
    uint64_t whole = fs::file_size(file), steps = 0;
    for (uint64_t size = (whole - 1) / kStep * kStep; size > 0; size -= kStep, ++steps) {
      fs::resize_file(file, size);
      EXPECT_CORRUPT(inspect_image(image), size);
      EXPECT_CORRUPT(verify_image(image), size);
      EXPECT_CORRUPT(verify_image(image, key_.clone()), size);
      EXPECT_CORRUPT(diff_images(image, scratch_ / "whole"), size);
      EXPECT_CORRUPT(diff_images(scratch_ / "whole", image), size);
    }
    EXPECT_GT(steps, 250u);
  }
  SecretBytes key_;
};

TEST_F(TruncatedImage, LayoutAtEveryStep) {
  expect_corrupt_at_every_step(scratch_ / "image", largest_blob("image"));
}

TEST_F(TruncatedImage, DiskAtEveryStep) {
  ToolResult unpacked = run_tool(fmt::format(
      "cd '{}' && umoci unpack --rootless --image image:latest bundle", scratch_.path().string()));
  ASSERT_EQ(unpacked.status, 0) << unpacked.output;
  fs::path root = scratch_ / "bundle/rootfs";
  ASSERT_TRUE(verify_image(root).ok());
  expect_corrupt_at_every_step(root, root / "disk.img");
}

TEST_F(TruncatedImage, JsonAtEveryByte) {
  fs::path index = scratch_ / "image/index.json";
  std::string whole = read_text(index);
  for (size_t size = 0; size < whole.size(); ++size) {
    write_text(index, whole.substr(0, size));
    EXPECT_CORRUPT(inspect_image(scratch_ / "image"), size);
    EXPECT_CORRUPT(verify_image(scratch_ / "image"), size);
    EXPECT_CORRUPT(diff_images(scratch_ / "whole", scratch_ / "image"), size);
  }
}

}  // namespace
}  // namespace bartizan::test
