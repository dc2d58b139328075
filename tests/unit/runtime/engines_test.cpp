#include "runtime/engines.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;

class EnginesTest : public testing::Test {
 protected:
  EnginesTest() { fs::create_directory(root_.path()); }
  Unfinished root_{std::string(testing::TempDir()) + "/runtime-engines-test"};
};

TEST_F(EnginesTest, WrittenAnewUnlessSomebodyElses) {
  auto files = drop_ins_of_root("/usr/bin/bartizan-runtime");
  ASSERT_EQ(files.size(), 3u);
  for (const DropIn& file : files) {
    ASSERT_TRUE(write_drop_in(file, root_.path()).ok());
    EXPECT_TRUE(write_drop_in(file, root_.path()).ok());
    EXPECT_NE(file.content.find("\"/usr/bin/bartizan-runtime\""), std::string::npos);
  }
  const fs::path path = root_.path() / files[0].path.relative_path();
  ASSERT_TRUE(write_file(path, as_bytes("[engine]\n")).ok());
  EXPECT_EQ(write_drop_in(files[0], root_.path()).error().code, ErrorCode::already_exists);
}

TEST_F(EnginesTest, StateSaysWhetherItIsOurs) {
  auto file = drop_ins_of_user("/opt/b/bartizan-runtime", root_.path())[0];
  EXPECT_EQ(state_of(file), DropInState::missing);
  ASSERT_TRUE(write_drop_in(file, "/").ok());
  EXPECT_EQ(state_of(file), DropInState::current);
  file.content += "x";
  EXPECT_EQ(state_of(file), DropInState::other);
}

}  // namespace
}  // namespace bartizan::runtime
