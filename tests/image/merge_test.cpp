// Layers drawn at random from few names, so that everything collides, merged by us and unpacked by
// umoci: both must show the same. Where umoci refuses a layer there is nothing to compare.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;

class LayerMaker {
 public:
  // Most images name every parent folder, as tools do; every fourth does not.
  explicit LayerMaker(uint32_t seed) : random_(seed), parents_(seed % 4 != 0) {}

  std::vector<TarItem> layer(int number) {
    std::vector<TarItem> items;
    std::vector<std::string> files;
    int count = 1 + draw(6);
    for (int i = 0; i < count; ++i) {
      TarItem next = item(fmt::format("{}.{}", number, i), files);
      if (parents_) add_parents(next.name, items);
      items.push_back(std::move(next));
    }
    return items;
  }

 private:
  int draw(int end) { return static_cast<int>(random_() % static_cast<uint32_t>(end)); }
  std::string name() { return std::string(1, "abc"[draw(3)]); }
  std::string path() {
    std::string text = name();
    for (int depth = draw(3); depth > 0; --depth) text += "/" + name();
    return text;
  }
  std::string beside(const std::string& path, const std::string& prefix) {
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? prefix + path
                                      : path.substr(0, slash + 1) + prefix + path.substr(slash + 1);
  }

  TarItem item(const std::string& content, std::vector<std::string>& files) {
    std::string path = this->path();
    switch (draw(10)) {
      case 0:
      case 1:
        return {path + "/", '5', "", "", 0700u + static_cast<uint32_t>(draw(64))};
      case 2:
        return {beside(path, ".wh."), '0'};
      case 3:
        return {path + "/.wh..wh..opq", '0'};
      case 4:
        if (!files.empty())
          return {path, '1', "", files[static_cast<size_t>(draw(static_cast<int>(files.size())))]};
        [[fallthrough]];
      default:
        files.push_back(path);
        return {path, '0', content + "\n"};
    }
  }

  static void add_parents(const std::string& path, std::vector<TarItem>& items) {
    for (size_t slash = path.find('/'); slash != std::string::npos && slash + 1 < path.size();
         slash = path.find('/', slash + 1)) {
      items.push_back({path.substr(0, slash + 1), '5', "", "", 0755});
    }
  }

  std::mt19937 random_;
  bool parents_;
};

std::string script(const std::string& name, const fs::path& argument) {
  return fmt::format("bash '{}/tests/image/{}' '{}'", BARTIZAN_SOURCE_DIR, name, argument.string());
}

std::string describe(const std::vector<std::vector<TarItem>>& layers) {
  std::string text;
  for (const auto& layer : layers) {
    text += "layer:";
    for (const TarItem& item : layer)
      text +=
          fmt::format(" {}{}{}{}", item.type, item.name, item.link.empty() ? "" : "=>", item.link);
    text += "\n";
  }
  return text;
}

// False if umoci refuses the image.
bool compare(uint32_t seed) {
  ScratchFolder scratch;
  LayerMaker maker(seed);
  std::vector<std::vector<TarItem>> layers;
  std::vector<LayerBlob> blobs;
  for (int number = 1; number <= 4; ++number) {
    layers.push_back(maker.layer(number));
    blobs.push_back({make_tar(layers.back())});
  }
  make_layout(scratch / "src", blobs);
  std::string in = fmt::format("cd '{}'; ", scratch.path().string());
  ToolResult umoci = run_tool(in + "umoci unpack --rootless --image src:latest want");
  if (umoci.status != 0) return false;
  BuildOptions options;
  options.source = scratch / "src";
  options.output = scratch / "out";
  auto report = build_image(options);
  EXPECT_TRUE(report.ok()) << report.error().describe() << "\nseed " << seed << "\n"
                           << describe(layers);
  if (!report.ok()) return true;
  decrypt_filesystem(options.output, report->disk_key, scratch / "fs");
  ToolResult fsck =
      run_tool(in + "fsck.erofs --no-preserve-owner --preserve-perms --extract=got fs");
  EXPECT_EQ(fsck.status, 0) << fsck.output;
  ToolResult want = run_tool(script("list_structure.sh", scratch / "want/rootfs")),
             got = run_tool(script("list_structure.sh", scratch / "got"));
  EXPECT_EQ(want.output, got.output) << "seed " << seed << "\n" << describe(layers);
  return true;
}

TEST(Merge, ShowsWhatUmociUnpacks) {
  constexpr uint32_t kImages = 40;
  uint32_t compared = 0;
  for (uint32_t seed = 1; seed <= kImages; ++seed) compared += compare(seed);
  EXPECT_GT(compared, kImages / 3);
  RecordProperty("compared", static_cast<int>(compared));
}

}  // namespace
}  // namespace bartizan::test
