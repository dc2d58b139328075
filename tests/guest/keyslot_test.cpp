// Our keyslot opener against cryptsetup: headers that cryptsetup made, volume keys that it dumped.
// Plain files, no root.
#include "guest_abi/keyslot.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/file.hpp"
#include "base/json.hpp"

namespace bartizan::guest_abi {
namespace {

namespace fs = std::filesystem;

// "0" and digits: the LUKS2 header writes 64-bit numbers as strings.
uint64_t number(const Json& value) {
  return std::stoull(value.get<std::string>());
}

class KeyslotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::system("cryptsetup --version >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "cryptsetup is not installed";
    char name[] = "/tmp/bartizan-keyslot-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  void run(const std::string& command) const {
    ASSERT_EQ(::system((command + " >/dev/null").c_str()), 0) << command;
  }

  // A header with one keyslot; its volume key as cryptsetup itself gives it out.
  void format(const std::string& options) {
    ASSERT_TRUE(write_file(path("pass"), as_bytes(kPassphrase)).ok());
    run("truncate -s 20M " + path("disk"));
    run("cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations "
        "1000 " +
        options + " --key-file " + path("pass") + " " + path("disk"));
    run("cryptsetup luksDump --batch-mode --dump-volume-key --volume-key-file " + path("key") +
        " --key-file " + path("pass") + " " + path("disk"));
    expected_ = read_file(path("key"), 64).value();
    read_header();
  }

  // What the image builder will put into the manifest, read here from the header's JSON.
  void read_header() {
    run("cryptsetup luksDump --dump-json-metadata " + path("disk") + " | tee " + path("json"));
    Json header = Json::parse(as_text(read_file(path("json"), 1 << 20).value()));
    const Json& slot = header["keyslots"]["0"];
    const Json& digest = header["digests"]["0"];
    luks2_.key_bytes = slot["key_size"].get<uint32_t>();
    auto& keyslot = luks2_.keyslot;
    keyslot.offset = number(slot["area"]["offset"]);
    keyslot.size = number(slot["area"]["size"]);
    keyslot.key_bytes = slot["area"]["key_size"].get<uint32_t>();
    keyslot.stripes = slot["af"]["stripes"].get<uint32_t>();
    keyslot.af_hash = slot["af"]["hash"].get<std::string>();
    keyslot.kdf_hash = slot["kdf"]["hash"].get<std::string>();
    keyslot.iterations = slot["kdf"]["iterations"].get<uint32_t>();
    keyslot.salt = from_base64(slot["kdf"]["salt"].get<std::string>()).value();
    luks2_.digest.hash = digest["hash"].get<std::string>();
    luks2_.digest.iterations = digest["iterations"].get<uint32_t>();
    luks2_.digest.salt = from_base64(digest["salt"].get<std::string>()).value();
    luks2_.digest.value = from_base64(digest["digest"].get<std::string>()).value();
  }

  Bytes material() {
    Bytes bytes(keyslot_material_size(luks2_));
    UniqueFd disk = open_file(path("disk"), O_RDONLY).value();
    EXPECT_TRUE(read_exactly(disk.get(), bytes, luks2_.keyslot.offset, "disk").ok());
    return bytes;
  }

  Result<SecretBytes> open(std::string_view disk_key) {
    return open_keyslot(luks2_, material(), SecretBytes::from_string(disk_key));
  }

  static constexpr std::string_view kPassphrase = "correct horse battery staple";
  fs::path folder_;
  Bytes expected_;
  Manifest::Luks2 luks2_;
};

TEST_F(KeyslotTest, SameVolumeKeyAsCryptsetup) {
  for (const char* options : {"", "--key-size 256", "--hash sha512", "--sector-size 512"}) {
    format(options);
    if (HasFatalFailure()) return;
    auto key = open(kPassphrase);
    ASSERT_TRUE(key.ok()) << options << ": " << key.error().describe();
    EXPECT_EQ(to_hex(key->bytes()), to_hex(expected_)) << options;
    fs::remove(path("key"));
    fs::remove(path("disk"));
  }
}

TEST_F(KeyslotTest, WrongPassphraseSaysSoAndShowsNothing) {
  format("");
  for (std::string_view disk_key :
       {"", "correct horse battery stapl", "correct horse battery staple\n"}) {
    auto key = open(disk_key);
    ASSERT_FALSE(key.ok());
    EXPECT_EQ(key.error().code, ErrorCode::verification_failed);
    EXPECT_EQ(key.error().reason, "disk_key");
    EXPECT_TRUE(key.error().expected.empty());
    EXPECT_TRUE(key.error().got.empty());
  }
}

TEST_F(KeyslotTest, OneFlippedBitInAnyStripeSpoilsTheKey) {
  format("");
  Bytes good = material();
  for (size_t at : {size_t{0}, good.size() / 2, good.size() - 1}) {
    Bytes bad = good;
    bad[at] ^= 1;
    auto key = open_keyslot(luks2_, bad, SecretBytes::from_string(kPassphrase));
    ASSERT_FALSE(key.ok()) << at;
    EXPECT_EQ(key.error().reason, "disk_key") << at;
  }
}

TEST_F(KeyslotTest, SizesThatContradictAreCorrupt) {
  format("");
  Bytes good = material();
  auto secret = SecretBytes::from_string(kPassphrase);
  EXPECT_EQ(open_keyslot(luks2_, ByteView(good).first(good.size() - 512), secret).error().code,
            ErrorCode::corrupt);
  Manifest::Luks2 small = luks2_;
  small.keyslot.size = 4096;
  EXPECT_EQ(open_keyslot(small, good, secret).error().code, ErrorCode::corrupt);
  small = luks2_;
  small.keyslot.stripes = 0;
  EXPECT_EQ(open_keyslot(small, good, secret).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::guest_abi
