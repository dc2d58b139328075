// ID blocks against virtee/sev's tests/id-block.rs: same keys, same block, same key digests, and
// the same 4096 bytes around the signatures that they recorded (ECDSA draws a nonce: signing anew
// gives other bytes).
#include "plan/tee/snp/id_block.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "bartizan/tee.hpp"
#include "base/file.hpp"
#include "plan/measure/launch_planner.hpp"

namespace bartizan::plan::tee::snp {
namespace {

std::filesystem::path vector_path(const char* name) {
  return std::filesystem::path(BARTIZAN_SOURCE_DIR) / "../shared/vectors/measure" / name;
}

Bytes vector_bytes(const char* name) {
  return read_file(vector_path(name), 8192).value();
}

crypto::EcKey vector_key(const char* name) {
  return crypto::EcKey::from_private_pem(SecretBytes(ByteView(vector_bytes(name)))).value();
}

IdBlockFields fields() {
  IdBlockFields fields;
  std::ranges::copy(from_hex("a14d638341e5674628fe1e02fbedebe5e5ab4faf1dd72d8966068e615bb99efd"
                             "13d214b35c231715b38e263dc6059745")
                        .value(),
                    fields.launch_digest.begin());
  return fields;
}

struct IdBlockVectors : testing::Test {
  void SetUp() override {
    if (!std::filesystem::exists(vector_path("test_id_key.pem")))
      GTEST_SKIP() << "vectors are absent: " << vector_path("test_id_key.pem");
  }
};

TEST_F(IdBlockVectors, BlockAndKeyDigests) {
  EXPECT_EQ(
      to_base64(id_block(fields())),
      "oU1jg0HlZ0Yo/h4C++3r5eWrT68d1y2JZgaOYVu5nv0T0hSzXCMXFbOOJj3GBZdFAAAAAAAAAAAAAAAAAAAAAAAA"
      "AAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA");
  EXPECT_EQ(to_base64(key_digest(vector_key("test_id_key.pem")).value()),
            "WfssaG36T+9J84M5qndckAUcKNVzg93DuvO160sUlt87DbvcuuX+J2d6ZEggdz/i");
  EXPECT_EQ(to_base64(key_digest(vector_key("test_auth_key.pem")).value()),
            "7tgRafsMteDsNHlPEo/U4MSkb2fGWhrfqB/LJLzAiMJyNpt//D6ytq9qQoShs2xf");
}

TEST_F(IdBlockVectors, AuthenticationBlock) {
  auto id_key = public_key_bytes(vector_key("test_id_key.pem")).value();
  auto author_key = public_key_bytes(vector_key("test_auth_key.pem")).value();
  EXPECT_EQ(to_hex(id_auth(vector_bytes("test_id_sig.bin"), id_key,
                           vector_bytes("test_auth_sig.bin"), author_key)),
            to_hex(vector_bytes("test_auth_block.bin")));
}

crypto::EcdsaSignature signature_at(ByteView bytes, size_t offset) {
  auto number = [&](size_t at) {
    Bytes big_endian(bytes.begin() + static_cast<ptrdiff_t>(at),
                     bytes.begin() + static_cast<ptrdiff_t>(at + 48));
    std::ranges::reverse(big_endian);
    return big_endian;
  };
  return {number(offset), number(offset + 72)};
}

struct IdBlockFiles : testing::Test {
  Unfinished folder{std::filesystem::path(testing::TempDir()) /
                    ("id_block." + std::to_string(getpid()))};
  crypto::EcKey id = crypto::EcKey::generate(crypto::Curve::p384).value();
  crypto::EcKey author = crypto::EcKey::generate(crypto::Curve::p384).value();
  IdBlockOptions options;
  void SetUp() override {
    std::filesystem::create_directories(folder.path());
    options.digest = Bytes(48, 7);
    options.id_key = save("id.pem", id);
    options.author_key = save("author.pem", author);
  }
  std::filesystem::path save(const char* name, const crypto::EcKey& key) {
    auto path = folder.path() / name;
    write_file(path, as_bytes(key.private_pem().value().view())).value();
    return path;
  }
};

// What the firmware checks: block under the ID key, ID key under the author's.
TEST_F(IdBlockFiles, SignaturesVerify) {
  options.family_id.fill(1);
  options.image_id.fill(2);
  options.guest_svn = 3;
  options.policy = 0x1b0000;
  auto made = make_id_block(options).value();
  ASSERT_EQ(made.block.size(), 96u);
  ASSERT_EQ(made.authentication.size(), 4096u);
  EXPECT_EQ(to_hex(made.block), std::string(96, '0').replace(0, 96, to_hex(Bytes(48, 7))) +
                                    to_hex(Bytes(16, 1)) + to_hex(Bytes(16, 2)) +
                                    "01000000"
                                    "03000000"
                                    "00001b0000000000");
  EXPECT_TRUE(
      id.verify(crypto::HashKind::sha384, made.block, signature_at(made.authentication, 0x40)));
  EXPECT_TRUE(author.verify(crypto::HashKind::sha384,
                            ByteView(made.authentication).subspan(0x240, 1028),
                            signature_at(made.authentication, 0x680)));
  EXPECT_EQ(made.id_key_digest.size(), 48u);
  EXPECT_EQ(made.author_key_digest.size(), 48u);
}

// The firmware refuses a launch under another policy than the block's.
TEST_F(IdBlockFiles, DefaultPolicyIsTheLaunchs) {
  auto made = make_id_block(options).value();
  EXPECT_EQ(load_le<uint64_t>(&made.block[88]), plan::measure::default_guest_policy(Tee::snp));
  EXPECT_EQ(id_block(IdBlockFields{}), id_block({.policy = IdBlockOptions().policy}));
}

TEST_F(IdBlockFiles, AuthorIsOptional) {
  options.author_key.clear();
  auto made = make_id_block(options).value();
  EXPECT_TRUE(made.author_key_digest.empty());
  EXPECT_EQ(load_le<uint32_t>(&made.authentication[4]), 0u);
  EXPECT_EQ(to_hex(ByteView(made.authentication).subspan(0x680)),
            std::string(2 * (4096 - 0x680), '0'));
}

TEST_F(IdBlockFiles, WhatIsRefused) {
  auto code = [](const IdBlockOptions& bad) { return make_id_block(bad).error().code; };
  auto digest = options, missing = options, curve = options;
  digest.digest.resize(32);
  missing.id_key = folder.path() / "nothing.pem";
  curve.author_key = save("p256.pem", crypto::EcKey::generate(crypto::Curve::p256).value());
  EXPECT_EQ(code(digest), ErrorCode::invalid_argument);
  EXPECT_EQ(code(missing), ErrorCode::not_found);
  EXPECT_EQ(code(curve), ErrorCode::invalid_argument);
  write_file(folder.path() / "bad.pem", as_bytes("no key")).value();
  options.id_key = folder.path() / "bad.pem";
  EXPECT_FALSE(make_id_block(options).ok());
}

}  // namespace
}  // namespace bartizan::plan::tee::snp
