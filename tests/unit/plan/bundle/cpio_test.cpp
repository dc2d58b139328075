#include "plan/bundle/cpio.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "plan/bundle/create/lz4_legacy.hpp"
#include "unit/plan/bundle/sample.hpp"

namespace bartizan::plan::bundle::create {
namespace {

std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char chunk[4096];
  while (size_t count = std::fread(chunk, 1, sizeof chunk, pipe)) output.append(chunk, count);
  ::pclose(pipe);
  return output;
}

bool have(const std::string& tool) {
  return std::system(("command -v " + tool + " > /dev/null").c_str()) == 0;
}

Bytes sample() {
  CpioWriter cpio;
  cpio.add_file("init", 0755, as_bytes("hello"));
  cpio.add_folder("modules");
  cpio.add_file("modules/a.ko", 0644, Bytes(10000, 'a'));
  return std::move(cpio).finish();
}

TEST(Cpio, IsReadByCpio) {
  if (!have("cpio")) GTEST_SKIP() << "cpio is not installed";
  Unfinished folder{make_scratch_folder()};
  write_file(folder.path() / "x.cpio", sample()).value();
  auto at = "cd " + folder.path().string() + " && ";
  auto list = run(at + "TZ=UTC cpio -itvn < x.cpio");
  EXPECT_NE(list.find("-rwxr-xr-x   1 0        0               5 Jan  1  1970 init"), list.npos)
      << list;
  EXPECT_NE(list.find("drwxr-xr-x   2 0        0               0 Jan  1  1970 modules\n"),
            list.npos)
      << list;
  run(at + "cpio -id < x.cpio");
  EXPECT_EQ(as_text(read_file(folder.path() / "init", 10).value()), "hello");
  EXPECT_EQ(read_file(folder.path() / "modules/a.ko", 20000).value(), Bytes(10000, 'a'));
}

TEST(Lz4Legacy, IsReadByLz4) {
  if (!have("lz4")) GTEST_SKIP() << "lz4 is not installed";
  Unfinished folder{make_scratch_folder()};
  Bytes input(9 << 20);  // two blocks
  for (size_t i = 0; i < input.size(); i++) input[i] = static_cast<uint8_t>(i * i >> 9);
  write_file(folder.path() / "x.lz4", lz4_legacy(input).value()).value();
  run("cd " + folder.path().string() + " && lz4 -d -f x.lz4 x");
  EXPECT_EQ(read_file(folder.path() / "x", 10 << 20).value(), input);
}

}  // namespace
}  // namespace bartizan::plan::bundle::create
