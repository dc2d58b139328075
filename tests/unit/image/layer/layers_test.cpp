// What several layers together show. Each case was checked by hand against the order in which an
// unpacker would go; tests/image compares with umoci.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "image/layer/apply.hpp"
#include "image/support.hpp"

namespace bartizan::image {
namespace {

using test::make_tar;
using Layers = std::vector<std::vector<test::TarItem>>;  // lowest first

// Keeps everything that is written, by offset.
class DiskInMemory : public filesystem::BlockSink {
 public:
  Result<void> write(uint64_t offset, ByteView bytes) override {
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<ptrdiff_t>(offset));
    return {};
  }
  Bytes content;
};

class Merge {
 public:
  explicit Merge(const Layers& layers) : writer_(sink_), merger_(writer_, scratch_.path()) {
    for (size_t i = layers.size(); i > 0; --i) {
      std::string tar = test::make_tar(layers[i - 1]);
      auto open = [&]() -> Result<std::unique_ptr<tar::ByteSource>> {
        ++opened_;
        return std::unique_ptr<tar::ByteSource>(std::make_unique<tar::MemorySource>(as_bytes(tar)));
      };
      result_ = merger_.apply(static_cast<uint16_t>(i), fmt::format("layer {}", i), open);
      if (!result_.ok()) return;
    }
    auto tree = merger_.finish();
    if (!tree.ok()) {
      result_ = tree.error();
      return;
    }
    tree_ = *tree;
    list(filesystem::Tree::kRoot, "");
  }

  // "path=content", "path/" or "path->target", sorted, separated by blanks.
  const std::string& text() const { return text_; }
  const Result<void>& result() const { return result_; }
  const filesystem::Inode& inode(const std::string& path) const {
    filesystem::NodeId node = filesystem::Tree::kRoot;
    tar::Path parts = tar::split_path(path, "t").value();
    for (const std::string& part : parts) node = tree_->find(node, part);
    return tree_->inode_of(node);
  }
  int opened() const { return opened_; }
  uint64_t written() const { return sink_.content.size(); }
  const filesystem::Tree::Totals& totals() const { return merger_.totals(); }

 private:
  void list(filesystem::NodeId folder, const std::string& path) {
    for (filesystem::NodeId child : tree_->children(folder)) {
      std::string name(tree_->name(child));
      if (!text_.empty()) text_ += ' ';
      text_ += path + name;
      const filesystem::Inode& inode = tree_->inode_of(child);
      if (inode.type == filesystem::FileType::directory) {
        text_ += '/';
        list(child, path + name + "/");
      } else {
        text_ += inode.type == filesystem::FileType::symlink ? "->" : "=";
        text_ += tree_->attributes(tree_->node(child).inode).value().tail;
      }
    }
  }

  test::ScratchFolder scratch_;
  DiskInMemory sink_;
  filesystem::ErofsWriter writer_;
  layer::LayerMerger merger_;
  Result<void> result_;
  filesystem::Tree* tree_ = nullptr;
  std::string text_;
  int opened_ = 0;
};

std::string merged(const Layers& layers) {
  Merge merge(layers);
  return merge.result().ok() ? merge.text() : merge.result().error().describe();
}

TEST(Layers, HigherReplacesLower) {
  EXPECT_EQ(merged({{{"a", '0', "1"}, {"b", '0', "1"}}, {{"a", '0', "2"}}}), "a=2 b=1");
}

TEST(Layers, WhiteoutsHideLowerLayersOnly) {
  EXPECT_EQ(merged({{{"a", '0', "1"}, {"d/", '5'}, {"d/x", '0', "1"}}, {{".wh.a"}, {".wh.d"}}}),
            "");
  EXPECT_EQ(merged({{{"a", '0', "1"}}, {{".wh.a"}, {"a", '0', "2"}}}), "a=2");
  EXPECT_EQ(merged({{{"a", '0', "1"}}, {{"a", '0', "2"}, {".wh.a"}}}), "a=2");
  EXPECT_EQ(merged({{{"a", '0', "1"}}, {{".wh.a"}}, {{"a", '0', "3"}}}), "a=3");
  EXPECT_EQ(
      merged({{{"d/", '5'}, {"d/x", '0', "1"}}, {{".wh.d"}}, {{"d/", '5'}, {"d/y", '0', "3"}}}),
      "d/ d/y=3");
}

TEST(Layers, OpaqueFoldersKeepTheirOwn) {
  EXPECT_EQ(merged({{{"d/", '5'}, {"d/x", '0', "1"}},
                    {{"d/", '5'}, {"d/.wh..wh..opq"}, {"d/y", '0', "2"}}}),
            "d/ d/y=2");
  EXPECT_EQ(
      merged({{{"d/x", '0', "1"}}, {{"d/y", '0', "2"}, {"d/.wh..wh..opq"}}, {{"d/z", '0', "3"}}}),
      "d/ d/y=2 d/z=3");
}

TEST(Layers, FoldersAndFilesReplaceEachOther) {
  EXPECT_EQ(merged({{{"d/", '5'}, {"d/x", '0', "1"}}, {{"d", '0', "2"}}}), "d=2");
  EXPECT_EQ(merged({{{"d", '0', "1"}}, {{"d/", '5'}, {"d/x", '0', "2"}}}), "d/ d/x=2");
  // A folder that was a file in between shows nothing from before.
  EXPECT_EQ(merged({{{"d/", '5'}, {"d/old", '0', "1"}},
                    {{"d", '0', "2"}},
                    {{"d/", '5'}, {"d/new", '0', "3"}}}),
            "d/ d/new=3");
  EXPECT_EQ(merged({{{"d/", '5'}, {"d/old", '0', "1"}}, {{"d", '0', "2"}, {"d/.wh.old"}}}), "d=2");
}

TEST(Layers, LaterEntryOfTheSameLayerWins) {
  EXPECT_EQ(merged({{{"a", '0', "1"}, {"a", '0', "2"}}}), "a=2");
  EXPECT_EQ(merged({{{"d/", '5'}, {"d/x", '0', "1"}, {"d", '0', "2"}}}), "d=2");
  EXPECT_EQ(merged({{{"d", '0', "1"}, {"d/", '5'}, {"d/x", '0', "2"}}}), "d/ d/x=2");
}

TEST(Layers, FoldersGivenLateOrNever) {
  Merge merge({{{"d/e/x", '0', "1"}, {"d/", '5', "", "", 0700}}});
  EXPECT_EQ(merge.text(), "d/ d/e/ d/e/x=1");
  EXPECT_EQ(merge.inode("d").mode, 0700u);
  EXPECT_EQ(merge.inode("d/e").mode, 0755u);
  // A higher layer's file does not stand for its folders: those come from below.
  Merge below({{{"d/", '5', "", "", 0711}}, {{"d/x", '0', "2"}}});
  EXPECT_EQ(below.inode("d").mode, 0711u);
}

TEST(Layers, HiddenContentIsNeverWritten) {
  std::string large(100'000, 'x');
  Merge merge({{{"a", '0', large}, {"b", '0', large}}, {{".wh.a"}, {"b", '0', "2"}}});
  EXPECT_EQ(merge.text(), "b=2");
  EXPECT_EQ(merge.written(), 0u);
  EXPECT_EQ(merge.totals().entries, 1u);
  EXPECT_EQ(merge.totals().content_bytes, 1u);
}

TEST(Layers, HardLinksShareTheInode) {
  Merge merge({{{"a", '0', "1"}, {"b", '1', "", "a"}, {"c", '1', "", "b"}}});
  EXPECT_EQ(merge.text(), "a=1 b=1 c=1");
  EXPECT_EQ(&merge.inode("a"), &merge.inode("c"));
  EXPECT_EQ(merge.totals().content_bytes, 1u);
}

TEST(Layers, HardLinkKeepsAHiddenFileAlive) {
  Merge gone({{{"a", '0', "1"}, {"b", '1', "", "a"}, {"c", '1', "", "b"}}, {{".wh.a"}}});
  EXPECT_EQ(gone.text(), "b=1 c=1");
  EXPECT_EQ(&gone.inode("b"), &gone.inode("c"));
  EXPECT_EQ(gone.opened(), 3);
  EXPECT_EQ(merged({{{"a", '0', "1"}, {"b", '1', "", "a"}}, {{"a", '0', "2"}}}), "a=2 b=1");
  // Both hidden, the third one needs them.
  EXPECT_EQ(
      merged({{{"a", '0', "1"}, {"b", '1', "", "a"}, {"c", '1', "", "b"}}, {{".wh.a"}, {".wh.b"}}}),
      "c=1");
}

TEST(Layers, HardLinkAcrossLayers) {
  Merge merge({{{"a", '0', "1"}}, {{"b", '1', "", "a"}}});
  EXPECT_EQ(merge.text(), "a=1 b=1");
  EXPECT_EQ(&merge.inode("a"), &merge.inode("b"));
  EXPECT_EQ(merged({{{"a", '0', "1"}}, {{"b", '1', "", "a"}}, {{".wh.a"}}}), "b=1");
  EXPECT_EQ(merged({{{"a", '0', "1"}}, {{"b", '1', "", "a"}}, {{"a", '0', "3"}}}), "a=3 b=1");
  EXPECT_EQ(merged({{{"x", '0', "1"}, {"a", '1', "", "x"}}, {{"b", '1', "", "a"}}, {{".wh.a"}}}),
            "b=1 x=1");
}

TEST(Layers, PathsThroughLinks) {
  // In the same layer, from a lower layer, and with a target that means to leave the root.
  EXPECT_EQ(merged({{{"usr/lib/", '5'}, {"lib", '2', "", "usr/lib"}, {"lib/x", '0', "1"}}}),
            "lib->usr/lib usr/ usr/lib/ usr/lib/x=1");
  EXPECT_EQ(merged({{{"usr/lib/", '5'}, {"usr/lib/x", '0', "1"}, {"lib", '2', "", "usr/lib"}},
                    {{"lib/x", '0', "2"}, {"lib/y", '0', "2"}}}),
            "lib->usr/lib usr/ usr/lib/ usr/lib/x=2 usr/lib/y=2");
  EXPECT_EQ(merged({{{"out", '2', "", "../../.."}, {"out/x", '0', "1"}}}), "out->../../.. x=1");
  EXPECT_EQ(merged({{{"usr/lib/x", '0', "1"}, {"lib", '2', "", "/usr/lib"}},
                    {{"lib/.wh.x"}, {"lib/y", '0', "2"}}}),
            "lib->/usr/lib usr/ usr/lib/ usr/lib/y=2");
  // A folder of its own in the higher layer replaces the link instead.
  EXPECT_EQ(merged({{{"lib", '2', "", "usr/lib"}}, {{"lib/", '5'}, {"lib/x", '0', "2"}}}),
            "lib/ lib/x=2");
  // What was below a folder that a higher layer made a link stays hidden.
  EXPECT_EQ(merged({{{"d/x", '0', "1"}}, {{"d", '2', "", "e"}}}), "d->e");
}

TEST(Layers, DevicesAndAufsLeftovers) {
  Merge merge({{{"null", '3'}, {"pipe", '6'}, {".wh..wh.aufs"}, {".wh..wh.plnk/", '5'}}});
  EXPECT_EQ(merge.text(), "null= pipe=");
  EXPECT_EQ(merge.inode("null").type, filesystem::FileType::char_device);
  EXPECT_EQ(merge.inode("null").block, 1u << 8 | 3);
}

}  // namespace
}  // namespace bartizan::image
