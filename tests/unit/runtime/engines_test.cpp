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
  ASSERT_EQ(files.size(), 2u);
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

constexpr char kProgram[] = "/usr/bin/bartizan-runtime";
constexpr char kDebian[] =
    "version = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    "
    "[plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n";

TEST_F(EnginesTest, ContainerdKeepsWhatItHas) {
  const std::string text = *containerd_config(kDebian, kProgram);
  EXPECT_TRUE(text.starts_with(kDebian));
  // A list in the file replaces containerd's own.
  EXPECT_NE(text.find("cri\".containerd.runtimes.runc]\nruntime_type = "), text.npos);
  EXPECT_NE(text.find("cri\".containerd.runtimes.bartizan.options]\nBinaryName = "
                      "\"/usr/bin/bartizan-runtime\"\n"),
            text.npos);
  EXPECT_EQ(*containerd_config(text, kProgram), text) << "installed twice";
  const std::string moved = *containerd_config(text + "[debug]\n", "/opt/bartizan-runtime");
  EXPECT_EQ(moved.find(kProgram), moved.npos);
  EXPECT_NE(moved.find("[debug]\n"), moved.npos);
}

TEST_F(EnginesTest, ContainerdsListOfRuntimesAndCgroupsAreTheOperators) {
  const std::string own = std::string(kDebian) +
                          "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
                          "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]"
                          "\n  SystemdCgroup = true";
  const std::string text = *containerd_config(own, kProgram);
  EXPECT_EQ(text.find("runtimes.runc]", own.size()), text.npos);
  EXPECT_NE(text.find("SystemdCgroup = true", own.size()), text.npos);
  EXPECT_NE(containerd_config("version = 3\n", kProgram)
                ->find("[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.bartizan]"),
            text.npos);
}

TEST_F(EnginesTest, ContainerdsFileThatNoBlockFits) {
  const std::string block = *containerd_config(kDebian, kProgram);
  const std::string ours = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.bartizan]\n";
  for (const std::string& text : {std::string("[grpc]\n"), std::string(), kDebian + ours,
                                  block.substr(0, block.find("# End"))}) {
    const auto refused = containerd_config(text, kProgram);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  }
}

TEST_F(EnginesTest, ContainerdsFileKeepsItsMode) {
  EXPECT_EQ(write_containerd_config(kProgram, root_.path()).error().code, ErrorCode::not_found);
  const fs::path path = root_.path() / "etc/containerd/config.toml";
  fs::create_directories(path.parent_path());
  ASSERT_TRUE(write_file(path, as_bytes(kDebian), 0600).ok());
  ASSERT_TRUE(write_containerd_config(kProgram, root_.path()).ok());
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0600));
  EXPECT_EQ(as_text(*read_file(path, 10'000)), *containerd_config(kDebian, kProgram));
}

}  // namespace
}  // namespace bartizan::runtime
