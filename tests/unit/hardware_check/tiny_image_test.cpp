// The image of scripts/hardware-check's stock guests: a layout that reads as one, whose layer tar
// unpacks to a program that Linux runs.
#include "hardware_check/tiny_image.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "base/file.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::vmm::machine {
namespace {

TEST(TinyImage, IsALayoutWithAProgramThatRuns) {
  char name[] = "/tmp/bartizan-tiny-XXXXXX";
  Unfinished folder(::mkdtemp(name));
  ASSERT_TRUE(hardware_check::make_tiny_image(folder.path()).ok());
  auto read = image::oci::read_layout(folder.path(), "latest");
  ASSERT_TRUE(read.ok()) << read.error().describe();
  ASSERT_EQ(read->layers.size(), 1u);
  auto digest = image::oci::parse_digest(read->layers[0].digest, "layer").value();
  auto layer = folder.path() / "blobs" / digest.folder / digest.hex;
  auto command = "tar -xf " + layer.string() + " -C " + folder.path().string() + " && exec " +
                 (folder.path() / "entrypoint").string();
  int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), hardware_check::kTinyImageStatus);
}

}  // namespace
}  // namespace bartizan::vmm::machine
