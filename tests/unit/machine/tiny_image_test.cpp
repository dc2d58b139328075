#include "machine/tiny_image.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "bartizan/image.hpp"
#include "base/file.hpp"

namespace bartizan {
namespace {

// The image of stock guests: a program that Linux runs, in a layout that can be built from.
TEST(TinyImage, RunsAndIsALayout) {
  char name[] = "/tmp/bartizan-tiny-XXXXXX";
  Unfinished folder(::mkdtemp(name));
  auto program = folder.path() / "program";
  ASSERT_TRUE(write_file(program, machine::tiny_program(), 0755).ok());
  int status = std::system(program.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), machine::kTinyImageStatus);
  ASSERT_TRUE(std::filesystem::create_directory(folder.path() / "source"));
  ASSERT_TRUE(machine::make_tiny_image(folder.path() / "source").ok());
  BuildOptions options;
  options.source = folder.path() / "source";
  options.output = folder.path() / "image";
  auto built = build_image(options);
  ASSERT_TRUE(built.ok()) << built.error().describe();
  EXPECT_EQ(built->content_bytes, machine::tiny_program().size());
}

}  // namespace
}  // namespace bartizan
