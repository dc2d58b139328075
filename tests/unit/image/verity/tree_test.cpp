// Sizes of the dm-verity tree.
#include "image/verity/tree.hpp"

#include <gtest/gtest.h>

namespace bartizan::image {
namespace {

TEST(VerityTree, Sizes) {
  EXPECT_EQ(verity::verity_tree_blocks(1), 1u);
  EXPECT_EQ(verity::verity_tree_blocks(128), 1u);
  EXPECT_EQ(verity::verity_tree_blocks(129), 3u);
  EXPECT_EQ(verity::verity_tree_blocks(128 * 128 + 1), 129u + 2 + 1);
}

}  // namespace
}  // namespace bartizan::image
