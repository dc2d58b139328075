// What the image tests share: a scratch folder, other people's tools, hand-made OCI layouts.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/image.hpp"
#include "base/bytes.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::test {

// Gone with all it holds when it goes out of scope.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct ToolResult {
  int status = -1;
  std::string output;  // stdout and stderr
};
// Runs a shell command; sbin is in its PATH.
ToolResult run_tool(const std::string& command);

// True in a run of `scripts/test soak`, which has hours.
bool soaking();

void write_text(const std::filesystem::path& path, std::string_view text);
std::string read_text(const std::filesystem::path& path);

// One entry of a hand-made tar.
struct TarItem {
  std::string name;
  char type = '0';
  std::string content, link;
  uint32_t mode = 0644;
};
std::string make_tar(const std::vector<TarItem>& items);

struct LayerBlob {
  std::string content;
  std::string media_type = "application/vnd.oci.image.layer.v1.tar";
  // The tar in it, whose digest the configuration names; empty: content itself.
  std::string tar = {};
};
// An OCI layout with these layers, lowest first, and a process that a guest would look for in PATH.
void make_layout(const std::filesystem::path& folder, const std::vector<LayerBlob>& layers,
                 std::string_view tag = "latest", std::string_view process = R"({"Cmd":["x"]})");

// The file system of a confidential image, decrypted by the volume key of its header.
void decrypt_filesystem(const std::filesystem::path& image, const SecretBytes& disk_key,
                        const std::filesystem::path& to);
// disk.img as a file of its own.
void extract_disk(const std::filesystem::path& image, const std::filesystem::path& to);

// An error with this code, in one line, that names what it is about.
#define EXPECT_REFUSAL(error, wanted_code, words)                                       \
  do {                                                                                  \
    Error refused = (error);                                                            \
    EXPECT_EQ(refused.code, ErrorCode::wanted_code) << refused.describe();              \
    EXPECT_NE(refused.describe().find(words), std::string::npos) << refused.describe(); \
    EXPECT_EQ(refused.describe().find('\n'), std::string::npos) << refused.describe();  \
  } while (false)

}  // namespace bartizan::test
