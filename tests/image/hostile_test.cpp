// Layers and layouts that somebody made to harm: bombs, ways out of the root, lies about digests
// and names. Each is refused by its code and a message that names the thing, or treated as umoci
// treats it; nothing appears outside the output.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "crypto/hash.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr char kTar[] = "application/vnd.oci.image.layer.v1.tar";

class Hostile : public testing::Test {
 protected:
  BuildOptions options() const {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "out";
    return options;
  }
  void make(const std::vector<LayerBlob>& layers) {
    fs::remove_all(scratch_ / "src");
    make_layout(scratch_ / "src", layers);
  }
  void make(const std::vector<TarItem>& items) { make(std::vector<LayerBlob>{{make_tar(items)}}); }

  Error refusal() {
    auto report = build_image(options());
    EXPECT_FALSE(report.ok());
    size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(scratch_.path())) ++entries;
    EXPECT_EQ(entries, 1u) << "something beside the source";
    return report.ok() ? Error{} : report.error();
  }
  // What we build of the source and what umoci unpacks hold the same.
  void expect_as_umoci() {
    std::string in = fmt::format("cd '{}'; ", scratch_.path().string());
    ToolResult umoci = run_tool(in + "umoci unpack --rootless --image src:latest want");
    ASSERT_EQ(umoci.status, 0) << umoci.output;
    auto report = build_image(options());
    ASSERT_TRUE(report.ok()) << report.error().describe();
    decrypt_filesystem(options().output, report->disk_key, scratch_ / "fs");
    ToolResult fsck =
        run_tool(in + "fsck.erofs --no-preserve-owner --preserve-perms --extract=got fs");
    ASSERT_EQ(fsck.status, 0) << fsck.output;
    ToolResult same =
        run_tool(in + "rm got/.krun_config.json; diff -r --no-dereference want/rootfs got");
    EXPECT_EQ(same.status, 0) << same.output;
    for (const char* name : {"want", "got", "out", "fs"}) fs::remove_all(scratch_ / name);
  }

  ScratchFolder scratch_;
};

// RFC 8878: a frame with a window of 128 KiB, in which each four bytes stand for 128 KiB of zeros.
std::string zstd_of_zeros(uint64_t gib) {
  std::string frame("\x28\xb5\x2f\xfd\x00\x38", 6);
  constexpr uint32_t kRepeat = 1, kBlockBytes = 128 << 10;
  for (uint64_t left = (gib << 30) / kBlockBytes; left > 0; --left) {
    uint32_t header = kBlockBytes << 3 | kRepeat << 1 | (left == 1 ? 1 : 0);
    frame += {static_cast<char>(header), static_cast<char>(header >> 8),
              static_cast<char>(header >> 16), '\0'};
  }
  return frame;
}

// Nobody looks at what comes behind the end of an archive, but it is read for the digest.
TEST_F(Hostile, BombOfZeros) {
  std::string zeros = make_tar({}), bomb = zstd_of_zeros(5);
  EXPECT_LT(bomb.size(), 200'000u);
  make(std::vector<LayerBlob>{{bomb, std::string(kTar) + "+zstd", zeros}});
  EXPECT_REFUSAL(refusal(), resource_exhausted, "limit of expansion");
}

TEST_F(Hostile, TooManyEntries) {
  // The parents come from the path: two million names in 2048 entries of 1000 folders.
  std::vector<TarItem> items;
  for (int i = 0; i < 2100; ++i) {
    std::string path = fmt::format("{}", i);
    for (int depth = 0; depth < 1000; ++depth) path += "/d";
    items.push_back({"././@LongLink", 'L', path});
    items.push_back({"long", '0', ""});
  }
  make(items);
  EXPECT_REFUSAL(refusal(), resource_exhausted, "names, the limit for an image");
}

TEST_F(Hostile, PathTooDeep) {
  std::string path;
  for (int i = 0; i < 1100; ++i) path += "d/";
  make(std::vector<TarItem>{{"././@LongLink", 'L', path + "file"}, {"long", '0', "x"}});
  EXPECT_REFUSAL(refusal(), resource_exhausted, "a path is deeper than the limit of 1024");
}

TEST_F(Hostile, SizeThatNoDiskHolds) {
  std::string tar = make_tar({{"huge", '0', "x"}});
  // Base 256: an exabyte.
  std::string size("\x80\0\0\0\x0f\0\0\0\0\0\0\0", 12);
  tar.replace(124, 12, size);
  unsigned sum = 0;
  tar.replace(148, 8, "        ");
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[i]);
  tar.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  make(std::vector<LayerBlob>{{tar}});
  EXPECT_REFUSAL(refusal(), corrupt, "bad size");
}

TEST_F(Hostile, JsonTooDeep) {
  make(std::vector<TarItem>{{"a"}});
  write_text(scratch_ / "src/index.json", std::string(100'000, '['));
  EXPECT_REFUSAL(refusal(), corrupt, "index.json: nested too deeply");
  std::string deep = R"({"a":)";
  for (int i = 0; i < 5000; ++i) deep += R"({"a":)";
  write_text(scratch_ / "src/oci-layout", deep);
  EXPECT_REFUSAL(refusal(), corrupt, "oci-layout: nested too deeply");
}

TEST_F(Hostile, JsonTooLarge) {
  make(std::vector<TarItem>{{"a"}});
  write_text(scratch_ / "src/index.json", std::string(64 << 20, ' '));
  EXPECT_REFUSAL(refusal(), resource_exhausted, "index.json: 67108864 bytes, the limit is");
}

TEST_F(Hostile, IndexOfItself) {
  make(std::vector<TarItem>{{"a"}});
  // No digest can name what holds it; a chain of indexes is what comes nearest.
  std::string text = read_text(scratch_ / "src/index.json");
  for (int i = 0; i < 8; ++i) {
    std::string hex = to_hex(crypto::sha256(as_bytes(text)));
    write_text(scratch_ / "src/blobs/sha256" / hex, text);
    text = fmt::format(
        R"({{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:{}","size":{}}}]}})",
        hex, text.size());
  }
  write_text(scratch_ / "src/index.json", text);
  EXPECT_REFUSAL(refusal(), corrupt, "nested too deeply");
}

TEST_F(Hostile, EachBlobWithAnotherDigest) {
  make(std::vector<TarItem>{{"a", '0', "content"}});
  int blobs = 0;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256"))
    paths.push_back(entry.path());
  for (const fs::path& path : paths) {
    std::string whole = read_text(path), changed = whole;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    write_text(path, changed);
    EXPECT_REFUSAL(refusal(), corrupt, "blob sha256:" + path.filename().string());
    fs::remove(path);
    EXPECT_REFUSAL(refusal(), not_found, path.filename().string());
    write_text(path, whole);
    ++blobs;
  }
  EXPECT_EQ(blobs, 3);
}

TEST_F(Hostile, BlobsThatAreNoFiles) {
  make(std::vector<TarItem>{{"a", '0', "content"}});
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256"))
    paths.push_back(entry.path());
  for (const fs::path& path : paths) {
    std::string whole = read_text(path);
    fs::remove(path);
    ASSERT_EQ(run_tool("mkfifo '" + path.string() + "'").status, 0);
    EXPECT_REFUSAL(refusal(), corrupt, "not a regular file");
    fs::remove(path);
    fs::create_symlink("/dev/zero", path);
    EXPECT_REFUSAL(refusal(), corrupt, "not a regular file");
    fs::remove(path);
    write_text(path, whole);
  }
}

// Absolute and doubled slashes are relative to the root, here as in umoci.
TEST_F(Hostile, AbsolutePathsStayInside) {
  make(std::vector<TarItem>{{"/etc/", '5'},
                            {"/etc/passwd", '0', "inside"},
                            {"//etc//hosts", '0', "inside"},
                            {"/etc/link", '1', "", "/etc/passwd"},
                            {"././/./dotted", '0', "x"}});
  expect_as_umoci();
}

// A link to outside, then something through it: it goes where the link points inside the root, as
// with umoci; the machine's own files are never looked at.
TEST_F(Hostile, SwappedLinks) {
  make(std::vector<TarItem>{
      {"tmp", '2', "", "/var/tmp"}, {"var/", '5'}, {"var/tmp/", '5'}, {"tmp/swapped", '0', "x"}});
  expect_as_umoci();
  make(std::vector<LayerBlob>{
      {make_tar({{"var/", '5'}, {"var/tmp/", '5'}, {"tmp/", '5'}, {"tmp/old", '0', "old"}})},
      {make_tar({{"tmp", '2', "", "../../../../../../var/tmp"}, {"tmp/swapped", '0', "x"}})}});
  expect_as_umoci();
  make(std::vector<LayerBlob>{{make_tar({{"real/", '5'}, {"out", '2', "", "/"}})},
                              {make_tar({{"out/real/file", '0', "x"}})}});
  expect_as_umoci();
  EXPECT_FALSE(fs::exists("/var/tmp/swapped"));
}

TEST_F(Hostile, HardLinksToOutside) {
  make(std::vector<TarItem>{{"link", '1', "", "/etc/shadow"}});
  EXPECT_REFUSAL(refusal(), corrupt, "\"etc/shadow\": hard link to a file that no layer holds");
  make(std::vector<TarItem>{{"way", '2', "", "/etc"}, {"link", '1', "", "way/shadow"}});
  EXPECT_REFUSAL(refusal(), corrupt, "hard link to a file that no layer holds");
  make(std::vector<TarItem>{{"link", '1', "", "../../etc/shadow"}});
  EXPECT_REFUSAL(refusal(), corrupt, "leaves the root");
  make(std::vector<TarItem>{{"folder/", '5'}, {"link", '1', "", "folder"}});
  EXPECT_REFUSAL(refusal(), corrupt, "hard link to a file that no layer holds");
}

TEST_F(Hostile, LongCircleOfHardLinks) {
  std::vector<TarItem> items;
  for (int i = 0; i < 500; ++i)
    items.push_back({fmt::format("l{}", i), '1', "", fmt::format("l{}", (i + 1) % 500)});
  make(items);
  EXPECT_REFUSAL(refusal(), corrupt, "circle");
}

// A chain is no circle, however long.
TEST_F(Hostile, LongChainOfHardLinks) {
  std::vector<TarItem> items = {{"l0", '0', "x"}};
  for (int i = 1; i < 300; ++i)
    items.push_back({fmt::format("l{}", i), '1', "", fmt::format("l{}", i - 1)});
  make(items);
  expect_as_umoci();
}

// The last of two entries of one name is the one that is seen.
TEST_F(Hostile, DuplicateEntries) {
  make(std::vector<TarItem>{{"a", '0', "first"},
                            {"a", '0', "second"},
                            {"b/", '5'},
                            {"b/c", '0', "x"},
                            {"b", '0', "a file now"},
                            {"d", '0', "a file"},
                            {"d/", '5'},
                            {"d/e", '0', "x"},
                            {"f", '2', "", "a"},
                            {"f", '0', "x"}});
  expect_as_umoci();
}

TEST_F(Hostile, DuplicateKeysInJson) {
  make(std::vector<TarItem>{{"a"}});
  write_text(scratch_ / "src/oci-layout",
             R"({"imageLayoutVersion":"1.0.0","imageLayoutVersion":"2.0.0"})");
  EXPECT_REFUSAL(refusal(), corrupt, "appears twice");
}

TEST_F(Hostile, UnknownCipher) {
  make(std::vector<TarItem>{{"a", '0', "x"}});
  ASSERT_TRUE(build_image(options()).ok());
  ToolResult unpacked = run_tool(fmt::format(
      "cd '{}' && umoci unpack --rootless --image out:latest bundle", scratch_.path().string()));
  ASSERT_EQ(unpacked.status, 0) << unpacked.output;
  fs::path root = scratch_ / "bundle/rootfs";
  std::string manifest = read_text(root / "bartizan.json");
  size_t at = manifest.find("aes-xts-plain64");
  ASSERT_NE(at, std::string::npos);
  write_text(root / "bartizan.json", manifest.replace(at, 3, "rot"));
  for (const Error& error : {inspect_image(root).error(), verify_image(root).error()}) {
    EXPECT_TRUE(error.code == ErrorCode::unsupported || error.code == ErrorCode::corrupt)
        << error.describe();
    EXPECT_NE(error.describe().find("rot-xts-plain64"), std::string::npos) << error.describe();
  }
}

}  // namespace
}  // namespace bartizan::test
