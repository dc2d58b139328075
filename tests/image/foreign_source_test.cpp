// Confidential images of buildah mkcw and oci2cw as sources: what mke2fs and cryptsetup made comes
// out as it was, entry by entry, and hostile disks end with an error.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/aes_xts.hpp"
#include "crypto/hash.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr char kPassphrase[] = "correct horse battery";
constexpr char kKrunSev[] =
    R"({"tee":"snp","tee_data":"{\"gen\":\"milan\"}","workload_id":"web","cpus":2,"ram_mib":512,)"
    R"("attestation_url":""})";
// Of the workload, as buildah mkcw writes it.
constexpr char kInner[] =
    R"({"architecture":"amd64","os":"linux","config":{"Entrypoint":["/bin/app"],"Env":["A=b"],)"
    R"("Labels":{"secret":"inner"},"WorkingDir":"/data"},"rootfs":{"type":"layers","diff_ids":[]}})";

class ForeignImage : public testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_ / "pass", kPassphrase);
    make(kInner);
  }

  ToolResult run(const std::string& command) {
    return run_tool("cd '" + folder_.path().string() + "'; " + command);
  }
  void good(const std::string& command) {
    ToolResult done = run(command);
    ASSERT_EQ(done.status, 0) << command << "\n" << done.output;
  }

  // want/ and plain.ext4
  void make(const std::string& config) {
    write_text(folder_ / "want.json", config);
    good(fmt::format("bash '{}/tests/image/make_foreign.sh' .", BARTIZAN_SOURCE_DIR));
  }

  // As luksy lays it out, by cryptsetup's header and a volume key that we know.
  void encrypt_luks1(const std::string& options = "") {
    constexpr uint64_t kHeader = 4040 * 512;
    SecretBytes key = crypto::random_secret(64).value();
    write_text(folder_ / "volume.key", key.view());
    fs::remove(folder_ / "disk.img");
    write_text(folder_ / "disk.img", "");
    fs::resize_file(folder_ / "disk.img", kHeader + fs::file_size(folder_ / "plain.ext4"));
    good(
        "cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --align-payload 4040 "
        "--cipher aes-xts-plain64 --key-size 512 --volume-key-file volume.key --key-file pass " +
        options + " disk.img");
    auto cipher =
        crypto::AesXts::create(key.bytes(), 512, crypto::AesXts::Direction::encrypt).value();
    std::string plain = read_text(folder_ / "plain.ext4");
    auto bytes = std::span(reinterpret_cast<uint8_t*>(plain.data()), plain.size());
    cipher.process(bytes, bytes, 0).value();
    auto file = open_file(folder_ / "disk.img", O_RDWR).value();
    write_exactly(file.get(), bytes, kHeader, "disk.img").value();
  }

  // cryptsetup encrypts it all by itself, in place.
  void encrypt_luks2(const std::string& options) {
    fs::copy_file(folder_ / "plain.ext4", folder_ / "disk.img",
                  fs::copy_options::overwrite_existing);
    fs::resize_file(folder_ / "disk.img", fs::file_size(folder_ / "disk.img") + (32 << 20));
    good(
        "cryptsetup reencrypt --encrypt --type luks2 --reduce-device-size 32M -q --key-file pass " +
        options + " disk.img");
  }

  void make_image(const std::string& disk) {
    fs::remove_all(folder_ / "oci");
    make_layout(folder_ / "oci", {{make_tar({{"entrypoint", '0', "x", "", 0755},
                                             {"krun-sev.json", '0', kKrunSev, "", 0600},
                                             {"tmp/", '5', "", "", 01777},
                                             {"disk.img", '0', disk, "", 0600}})}});
  }
  void make_image() { make_image(read_text(folder_ / "disk.img")); }

  Result<BuildReport> build(const std::string& passphrase = kPassphrase) {
    fs::remove_all(folder_ / "out");
    BuildOptions options;
    options.source = folder_ / "oci";
    options.output = folder_ / "out";
    options.source_passphrase = SecretBytes::from_string(passphrase);
    return build_image(options);
  }

  void expect_same_tree() {
    make_image();
    auto report = build();
    ASSERT_TRUE(report.ok()) << report.error().describe();
    decrypt_filesystem(folder_ / "out", report->disk_key, folder_ / "got.erofs");
    good("fsck.erofs got.erofs");
    ToolResult compared =
        run(fmt::format("python3 '{}/tests/image/compare_trees.py' 9999999999 want got.erofs",
                        BARTIZAN_SOURCE_DIR));
    EXPECT_EQ(compared.status, 0) << compared.output;
    EXPECT_EQ(compared.output.substr(compared.output.find(',')), ", 0 differ\n");
  }

  // With these bytes of the plain text changed, encrypted anew.
  Error error_with(uint64_t at, std::string_view bytes) {
    std::string kept = read_text(folder_ / "plain.ext4"), changed = kept;
    changed.replace(at, bytes.size(), bytes);
    write_text(folder_ / "plain.ext4", changed);
    encrypt_luks1();
    write_text(folder_ / "plain.ext4", kept);
    make_image();
    return build().error();
  }

  ScratchFolder folder_;
};

TEST_F(ForeignImage, Luks1ComesOutEntryByEntry) {
  encrypt_luks1();
  good("cryptsetup luksOpen --test-passphrase --key-file pass disk.img");
  expect_same_tree();
}

TEST_F(ForeignImage, WhatCryptsetupEncryptedComesOutEntryByEntry) {
  for (const char* options : {"--sector-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000",
                              "--sector-size 4096 --key-size 256 --pbkdf argon2id "
                              "--pbkdf-force-iterations 4 --pbkdf-memory 64 --pbkdf-parallel 1"}) {
    SCOPED_TRACE(options);
    encrypt_luks2(options);
    expect_same_tree();
  }
}

TEST_F(ForeignImage, OtherFormsOfTheFileSystem) {
  // With inline_data mke2fs 1.47.0 writes a wrong size of a file that ends in a hole.
  good("rm want/data/sparse; touch -d '2021-02-03 04:05:06 UTC' want/data");
  const char* variants[] = {"-t ext2 -b 1024 -I 256", "-t ext3 -b 4096 -I 256",
                            "-t ext4 -O inline_data", "-t ext4 -O bigalloc -C 16384 -b 4096",
                            "-t ext4 -O ^metadata_csum,^64bit -b 2048"};
  for (const char* options : variants) {
    SCOPED_TRACE(options);
    good(
        fmt::format("rm plain.ext4; truncate -s 64M plain.ext4; mke2fs -q {} -d want plain.ext4 && "
                    "sed -i /extra/d debugfs.txt && debugfs -w -f debugfs.txt plain.ext4 && "
                    "touch -d '2021-02-03 04:05:06 UTC' want/data/big want/etc/a && "
                    "debugfs -w -R 'sif /data/big mtime 0x601a20f2' plain.ext4 && "
                    "debugfs -w -R 'sif /etc/a mtime 0x601a20f2' plain.ext4",
                    options));
    encrypt_luks1();
    if (!HasFatalFailure()) expect_same_tree();
  }
}

TEST_F(ForeignImage, ProcessIsTheOneInTheDiskAndStaysThere) {
  encrypt_luks1();
  make_image();
  auto report = build();
  ASSERT_TRUE(report.ok()) << report.error().describe();
  decrypt_filesystem(folder_ / "out", report->disk_key, folder_ / "got.erofs");
  good("fsck.erofs --extract=got got.erofs");
  EXPECT_EQ(read_text(folder_ / "got/.krun_config.json"), kInner);
  EXPECT_EQ(run("grep -r inner out/index.json out/blobs").output, "") << "is confidential";
}

TEST_F(ForeignImage, ConfigurationOfOci2cwIsBuildahsInspection) {
  make(R"({"Type":"buildah","OCIv1":)" + std::string(kInner) + "}");
  encrypt_luks1();
  make_image();
  auto report = build();
  ASSERT_TRUE(report.ok()) << report.error().describe();
  decrypt_filesystem(folder_ / "out", report->disk_key, folder_ / "got.erofs");
  good("fsck.erofs --extract=got got.erofs");
  EXPECT_EQ(Json::parse(read_text(folder_ / "got/.krun_config.json")), Json::parse(kInner));
}

TEST_F(ForeignImage, SaysWhatIsWrongWithThePassphraseAndTheSource) {
  encrypt_luks1();
  make_image();
  Error wrong = build("another one").error();
  EXPECT_REFUSAL(wrong, verification_failed, "source_passphrase: wrong");
  EXPECT_EQ(wrong.reason, "source_passphrase");
  EXPECT_EQ(wrong.describe().find("another one"), std::string::npos);
  BuildOptions without;
  without.source = folder_ / "oci";
  without.output = folder_ / "out";
  EXPECT_REFUSAL(build_image(without).error(), invalid_argument, "source_passphrase");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  fs::remove_all(folder_ / "oci");
  make_layout(folder_ / "oci", {{make_tar({{"x", '0', "x"}})}});
  EXPECT_REFUSAL(build().error(), invalid_argument, "no /disk.img");
  make(R"(["no object"])");
  encrypt_luks1();
  make_image();
  EXPECT_REFUSAL(build().error(), corrupt, ".krun_config.json");
}

TEST_F(ForeignImage, OtherCiphersAndCostlyHeadersAreRefused) {
  fs::remove(folder_ / "disk.img");
  good(
      "truncate -s 40M disk.img; cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations "
      "1000 --cipher aes-cbc-essiv:sha256 --key-size 256 --key-file pass disk.img");
  make_image();
  EXPECT_REFUSAL(build().error(), unsupported, "aes-cbc-essiv:sha256");
  encrypt_luks1();
  constexpr uint64_t kIterationsOfSlot0 = 208 + 4, kIterationsOfDigest = 164;
  for (uint64_t at : {kIterationsOfSlot0, kIterationsOfDigest}) {
    std::string disk = read_text(folder_ / "disk.img");
    disk.replace(at, 4, "\xff\xff\xff\xff");
    make_image(disk);
    EXPECT_REFUSAL(build().error(), resource_exhausted, "iterations of PBKDF2");
  }
}

TEST_F(ForeignImage, DamagedFileSystemsAreErrors) {
  std::string plain = read_text(folder_ / "plain.ext4");
  EXPECT_REFUSAL(error_with(1024 + 56, "xx"), corrupt, "there is none");
  EXPECT_REFUSAL(error_with(1024 + 4, "\xff\xff\xff\x7f"), corrupt, "blocks of");
  EXPECT_REFUSAL(error_with(1024 + 32, std::string(4, '\0')), corrupt, "groups of");
  EXPECT_REFUSAL(error_with(1024 + 24, "\x40"), corrupt, "blocks of");
  // A feature that nobody knows, and a journal to be replayed; checksums are libext2fs's to judge.
  good("debugfs -w -R 'feature needs_recovery' plain.ext4");
  encrypt_luks1();
  make_image();
  EXPECT_REFUSAL(build().error(), unsupported, "journal");
  write_text(folder_ / "plain.ext4", plain);
}

// A folder that is in itself, and a file with more names than it counts.
TEST_F(ForeignImage, NamesInACircleAreErrors) {
  good("debugfs -w -R 'link /data /data/deep/again' plain.ext4");
  encrypt_luks1();
  make_image();
  EXPECT_REFUSAL(build().error(), corrupt, "more names than it counts");
}

// Every file is most of the disk: contents without end from a small image.
TEST_F(ForeignImage, FilesThatShareBlocksAreErrors) {
  good(
      "head -c 20000000 /dev/urandom > want/one; echo x > want/two; rm plain.ext4; "
      "truncate -s 36M plain.ext4; mke2fs -q -b 4096 -O ^metadata_csum -d want plain.ext4");
  auto place_of = [&](const std::string& name) {
    const std::string said = run("debugfs -R 'imap /" + name + "' plain.ext4").output;
    std::smatch found;
    EXPECT_TRUE(std::regex_search(said, found, std::regex("block (\\d+), offset 0x([0-9a-f]+)")));
    return std::stoul(found[1]) * 4096 + std::stoul(found[2], nullptr, 16);
  };
  std::string plain = read_text(folder_ / "plain.ext4");
  plain.replace(place_of("two"), 128, plain.substr(place_of("one"), 128));
  write_text(folder_ / "plain.ext4", plain);
  encrypt_luks1();
  make_image();
  EXPECT_REFUSAL(build().error(), corrupt, "share blocks");
}

}  // namespace
}  // namespace bartizan::test
