#include "base/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <thread>

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

// A FIFO that nobody writes to would be waited for, whatever the caller's deadline.
TEST(File, WhatIsToBeRegularIsNotWaitedFor) {
  Unfinished folder(scratch());
  auto path = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(read_regular_file(path, 5).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(read_regular_file(folder.path(), 5).error().code, ErrorCode::invalid_argument);
  write_file(folder.path() / "f", as_bytes("hello")).value();
  EXPECT_EQ(as_text(read_regular_file(folder.path() / "f", 5).value()), "hello");
}

TEST(File, FolderForTemporaryFiles) {
  EXPECT_TRUE(temporary_folder().ok());
  ::setenv("TMPDIR", "/nonexistent", 1);
  EXPECT_EQ(temporary_folder().error().code, ErrorCode::not_found);
  EXPECT_NE(temporary_folder().error().message.find("/nonexistent"), std::string::npos);
  ::unsetenv("TMPDIR");
}

TEST(File, ReadUpToFillsOrEndsAtTheEnd) {
  Pipe pipe = make_pipe().value();
  write_all(pipe.write.get(), as_bytes("abc"), "pipe").value();
  std::thread later([&] {
    write_all(pipe.write.get(), as_bytes("defg"), "pipe").value();
    pipe.write.reset();
  });
  Bytes five(5);
  EXPECT_EQ(read_up_to(pipe.read.get(), five, "pipe").value(), 5u);
  EXPECT_EQ(as_text(five), "abcde");
  EXPECT_EQ(read_up_to(pipe.read.get(), five, "pipe").value(), 2u);
  later.join();
  EXPECT_EQ(read_up_to(-1, five, "none").error().code, ErrorCode::io);
}

TEST(File, PipesAreClosedOnExec) {
  Pipe pipe = make_pipe(O_NONBLOCK).value();
  for (int fd : {pipe.read.get(), pipe.write.get()}) {
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  }
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
