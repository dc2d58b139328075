#include "base/file.hpp"

#include <gtest/gtest.h>

namespace bartizan {
namespace {

std::filesystem::path scratch() {
  auto path =
      std::filesystem::temp_directory_path() / ("bartizan-file-test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(path);
  return path;
}

TEST(File, WholeReadHasALimit) {
  Unfinished folder(scratch());
  auto path = folder.path() / "f";
  write_file(path, as_bytes("hello")).value();
  EXPECT_EQ(as_text(read_file(path, 5).value()), "hello");
  EXPECT_EQ(read_file(path, 4).error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(read_file(folder.path() / "none", 4).error().code, ErrorCode::not_found);
}

TEST(File, FailedWriteLeavesNothing) {
  Unfinished folder(scratch());
  std::filesystem::create_directory(folder.path() / "taken");
  EXPECT_FALSE(write_file(folder.path() / "taken", as_bytes("x")).ok());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "taken.partial"));
}

TEST(File, UnnamedFileIsNowhere) {
  Unfinished folder(scratch());
  UniqueFd file = unnamed_file(folder.path()).value();
  write_exactly(file.get(), as_bytes("hello"), 0, "it").value();
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  Bytes back(5);
  read_exactly(file.get(), back, 0, "it").value();
  EXPECT_EQ(as_text(back), "hello");
  auto nowhere = unnamed_file(folder.path() / "none");
  EXPECT_EQ(nowhere.error().code, ErrorCode::not_found);
  EXPECT_NE(nowhere.error().describe().find("none"), std::string::npos);
}

}  // namespace
}  // namespace bartizan
