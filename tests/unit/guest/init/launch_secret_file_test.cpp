// The launch secret's file in the initramfs: read once, and gone.
#include "guest/init/host/launch_secret_file.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"

namespace bartizan::guest::init {
namespace {

class LaunchSecretFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-secret-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = std::make_unique<Unfinished>(name);
    file_ = folder_->path() / guest_abi::kLaunchSecretFile;
  }
  void put(ByteView table) {
    Bytes content(guest_abi::kLaunchSecretBytes);
    std::ranges::copy(table, content.begin());
    write_file(file_, content, 0400).value();
  }
  std::unique_ptr<Unfinished> folder_;
  std::filesystem::path file_;
};

TEST_F(LaunchSecretFile, IsTakenOnce) {
  guest_abi::LaunchSecret secret;
  secret.workload_digest.fill(7);
  secret.disk_key = SecretBytes::from_string("correct horse");
  put(guest_abi::write_launch_secret(secret).value().bytes());
  std::filesystem::create_hard_link(file_, folder_->path() / "same pages");
  auto taken = host::find_launch_secret(folder_->path()).value();
  EXPECT_TRUE(taken.expected);
  EXPECT_EQ(taken.secret.value().disk_key.view(), "correct horse");
  EXPECT_FALSE(std::filesystem::exists(file_));
  EXPECT_EQ(read_file(folder_->path() / "same pages", 1 << 20).value(),
            Bytes(guest_abi::kLaunchSecretBytes))
      << "the memory is overwritten";
  EXPECT_FALSE(host::find_launch_secret(folder_->path()).value().expected);
}

TEST_F(LaunchSecretFile, AFileWithoutASecret) {
  put({});
  auto taken = host::find_launch_secret(folder_->path()).value();
  EXPECT_TRUE(taken.expected);
  EXPECT_FALSE(taken.secret.has_value());
}

TEST_F(LaunchSecretFile, Garbage) {
  put(Bytes(100, 1));
  EXPECT_EQ(host::find_launch_secret(folder_->path()).error().code, ErrorCode::corrupt);
  put({});
  std::filesystem::resize_file(file_, 10);
  EXPECT_FALSE(host::find_launch_secret(folder_->path()).ok());
}

}  // namespace
}  // namespace bartizan::guest::init
