// Names and what is put aside, in numbers that an attacker would choose.
#include "image/filesystem/tree.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "image/support.hpp"

namespace bartizan::image {
namespace {

class Names : public testing::Test {
 protected:
  test::ScratchFolder scratch_;
  filesystem::Tree tree_{scratch_.path()};
};

TEST_F(Names, ComeInOrderWhateverOrderTheyWereGivenIn) {
  std::map<std::string, filesystem::NodeId> want;
  for (uint32_t i = 0; i < 5000; ++i) {
    std::string name = fmt::format("{}", i * 7919 % 5003);
    want[name] = tree_.child(filesystem::Tree::kRoot, name, "t").value();
    EXPECT_EQ(tree_.child(filesystem::Tree::kRoot, name, "t").value(), want[name]);
  }
  for (uint32_t i = 0; i < 5000; i += 3) {
    auto gone = want.extract(fmt::format("{}", i * 7919 % 5003));
    tree_.erase(gone.mapped());
  }
  std::vector<filesystem::NodeId> list = tree_.children(filesystem::Tree::kRoot);
  ASSERT_EQ(list.size(), want.size());
  auto next = list.begin();
  for (const auto& [name, id] : want) {
    EXPECT_EQ(*next++, id);
    EXPECT_EQ(tree_.find(filesystem::Tree::kRoot, name), id);
  }
  EXPECT_EQ(tree_.find(filesystem::Tree::kRoot, "absent"), 0u);
}

// A name of any bytes, first and last of a piece of the store.
TEST_F(Names, StayWhatTheyAre) {
  std::map<filesystem::NodeId, std::string> want;
  for (size_t i = 0; i < 2000; ++i) {
    std::string name(i % 255 + 1, static_cast<char>(i));
    name += fmt::format("{}", i);
    name.resize(std::min<size_t>(name.size(), 255));
    want[tree_.child(filesystem::Tree::kRoot, name, "t").value()] = name;
  }
  for (const auto& [id, name] : want) EXPECT_EQ(tree_.name(id), name);
}

TEST_F(Names, AreBoundedInSum) {
  std::string name(255, 'n');
  Result<filesystem::NodeId> made = filesystem::Tree::kRoot;
  uint32_t count = 0;
  for (; made.ok() && count < filesystem::kMaxNames; ++count) {
    std::string number = fmt::format("{:07}", count);
    std::copy(number.begin(), number.end(), name.begin());
    made = tree_.child(*made, name, "layer 1");
  }
  EXPECT_EQ(count, filesystem::kMaxNameBytes / 256 + 1);
  EXPECT_REFUSAL(made.error(), resource_exhausted,
                 "layer 1: names of more than 50331648 bytes in sum, the limit for an image");
}

// More than memory holds, read in another order.
TEST_F(Names, AttributesComeBackFromTheFile) {
  constexpr uint32_t kCount = 20'000;
  auto attributes_of = [](uint32_t i) {
    filesystem::Attributes of{i,     i + 1, -int64_t{i},
                              i * 3, {},    std::string(i % 1500, static_cast<char>(i))};
    of.xattrs.assign(i % 7 * 4, 'x');
    return of;
  };
  for (uint32_t i = 0; i < kCount; ++i)
    tree_.set_attributes(tree_.make_inode("t").value(), attributes_of(i)).value();
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
  for (uint32_t i = 0; i < kCount; ++i) {
    uint32_t at = i * 7919 % kCount;
    filesystem::Attributes found = tree_.attributes(at + 1).value(), want = attributes_of(at);
    EXPECT_EQ(found.uid, want.uid);
    EXPECT_EQ(found.gid, want.gid);
    EXPECT_EQ(found.mtime, want.mtime);
    EXPECT_EQ(found.mtime_nsec, want.mtime_nsec);
    EXPECT_EQ(found.xattrs, want.xattrs);
    EXPECT_EQ(found.tail, want.tail);
  }
}

TEST_F(Names, NoPlaceForTheFileIsAnError) {
  filesystem::Tree tree(scratch_ / "absent");
  Result<void> done;
  for (uint32_t i = 0; done.ok() && i < 10'000; ++i)
    done =
        tree.set_attributes(tree.make_inode("t").value(), {0, 0, 0, 0, {}, std::string(2000, 't')});
  EXPECT_REFUSAL(done.error(), not_found, "absent");
}

}  // namespace
}  // namespace bartizan::image
