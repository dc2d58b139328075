// Disks that we did not make: what cryptsetup and luksy format, images as oci2cw and buildah mkcw
// make them; judged by what `cryptsetup luksDump` says of the same file. And damaged ones.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <functional>
#include <regex>

#include "base/json.hpp"
#include "crypto/hash.hpp"
#include "image/luks2/luks_info.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr char kFast[] = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000 ";
constexpr char kKrunJson[] =
    R"({"tee":"snp","tee_data":"{\"gen\":\"milan\"}","workload_id":"web","cpus":2,"ram_mib":512,)"
    R"("attestation_url":"http://10.0.0.1:8000"})";

// One line for each fact, in luksDump's own words with white space folded.
std::vector<std::string> as_luks1_dump(const LuksInfo& luks) {
  std::vector<std::string> lines = {
      "Version: 1",
      "UUID: " + luks.uuid,
      fmt::format("Payload offset: {}", luks.data_offset / 512),
      fmt::format("MK bits: {}", luks.key_bytes * 8),
      "Cipher name: " + luks.cipher.substr(0, luks.cipher.find('-')),
      "Cipher mode: " + luks.cipher.substr(luks.cipher.find('-') + 1)};
  for (const LuksKeyslot& slot : luks.keyslots) {
    lines.push_back(
        fmt::format("Key Slot {}: ENABLED Iterations: {}", slot.number, slot.iterations));
    lines.push_back(fmt::format("Key material offset: {}", slot.offset / 512));
    lines.push_back("Hash spec: " + slot.hash);
  }
  return lines;
}

std::vector<std::string> as_luks2_dump(const LuksInfo& luks) {
  std::vector<std::string> lines = {"Version: 2", "UUID: " + luks.uuid,
                                    "Label: " + (luks.label.empty() ? "(no label)" : luks.label)};
  for (const LuksSegment& segment : luks.segments) {
    lines.push_back(
        fmt::format("{}: {} offset: {} [bytes] length: {} cipher: {} sector: {} [bytes]",
                    segment.number, segment.type, segment.offset,
                    segment.size ? std::to_string(segment.size) + " [bytes]" : "(whole device)",
                    segment.cipher, segment.sector_size));
    if (!segment.integrity.empty()) lines.push_back("integrity: " + segment.integrity);
  }
  for (const LuksKeyslot& slot : luks.keyslots) {
    lines.push_back(fmt::format("{}: luks2{} Key: {} bits", slot.number,
                                slot.unbound ? " (unbound)" : "", slot.key_bytes * 8));
    lines.push_back("PBKDF: " + slot.kdf);
    if (slot.kdf != "pbkdf2")
      lines.push_back(fmt::format("Time cost: {} Memory: {} Threads: {}", slot.iterations,
                                  slot.memory_kib, slot.threads));
    if (slot.kdf == "pbkdf2")
      lines.push_back(fmt::format("Hash: {} Iterations: {}", slot.hash, slot.iterations));
    lines.push_back(fmt::format("Area offset:{} [bytes]", slot.offset));
    lines.push_back(fmt::format("Area length:{} [bytes]", slot.size));
    lines.push_back("Cipher: " + slot.cipher);
  }
  return lines;
}

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++count;
  return count;
}

class ThirdParty : public testing::Test {
 protected:
  void SetUp() override { write_text(pass(), "correct horse"); }
  fs::path pass() const { return scratch_ / "pass"; }
  std::string disk() const { return (scratch_ / "disk.img").string(); }

  void run(const std::string& command) {
    ToolResult done = run_tool(command);
    ASSERT_EQ(done.status, 0) << command << "\n" << done.output;
  }
  void format(const std::string& options, uint64_t mib = 40) {
    fs::remove(disk());
    write_text(disk(), "");
    fs::resize_file(disk(), mib << 20);
    run(fmt::format("cryptsetup luksFormat -q --key-file {} {} {}", pass().string(), options,
                    disk()));
  }

  void expect_same_as_luks_dump() {
    ToolResult dump = run_tool("cryptsetup luksDump " + disk());
    ASSERT_EQ(dump.status, 0) << dump.output;
    std::string folded = std::regex_replace(dump.output, std::regex("\\s+"), " ");
    auto info = inspect_image(disk());
    ASSERT_TRUE(info.ok()) << info.error().describe();
    ASSERT_TRUE(info->luks);
    const LuksInfo& luks = *info->luks;
    EXPECT_EQ(info->kind, "disk");
    EXPECT_EQ(luks.remark, "");
    EXPECT_EQ(info->header_bytes, luks.data_offset);
    auto lines = luks.version == 1 ? as_luks1_dump(luks) : as_luks2_dump(luks);
    for (const std::string& line : lines)
      EXPECT_NE(folded.find(line), folded.npos) << "\"" << line << "\" is not in:\n" << folded;
    EXPECT_EQ(luks.keyslots.size(),
              count_of(folded, luks.version == 1 ? ": ENABLED" : "Area offset:"));
  }

  // The footer as buildah writes it: zeros, JSON, "KRUN", length.
  static void append_footer(const fs::path& to) {
    std::string json = kKrunJson, tail = json + "KRUN";
    uint64_t length = json.size();
    tail.append(reinterpret_cast<const char*>(&length), 8);
    uint64_t size = fs::file_size(to);
    fs::resize_file(to, (size + tail.size() + 4095) / 4096 * 4096);
    auto file = std::fstream(to, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-static_cast<std::streamoff>(tail.size()), std::ios::end);
    file << tail;
  }

  void overwrite(uint64_t at, std::string_view bytes) {
    auto file = std::fstream(disk(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << bytes;
  }

  // Changes the JSON of both copies, whose checksums fit again afterwards.
  void edit_json(const std::function<void(Json&)>& edit, size_t copy_bytes = 16384) {
    std::string content = read_text(disk());
    for (size_t at : {size_t{0}, copy_bytes}) {
      Json json = Json::parse(content.c_str() + at + 4096);
      edit(json);
      std::string text = json.dump();
      text.resize(copy_bytes - 4096, '\0');
      content.replace(at + 4096, text.size(), text);
      content.replace(at + 448, 64, std::string(64, '\0'));
      auto sum = crypto::sha256(as_bytes(std::string_view(content).substr(at, copy_bytes)));
      content.replace(at + 448, sum.size(), reinterpret_cast<const char*>(sum.data()), sum.size());
    }
    write_text(disk(), content);
  }

  ScratchFolder scratch_;
};

TEST_F(ThirdParty, WhatCryptsetupFormatsIsReadAsCryptsetupReadsIt) {
  const char* variants[] = {
      "--type luks1 --pbkdf-force-iterations 1000",
      "--type luks1 --pbkdf-force-iterations 2000 --hash sha512 --key-size 256 --cipher "
      "aes-cbc-essiv:sha256",
      "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --sector-size 512",
      "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --sector-size 4096 --label data "
      "--hash sha512",
      "--type luks2 --pbkdf argon2i --pbkdf-force-iterations 4 --pbkdf-memory 32 --pbkdf-parallel "
      "1",
      "--type luks2 --pbkdf argon2id --pbkdf-force-iterations 5 --pbkdf-memory 64 --pbkdf-parallel "
      "2 --key-size 256",
      "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --luks2-metadata-size 128k "
      "--luks2-keyslots-size 1m",
      "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --luks2-metadata-size 4m "
      "--luks2-keyslots-size 512k",
      "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --offset 65536",
      "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher aes-cbc-essiv:sha256",
  };
  for (const char* options : variants) {
    SCOPED_TRACE(options);
    format(options, 64);
    if (HasFatalFailure()) return;
    expect_same_as_luks_dump();
  }
}

TEST_F(ThirdParty, SeveralKeySlotsAndOneThatIsUnbound) {
  format(std::string("--type luks2 ") + kFast);
  write_text(scratch_ / "second", "another");
  std::string both =
      fmt::format("--key-file {} {} {}", pass().string(), disk(), (scratch_ / "second").string());
  run("cryptsetup luksAddKey -q --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 32 "
      "--pbkdf-parallel 1 --key-slot 5 " +
      both);
  run(fmt::format("cryptsetup luksAddKey -q --unbound --key-size 128 {} --key-slot 2 {} {}", kFast,
                  disk(), (scratch_ / "second").string()));
  expect_same_as_luks_dump();
  auto luks = *inspect_image(disk()).value().luks;
  ASSERT_EQ(luks.keyslots.size(), 3u);
  EXPECT_TRUE(luks.keyslots[1].unbound);
  EXPECT_EQ(luks.keyslots[2].kdf, "argon2id");
}

// cryptsetup formats these through device-mapper alone; the header is what it would write.
TEST_F(ThirdParty, IntegrityIsTold) {
  format(std::string("--type luks2 --sector-size 4096 ") + kFast);
  edit_json([](Json& json) {
    json["segments"]["0"]["integrity"] = {
        {"type", "hmac(sha256)"}, {"journal_encryption", "none"}, {"journal_integrity", "none"}};
  });
  expect_same_as_luks_dump();
  EXPECT_EQ(inspect_image(disk()).value().luks->integrity, "hmac(sha256)");
}

TEST_F(ThirdParty, LuksyDisksAreReadAsCryptsetupReadsThem) {
  if (run_tool("luksy --help").status != 0)
    GTEST_SKIP() << "luksy is not installed (Debian package luksy, from Debian 13 on)";
  write_text(scratch_ / "plain", std::string(1 << 20, 'x'));
  for (const char* options : {"--luks1", "", "--sector-size 4096"}) {
    SCOPED_TRACE(options);
    run(fmt::format("luksy encrypt -f {} --password-file {} {} {}", options, pass().string(),
                    (scratch_ / "plain").string(), disk()));
    if (HasFatalFailure()) return;
    expect_same_as_luks_dump();
  }
}

// disk.img as buildah mkcw and oci2cw make it, in the three forms in which people have it.
class ThirdPartyImage : public ThirdParty {
 protected:
  void SetUp() override {
    ThirdParty::SetUp();
    format(
        "--type luks1 --pbkdf-force-iterations 1000 --align-payload 4040 --cipher aes-xts-plain64 "
        "--key-size 512",
        8);
    append_footer(disk());
  }
  std::string layer() {
    return make_tar({{"entrypoint", '0', "x", "", 0755},
                     {"krun-sev.json", '0', kKrunJson, "", 0600},
                     {"tmp/", '5', "", "", 01777},
                     {"disk.img", '0', read_text(disk()), "", 0600}});
  }
  void expect_it(const fs::path& image) {
    auto info = inspect_image(image);
    ASSERT_TRUE(info.ok()) << info.error().describe();
    EXPECT_EQ(info->kind, "krun");
    EXPECT_EQ(info->workload_id, "web");
    EXPECT_EQ(info->broker_url, "http://10.0.0.1:8000");
    EXPECT_EQ(info->vcpus, 2u);
    EXPECT_EQ(info->krun_config, kKrunJson);
    EXPECT_EQ(info->disk_bytes, fs::file_size(disk()));
    EXPECT_EQ(info->header_bytes, 4040u * 512);
    EXPECT_EQ(info->luks->version, 1u);
    EXPECT_TRUE(info->manifest.empty());
    EXPECT_FALSE(verify_image(image).ok()) << "there is nothing that could be verified";
  }
};

TEST_F(ThirdPartyImage, UnpackedFolder) {
  fs::remove(scratch_ / "pass");
  write_text(scratch_ / "krun-sev.json", kKrunJson);
  expect_it(scratch_.path());
}

TEST_F(ThirdPartyImage, PlainLayer) {
  make_layout(scratch_ / "oci", {{layer()}});
  expect_it(scratch_ / "oci");
}

std::string gzip(const std::string& plain) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST_F(ThirdPartyImage, CompressedLayer) {
  std::string plain = layer();
  make_layout(scratch_ / "oci",
              {{gzip(plain), "application/vnd.oci.image.layer.v1.tar+gzip", plain}});
  auto info = inspect_image(scratch_ / "oci");
  ASSERT_TRUE(info.ok()) << info.error().describe();
  EXPECT_EQ(info->kind, "krun");
  EXPECT_EQ(info->krun_config, kKrunJson);
  EXPECT_EQ(info->luks->data_offset, 4040u * 512);
  EXPECT_EQ(info->disk_bytes, fs::file_size(disk()));
}

TEST_F(ThirdPartyImage, FooterThatLiesAboutItsLength) {
  auto file = std::fstream(disk(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-8, std::ios::end);
  file << std::string(8, '\xff');
  file.close();
  EXPECT_EQ(inspect_image(scratch_.path()).error().code, ErrorCode::corrupt);
}

TEST_F(ThirdParty, DamagedPrimaryIsReadFromTheSecondaryAndSaid) {
  for (const char* options : {"--luks2-metadata-size 16k", "--luks2-metadata-size 256k"}) {
    SCOPED_TRACE(options);
    format(std::string("--type luks2 ") + kFast + options);
    auto whole = inspect_image(disk()).value();
    overwrite(5000, "?");
    std::string before = read_text(disk());
    auto info = inspect_image(disk());
    ASSERT_TRUE(info.ok()) << info.error().describe();
    EXPECT_EQ(info->luks->remark, "primary header: wrong checksum; read from the secondary one");
    EXPECT_EQ(info->luks->uuid, whole.luks->uuid);
    EXPECT_EQ(info->luks->keyslots.size(), 1u);
    EXPECT_EQ(read_text(disk()), before) << "looking must not repair";
    overwrite(0, std::string(4096, '\0'));
    info = inspect_image(disk());
    ASSERT_TRUE(info.ok()) << info.error().describe();
    EXPECT_EQ(info->luks->remark, "primary header: missing; read from the secondary one");
  }
}

TEST_F(ThirdParty, DamagedSecondaryIsSaid) {
  format(std::string("--type luks2 ") + kFast + "--luks2-metadata-size 16k");
  overwrite(16384 + 5000, "?");
  EXPECT_EQ(inspect_image(disk()).value().luks->remark, "secondary header: wrong checksum");
}

TEST_F(ThirdParty, NoHeaderOrNoneThatIsWholeIsCorrupt) {
  format(std::string("--type luks2 ") + kFast + "--luks2-metadata-size 16k", 18);
  std::string good = read_text(disk());
  overwrite(5000, "?");
  overwrite(16384 + 5000, "?");
  EXPECT_EQ(inspect_image(disk()).error().code, ErrorCode::corrupt);
  for (size_t size : {0, 5, 4095, 4096, 16383}) {
    write_text(disk(), good.substr(0, size));
    auto info = inspect_image(disk());
    ASSERT_FALSE(info.ok()) << size;
    EXPECT_EQ(info.error().code, ErrorCode::corrupt) << size;
  }
  write_text(disk(), std::string(1 << 20, 'x'));
  EXPECT_EQ(inspect_image(disk()).error().code, ErrorCode::corrupt);
}

TEST_F(ThirdParty, JsonThatNestsWithoutEndIsCorrupt) {
  format(std::string("--type luks2 ") + kFast + "--luks2-metadata-size 16k", 18);
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += R"({"a":)";
  std::string content = read_text(disk());
  for (size_t at : {0, 16384}) {
    std::string text = deep;
    text.resize(12288, '\0');
    content.replace(at + 4096, text.size(), text);
    content.replace(at + 448, 64, std::string(64, '\0'));
    auto sum = crypto::sha256(as_bytes(std::string_view(content).substr(at, 16384)));
    content.replace(at + 448, sum.size(), reinterpret_cast<const char*>(sum.data()), sum.size());
  }
  write_text(disk(), content);
  auto info = inspect_image(disk());
  ASSERT_FALSE(info.ok());
  EXPECT_EQ(info.error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::test
