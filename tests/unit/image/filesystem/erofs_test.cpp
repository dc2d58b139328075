// The writer's own promises; that it is EROFS is for fsck.erofs and the kernel to say
// (tests/image).
#include <gtest/gtest.h>

#include "base/units.hpp"
#include "image/filesystem/erofs_layout.hpp"
#include "image/filesystem/erofs_writer.hpp"
#include "image/filesystem/xattrs.hpp"
#include "image/support.hpp"

namespace bartizan::image {
namespace {

class MemorySink : public filesystem::BlockSink {
 public:
  Result<void> write(uint64_t offset, ByteView bytes) override {
    if (offset == 0) superblock_last = offset + bytes.size() <= content.size();
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<ptrdiff_t>(offset));
    return {};
  }
  Bytes content;
  bool superblock_last = false;
};

filesystem::Inode& add_inode(filesystem::Tree& tree, filesystem::NodeId node,
                             filesystem::FileType type, std::string_view tail) {
  filesystem::InodeId id = tree.make_inode("t").value();
  tree.set_attributes(id, {0, 0, 0, 0, {}, std::string(tail)}).value();
  tree.node(node).inode = id;
  tree.inode(id).type = type;
  return tree.inode(id);
}

// A folder with `files` files of `size` bytes.
Bytes make_image(int files, size_t size, size_t piece) {
  MemorySink sink;
  filesystem::ErofsWriter writer(sink);
  test::ScratchFolder scratch;
  filesystem::Tree tree(scratch.path());
  add_inode(tree, filesystem::Tree::kRoot, filesystem::FileType::directory, "");
  Bytes content(size, 'c');
  for (int i = 0; i < files; ++i) {
    writer.begin_file().value();
    for (size_t at = 0; at < size; at += piece) {
      writer.append(ByteView(content).subspan(at, std::min(piece, size - at))).value();
    }
    auto end = writer.end_file(0).value();
    filesystem::NodeId node =
        tree.child(filesystem::Tree::kRoot, "file" + std::to_string(i), "t").value();
    filesystem::Inode& inode =
        add_inode(tree, node, filesystem::FileType::regular, as_text(end.tail));
    inode.size = end.size;
    inode.block = end.block;
  }
  tree.count_links();
  uint64_t bytes = writer.finish(tree, {}).value();
  EXPECT_EQ(bytes, sink.content.size());
  EXPECT_EQ(bytes % kBlockSize, 0u);
  EXPECT_TRUE(sink.superblock_last);
  return sink.content;
}

TEST(Erofs, SameInputSameBytesHoweverItArrives) {
  EXPECT_EQ(make_image(3, 10'000, 10'000), make_image(3, 10'000, 7));
  EXPECT_EQ(make_image(3, 8192, 8192), make_image(3, 8192, 4096));
}

TEST(Erofs, SmallFilesShareBlocks) {
  // 1000 files of 100 bytes: one block each would be 4 MB.
  EXPECT_LT(make_image(1000, 100, 100).size(), 400'000u);
}

TEST(Erofs, EmptyRoot) {
  EXPECT_EQ(make_image(0, 0, 1).size(), 2u * kBlockSize);
}

TEST(Erofs, TailsNeverStraddleBlocks) {
  test::ScratchFolder scratch;
  filesystem::Tree tree(scratch.path());
  add_inode(tree, filesystem::Tree::kRoot, filesystem::FileType::directory, "");
  for (int i = 0; i < 500; ++i) {
    filesystem::NodeId node = tree.child(filesystem::Tree::kRoot, std::to_string(i), "t").value();
    add_inode(tree, node, filesystem::FileType::symlink,
              std::string(static_cast<size_t>(i * 8 % 4000 + 1), 't'));
  }
  tree.count_links();
  auto layout = filesystem::ErofsLayout::plan(tree, 1).value();
  EXPECT_EQ(layout.order().size(), 501u);
  uint64_t end = 0;
  for (filesystem::NodeId id : layout.order()) {
    const filesystem::Inode& inode = tree.inode_of(id);
    uint64_t position = inode.nid * filesystem::kSlot;
    EXPECT_GE(position, end);
    EXPECT_GT(position, 0u);
    end = position + filesystem::kInodeBytes + filesystem::inline_bytes(inode);
    EXPECT_EQ(position / kBlockSize, (end - 1) / kBlockSize);
  }
}

TEST(Xattrs, OnlyWhatAFileSystemHolds) {
  EXPECT_EQ(filesystem::encode_xattrs({}, "f").value(), "");
  EXPECT_EQ(filesystem::encode_xattrs({{"com.example", "x"}}, "f").value(), "");
  std::string body = filesystem::encode_xattrs({{"user.key", "value"}}, "f").value();
  EXPECT_EQ(body.size(), 12u + 4 + 8);
  EXPECT_EQ(body.substr(12), std::string("\x03\x01\x05\x00keyvalue", 12));
  EXPECT_EQ(filesystem::encode_xattrs({{"security.capability", "x"}}, "f").value()[13], 6);
  EXPECT_EQ(filesystem::encode_xattrs({{"user.big", std::string(70'000, 'x')}}, "f").error().code,
            ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace bartizan::image
