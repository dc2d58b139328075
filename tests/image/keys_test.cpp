// The ways into a disk: the disk key, the recovery passphrase, judged by cryptsetup; what `verify`
// finds with the key.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/aes_xts.hpp"
#include "image/filesystem/erofs_check.hpp"
#include "image/luks2/header.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr char kDiskKey[] = "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89";
constexpr char kRecovery[] = "eight words that somebody wrote on paper";

class Keys : public testing::Test {
 protected:
  void SetUp() override {
    std::string big(3'000'000, 'x');
    std::vector<TarItem> items = {{"etc/", '5', "", "", 0755},
                                  {"etc/secret", '0', "blue"},
                                  {"etc/link", '2', "", "secret"},
                                  {"big", '0', big},
                                  {"again", '1', "", "big"}};
    for (int i = 0; i < 700; ++i)
      items.push_back({fmt::format("many/file-{:04}", i), '0', "content"});
    make_layout(scratch_ / "src", {{make_tar(items)}});
  }
  BuildOptions options() const {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "out";
    options.disk_key = SecretBytes::from_string(kDiskKey);
    return options;
  }
  int cryptsetup_open(const std::string& passphrase) {
    write_text(scratch_ / "pass", passphrase);
    return run_tool(fmt::format("cryptsetup open --test-passphrase --key-file {} {}",
                                (scratch_ / "pass").string(), (scratch_ / "disk").string()))
        .status;
  }
  ScratchFolder scratch_;
};

TEST_F(Keys, RecoveryPassphraseOpensTheDiskTooAndTheGuestNeedNotKnow) {
  BuildOptions with = options();
  with.recovery_passphrase = SecretBytes::from_string(kRecovery);
  auto report = build_image(with);
  ASSERT_TRUE(report.ok()) << report.error().describe();
  extract_disk(scratch_ / "out", scratch_ / "disk");
  EXPECT_EQ(cryptsetup_open(kDiskKey), 0);
  EXPECT_EQ(cryptsetup_open(kRecovery), 0);
  EXPECT_NE(cryptsetup_open("eight words that nobody wrote"), 0);
  auto info = inspect_image(scratch_ / "out").value();
  EXPECT_LE(info.header_bytes, 1u << 20);
  ASSERT_EQ(info.luks->keyslots.size(), 2u);
  EXPECT_EQ(info.luks->keyslots[0].kdf, "pbkdf2");
  EXPECT_EQ(info.luks->keyslots[0].iterations, 1000u);
  EXPECT_EQ(info.luks->keyslots[1].kdf, "argon2id");
  EXPECT_EQ(info.luks->keyslots[1].memory_kib, 192u << 10);
  EXPECT_EQ(guest_abi::Manifest::parse(info.manifest).value().luks2.keyslot.kdf, "pbkdf2");
  EXPECT_TRUE(verify_image(scratch_ / "out", SecretBytes::from_string(kDiskKey)).ok());
  EXPECT_TRUE(verify_image(scratch_ / "out", SecretBytes::from_string(kRecovery)).ok());
  EXPECT_EQ(verify_image(scratch_ / "out", SecretBytes::from_string("no")).error().reason,
            "disk_key");
}

// Our own header, with the same two slots as libcryptsetup's, and the same bytes again; another
// recovery passphrase changes its slot's area alone.
TEST_F(Keys, RepeatableWithARecoveryPassphrase) {
  BuildOptions with = options();
  with.reproducible = true;
  std::vector<std::string> disks;
  for (const char* recovery : {kRecovery, kRecovery, "other words"}) {
    with.recovery_passphrase = SecretBytes::from_string(recovery);
    auto report = build_image(with);
    ASSERT_TRUE(report.ok()) << report.error().describe();
    extract_disk(scratch_ / "out", scratch_ / "disk");
    EXPECT_EQ(cryptsetup_open(kDiskKey), 0);
    EXPECT_EQ(cryptsetup_open(recovery), 0);
    EXPECT_NE(cryptsetup_open("eight words that nobody wrote"), 0);
    ASSERT_EQ(inspect_image(scratch_ / "out")->luks->keyslots.size(), 2u);
    EXPECT_EQ(inspect_image(scratch_ / "out")->luks->keyslots[1].memory_kib, 192u << 10);
    EXPECT_TRUE(verify_image(scratch_ / "out", SecretBytes::from_string(recovery)).ok());
    disks.push_back(read_text(scratch_ / "disk"));
    fs::remove_all(scratch_ / "out");
  }
  EXPECT_TRUE(disks[0] == disks[1]);
  constexpr size_t kBegin = (32 << 10) + 258'048, kEnd = kBegin + 258'048;
  auto header = [&](const std::string& disk) { return disk.substr(0, 1 << 20); };
  std::string other = header(disks[2]);
  EXPECT_FALSE(header(disks[0]) == other);
  other.replace(kBegin, kEnd - kBegin, disks[0], kBegin, kEnd - kBegin);
  EXPECT_TRUE(header(disks[0]) == other);
}

TEST_F(Keys, EmptyRecoveryPassphraseIsRefused) {
  BuildOptions empty = options();
  empty.recovery_passphrase = SecretBytes();
  EXPECT_EQ(build_image(empty).error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

TEST_F(Keys, ScratchIsInTheManifestOrNotAtAll) {
  BuildOptions with = options();
  with.scratch_bytes = 64 << 20;
  auto report = build_image(with);
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_EQ(Json::parse(as_text(report->manifest))["scratch"]["size"], 64 << 20);
  EXPECT_EQ(inspect_image(scratch_ / "out").value().scratch_bytes, 64u << 20);
  for (uint64_t bytes :
       {uint64_t{1}, uint64_t{4096}, (uint64_t{64} << 20) + 512, uint64_t{2} << 40}) {
    with.scratch_bytes = bytes;
    with.output = scratch_ / "other";
    EXPECT_EQ(build_image(with).error().code, ErrorCode::invalid_argument) << bytes;
  }
  EXPECT_FALSE(fs::exists(scratch_ / "other"));
}

TEST_F(Keys, HostAccessIsInTheManifest) {
  BuildOptions with = options();
  ASSERT_TRUE(build_image(with).ok());
  EXPECT_EQ(inspect_image(with.output).value().host_may, "input,output,signals");
  with.output = scratch_ / "other";
  with.host_may = "signals,output";
  ASSERT_TRUE(build_image(with).ok());
  EXPECT_EQ(inspect_image(with.output).value().host_may, "output,signals");
  with.output = scratch_ / "third";
  with.host_may = "exec";
  EXPECT_EQ(build_image(with).error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(fs::exists(with.output));
}

// The decrypted file system, whole; then with every byte of its metadata wrong, one at a time.
class Check : public Keys {
 protected:
  void SetUp() override {
    Keys::SetUp();
    ASSERT_TRUE(build_image(options()).ok());
    decrypt_filesystem(scratch_ / "out", SecretBytes::from_string(kDiskKey), scratch_ / "fs");
    content_ = read_text(scratch_ / "fs");
  }
  Result<image::filesystem::ErofsTotals> check() {
    return image::filesystem::check_erofs(
        [this](uint64_t number, std::span<uint8_t> to) -> Result<void> {
          std::copy_n(content_.begin() + static_cast<ptrdiff_t>(number * 4096), 4096, to.begin());
          return {};
        },
        content_.size() / 4096);
  }
  std::string content_;
};

TEST_F(Check, AcceptsWhatFsckAccepts) {
  ToolResult fsck = run_tool("fsck.erofs " + (scratch_ / "fs").string());
  ASSERT_EQ(fsck.status, 0) << fsck.output;
  auto totals = check();
  ASSERT_TRUE(totals.ok()) << totals.error().describe();
  // Root, etc, many; secret, link, big (twice one inode), 700 files, the image's configuration.
  EXPECT_EQ(totals->folders, 3u);
  EXPECT_EQ(totals->inodes, 3u + 3 + 700 + 1);
  EXPECT_GT(totals->content_bytes, 3'000'000u + 700 * 7);
}

TEST_F(Check, FindsEveryDamageOfTheSuperblock) {
  for (size_t at = 1024; at < 1024 + 128; ++at) {
    content_[at] = static_cast<char>(content_[at] ^ 1);
    auto found = check();
    ASSERT_FALSE(found.ok()) << at;
    EXPECT_EQ(found.error().code, ErrorCode::corrupt);
    content_[at] = static_cast<char>(content_[at] ^ 1);
  }
}

// Not every bit is checked (owner, time, what is between); nothing may crash, and sizes, places,
// types, links and names must be noticed.
TEST_F(Check, SurvivesAnyDamageOfTheMetadata) {
  uint64_t metadata = load_le<uint32_t>(reinterpret_cast<const uint8_t*>(content_.data()) + 1064);
  size_t caught = 0, tried = 0;
  for (size_t at = metadata * 4096; at < content_.size() && tried < 1500; at += 29, ++tried) {
    content_[at] = static_cast<char>(content_[at] ^ 0x55);
    caught += !check().ok();
    content_[at] = static_cast<char>(content_[at] ^ 0x55);
  }
  EXPECT_GT(caught, tried / 10);
  EXPECT_TRUE(check().ok());
}

// An image made by somebody with the key: header and hash tree (by veritysetup) are right, one bit
// of the file system's superblock is not.
class Forged : public Keys {
 protected:
  void SetUp() override {
    Keys::SetUp();
    ASSERT_TRUE(build_image(options()).ok());
    auto info = inspect_image(scratch_ / "out").value();
    manifest_ = guest_abi::Manifest::parse(info.manifest).value();
    folder_ = scratch_ / "unpacked";
    fs::create_directory(folder_);
    extract_disk(scratch_ / "out", folder_ / "disk.img");
    text_ = std::string(as_text(info.manifest));
  }
  void flip(uint64_t at_in_filesystem) {
    auto disk = open_file(folder_ / "disk.img", O_RDWR).value();
    auto key =
        image::luks2::open_luks2(folder_ / "disk.img", SecretBytes::from_string(kDiskKey)).value();
    uint64_t start = at_in_filesystem / 4096 * 4096;
    Bytes block(4096);
    read_exactly(disk.get(), block, manifest_.luks2.offset + start, "disk").value();
    using crypto::AesXts;
    AesXts::create(key.bytes(), 4096, AesXts::Direction::decrypt)
        ->process(block, block, start)
        .value();
    block[at_in_filesystem % 4096] ^= 1;
    AesXts::create(key.bytes(), 4096, AesXts::Direction::encrypt)
        ->process(block, block, start)
        .value();
    write_exactly(disk.get(), block, manifest_.luks2.offset + start, "disk").value();
  }
  void seal() {
    const auto& verity = manifest_.verity;
    std::string disk = (folder_ / "disk.img").string();
    ToolResult done = run_tool(fmt::format(
        "veritysetup format --salt {} --data-blocks {} --hash-offset {} {} {}", to_hex(verity.salt),
        verity.data_blocks, verity.hash_offset - 4096, disk, disk));
    ASSERT_EQ(done.status, 0) << done.output;
    size_t at = done.output.find("Root hash:");
    ASSERT_NE(at, std::string::npos);
    std::string hash = done.output.substr(done.output.find_first_not_of(" \t", at + 10), 64);
    std::string old = to_hex(verity.root_hash), text = text_;
    text.replace(text.find(old), old.size(), hash);
    write_text(folder_ / "bartizan.json", text);
  }
  guest_abi::Manifest manifest_;
  std::string text_;
  fs::path folder_;
};

TEST_F(Forged, VerifyWithTheKeyFindsWhatTheTreeCannot) {
  seal();
  EXPECT_TRUE(verify_image(folder_, SecretBytes::from_string(kDiskKey)).ok());
  flip(1024 + 16);  // the superblock's number of inodes
  EXPECT_EQ(verify_image(folder_).error().reason, "verity");
  seal();
  EXPECT_TRUE(verify_image(folder_).ok());
  auto found = verify_image(folder_, SecretBytes::from_string(kDiskKey));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::corrupt);
  EXPECT_NE(found.error().message.find("superblock: wrong checksum"), std::string::npos);
}

}  // namespace
}  // namespace bartizan::test
