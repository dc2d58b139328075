#include "image/support.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/aes_xts.hpp"
#include "crypto/hash.hpp"
#include "image/luks2/header.hpp"

namespace bartizan::test {

namespace fs = std::filesystem;

namespace {

// libcryptsetup opens its random devices once a process and keeps them: here, so that no test seems
// to leak them.
class OpenRandomDevices : public testing::Environment {
  void SetUp() override {
    ScratchFolder scratch;
    make_layout(scratch / "src", {{make_tar({{"a"}})}});
    BuildOptions options;
    options.source = scratch / "src";
    options.output = scratch / "out";
    ASSERT_TRUE(build_image(options).ok());
  }
};
const auto* const open_random_devices = testing::AddGlobalTestEnvironment(new OpenRandomDevices);

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string pattern = (fs::temp_directory_path() / "bartizan-image-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ToolResult run_tool(const std::string& command) {
  ::setenv("BARTIZAN_TEST_COMMAND", ("PATH=$PATH:/usr/sbin:/sbin; " + command).c_str(), 1);
  FILE* pipe = ::popen("bash -c \"$BARTIZAN_TEST_COMMAND\" 2>&1 </dev/null", "r");
  ToolResult result;
  char chunk[4096];
  while (size_t got = ::fread(chunk, 1, sizeof chunk, pipe)) result.output.append(chunk, got);
  int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

bool soaking() {
  const char* level = ::getenv("BARTIZAN_TEST_LEVEL");
  return level != nullptr && std::string_view(level) == "soak";
}

void write_text(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_text(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

namespace {

// Independent of the library's own writer.
std::string tar_block(const TarItem& item) {
  std::string header(512, '\0');
  auto put = [&header](size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  put(0, item.name.substr(0, 100));
  put(100, fmt::format("{:07o}", item.mode));
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", item.content.size()));
  put(136, "00000000017");
  put(148, "        ");
  header[156] = item.type;
  put(157, item.link.substr(0, 100));
  put(257, std::string_view("ustar\00000", 8));
  put(329, "0000001");
  put(337, "0000003");
  unsigned sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header;
}

std::string add_blob(const fs::path& folder, std::string_view content) {
  std::string hex = to_hex(crypto::sha256(as_bytes(content)));
  write_text(folder / "blobs/sha256" / hex, content);
  return "sha256:" + hex;
}

}  // namespace

std::string make_tar(const std::vector<TarItem>& items) {
  std::string tar;
  for (const TarItem& item : items) {
    tar += tar_block(item) + item.content;
    tar.resize((tar.size() + 511) / 512 * 512);
  }
  return tar + std::string(1024, '\0');
}

void make_layout(const fs::path& folder, const std::vector<LayerBlob>& layers, std::string_view tag,
                 std::string_view process) {
  Json diff_ids = Json::array();
  for (const LayerBlob& layer : layers) {
    const std::string& tar = layer.tar.empty() ? layer.content : layer.tar;
    diff_ids.push_back("sha256:" + to_hex(crypto::sha256(as_bytes(tar))));
  }
  std::string config = Json({{"architecture", "amd64"},
                             {"os", "linux"},
                             {"config", Json::parse(process)},
                             {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}})
                           .dump();
  Json manifest = {{"schemaVersion", 2},
                   {"config",
                    {{"mediaType", "application/vnd.oci.image.config.v1+json"},
                     {"digest", add_blob(folder, config)},
                     {"size", config.size()}}},
                   {"layers", Json::array()}};
  for (const LayerBlob& layer : layers) {
    manifest["layers"].push_back({{"mediaType", layer.media_type},
                                  {"digest", add_blob(folder, layer.content)},
                                  {"size", layer.content.size()}});
  }
  std::string text = manifest.dump();
  Json index = {{"schemaVersion", 2},
                {"manifests",
                 {{{"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                   {"digest", add_blob(folder, text)},
                   {"size", text.size()},
                   {"annotations", {{"org.opencontainers.image.ref.name", tag}}}}}}};
  write_text(folder / "index.json", index.dump());
  write_text(folder / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
}

void extract_disk(const fs::path& image, const fs::path& to) {
  auto info = inspect_image(image).value();
  auto from = open_file(info.disk_path, O_RDONLY).value();
  auto out = open_file(to, O_RDWR | O_CREAT | O_TRUNC).value();
  Bytes chunk(1 << 20);
  for (uint64_t at = 0; at < info.disk_bytes; at += chunk.size()) {
    auto part = std::span(chunk).first(std::min<uint64_t>(chunk.size(), info.disk_bytes - at));
    read_exactly(from.get(), part, info.disk_offset + at, "disk").value();
    write_exactly(out.get(), part, at, "disk").value();
  }
}

void decrypt_filesystem(const fs::path& image, const SecretBytes& disk_key, const fs::path& to) {
  fs::path disk = to.string() + ".disk";
  extract_disk(image, disk);
  auto key = image::luks2::open_luks2(disk, disk_key).value();
  auto manifest = guest_abi::Manifest::parse(inspect_image(image).value().manifest).value();
  auto cipher =
      crypto::AesXts::create(key.bytes(), 4096, crypto::AesXts::Direction::decrypt).value();
  auto from = open_file(disk, O_RDONLY).value();
  auto out = open_file(to, O_RDWR | O_CREAT | O_TRUNC).value();
  Bytes chunk(1 << 20);
  for (uint64_t at = 0; at < manifest.luks2.size; at += chunk.size()) {
    auto part = std::span(chunk).first(std::min<uint64_t>(chunk.size(), manifest.luks2.size - at));
    read_exactly(from.get(), part, manifest.luks2.offset + at, "disk").value();
    cipher.process(part, part, at).value();
    write_exactly(out.get(), part, at, "file system").value();
  }
  fs::remove(disk);
}

}  // namespace bartizan::test
