// EC keys, JWE and certificates, against a worked example of the KBS protocol and against Debian's
// `jose` tool.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "base/file.hpp"
#include "crypto/ec.hpp"
#include "crypto/jwe.hpp"
#include "crypto/x509.hpp"

namespace bartizan::crypto {
namespace {

namespace fs = std::filesystem;

Bytes url64(const std::string& text) {
  return from_base64(text, Base64::url).value();
}

TEST(KeyWrap, Rfc3394Section46) {
  SecretBytes kek{ByteView(
      from_hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F").value())};
  SecretBytes key{ByteView(
      from_hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F").value())};
  Bytes wrapped = aes_key_wrap(kek, key).value();
  EXPECT_EQ(to_hex(wrapped),
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
  EXPECT_TRUE(aes_key_unwrap(kek, wrapped).value().equals(key));
  wrapped[3] ^= 1;
  auto bad = aes_key_unwrap(kek, wrapped);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().reason, "jwe");
}

class Wire : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::path file =
        fs::path(BARTIZAN_SOURCE_DIR) / ".." / "shared" / "vectors" / "kbs" / "wire.json";
    if (!fs::exists(file)) GTEST_SKIP() << "no shared/vectors beside the source";
    Bytes text = read_file(file, 1 << 20).value();
    wire_ = parse_json(as_text(text), "wire.json").value();
    Json canonical = parse_json(wire_["canon"].get<std::string>(), "canon").value();
    guest_ = key(wire_["tee_d"], canonical["tee-pubkey"]);
    Bytes header = url64(wire_["resource_jwe"]["protected"]);
    ephemeral_ = key(wire_["eph_d"], parse_json(as_text(header), "header").value()["epk"]);
  }
  static EcKey key(const Json& scalar, const Json& jwk) {
    SecretBytes secret{ByteView(url64(scalar))};
    return EcKey::from_private(Curve::p256, secret, {url64(jwk["x"]), url64(jwk["y"])}).value();
  }
  Json wire_;
  std::optional<EcKey> guest_, ephemeral_;
};

TEST_F(Wire, ReportDataHash) {
  EXPECT_EQ(to_hex(sha384(as_bytes(wire_["canon"].get<std::string>()))), wire_["sha384"]);
  Json canonical = parse_json(wire_["canon"].get<std::string>(), "canon").value();
  EXPECT_EQ(canonical_json(canonical).value(), wire_["canon"]);
  EXPECT_EQ(ec_public_jwk(*guest_), canonical["tee-pubkey"]);
}

TEST_F(Wire, AgreementAndDerivation) {
  SecretBytes z = ephemeral_->shared_secret(*guest_).value();
  EXPECT_EQ(to_hex(z.bytes()), wire_["z"]);
  EXPECT_EQ(to_hex(guest_->shared_secret(*ephemeral_).value().bytes()), wire_["z"]);
  EXPECT_EQ(to_hex(concat_kdf(z, kJweEcAlgorithm).bytes()), wire_["kek"]);
}

TEST_F(Wire, EncryptionIsEqualToTheByte) {
  SecretBytes content_key(32);
  for (uint8_t i = 0; i < 32; ++i) content_key.mutable_bytes()[i] = 0x40 + i;
  Bytes iv = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  auto jwe =
      jwe_encrypt_with(*guest_, *ephemeral_, content_key, iv, as_bytes("hello confidential world"));
  ASSERT_TRUE(jwe.ok()) << jwe.error().describe();
  EXPECT_EQ(*jwe, wire_["resource_jwe"]);
}

TEST_F(Wire, Decryption) {
  EXPECT_EQ(jwe_decrypt(*guest_, wire_["resource_jwe"].dump()).value().view(),
            "hello confidential world");
}

TEST(Jwe, RoundTripAndDamage) {
  EcKey key = EcKey::generate(Curve::p256).value();
  Json jwe = jwe_encrypt(ec_public_jwk(key), as_bytes("secret")).value();
  EXPECT_EQ(jwe_decrypt(key, jwe.dump()).value().view(), "secret");
  for (const char* member : {"encrypted_key", "iv", "ciphertext", "tag"}) {
    Json bad = jwe;
    Bytes bytes = url64(bad[member]);
    bytes[0] ^= 1;
    bad[member] = to_base64(bytes, Base64::url);
    auto opened = jwe_decrypt(key, bad.dump());
    ASSERT_FALSE(opened.ok()) << member;
    EXPECT_EQ(opened.error().reason, "jwe") << member;
  }
  auto other = jwe_decrypt(EcKey::generate(Curve::p256).value(), jwe.dump());
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().reason, "jwe");
  EXPECT_FALSE(jwe_decrypt(key, "{}").ok());
  EXPECT_FALSE(jwe_decrypt(key, std::string(kMaxJweBytes + 1, ' ')).ok());
}

TEST(Jwe, ProtectedHeaderOrder) {
  EcKey key = EcKey::generate(Curve::p256).value();
  Bytes header = url64(jwe_encrypt(ec_public_jwk(key), as_bytes("x")).value()["protected"]);
  EXPECT_TRUE(as_text(header).starts_with(
      R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"crv":"P-256","kty":"EC","x":")"));
}

// Guests of others may be configured to bring keys on these.
TEST(Jwe, EveryCurveOfGuests) {
  for (Curve curve : {Curve::p256, Curve::p384, Curve::p521}) {
    EcKey key = EcKey::generate(curve).value();
    const Json jwk = ec_public_jwk(key);
    EXPECT_EQ(jwk["crv"], to_string(curve));
    EXPECT_EQ(normalize_jwk(jwk).value(), jwk);
    const Json sealed = jwe_encrypt(jwk, as_bytes("the key")).value();
    EXPECT_EQ(jwe_decrypt(key, sealed.dump()).value().view(), "the key");
    EXPECT_FALSE(jwe_decrypt(EcKey::generate(Curve::p256).value(), sealed.dump()).ok());
  }
}

TEST(Jwe, PointsOffTheCurveAreRefused) {
  Json jwk = ec_public_jwk(EcKey::generate(Curve::p256).value());
  Bytes y = url64(jwk["y"]);
  y[31] ^= 1;
  jwk["y"] = to_base64(y, Base64::url);
  EXPECT_FALSE(normalize_jwk(jwk).ok());
  EXPECT_FALSE(jwe_encrypt(jwk, as_bytes("x")).ok());
  jwk["x"] = jwk["y"] = to_base64(Bytes(32), Base64::url);
  EXPECT_FALSE(normalize_jwk(jwk).ok());
}

TEST(Jwk, OnlyKnownMembersAndKeys) {
  Json jwk = ec_public_jwk(EcKey::generate(Curve::p256).value()), more = jwk;
  more["kid"] = "a";
  EXPECT_EQ(normalize_jwk(more).value(), jwk);
  for (const auto& [name, value] :
       {std::pair{"alg", "ECDH-ES"}, {"kty", "OKP"}, {"kty", "AKP"}, {"crv", "secp256k1"}}) {
    Json bad = jwk;
    bad[name] = value;
    auto refused = normalize_jwk(bad);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported) << name;
  }
  EXPECT_FALSE(
      normalize_jwk({{"kty", "RSA"}, {"alg", "RSA-OAEP-256"}, {"n", "AQAB"}, {"e", "AQAB"}})
          .ok());  // tiny
}

// An implementation that is not ours opens what we seal.
class Jose : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v jose >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "no jose tool on this machine";
    char name[] = "/tmp/bartizan-jose-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string read(const char* name) {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void shell(const std::string& command) {
    ASSERT_EQ(std::system(("cd " + folder_.string() + " && " + command).c_str()), 0) << command;
  }
  void opens_ours(const char* kind, std::string_view algorithm) {
    shell(fmt::format("jose jwk gen -i '{}' -o key.jwk", kind));
    Json jwk = parse_json(read("key.jwk"), "jwk").value();
    jwk["alg"] = algorithm;
    Json message = jwe_encrypt(normalize_jwk(jwk).value(), as_bytes("the secret")).value();
    std::ofstream(folder_ / "message.jwe") << message.dump();
    shell("jose jwe dec -i message.jwe -k key.jwk -O plain");
    EXPECT_EQ(read("plain"), "the secret");
  }
  fs::path folder_;
};

TEST_F(Jose, OpensOurs) {
  for (const char* curve : {"P-256", "P-384", "P-521"})
    opens_ours(fmt::format(R"({{"kty":"EC","crv":"{}"}})", curve).c_str(), kJweEcAlgorithm);
}
TEST_F(Jose, WeOpenTheirs) {
  std::ofstream(folder_ / "plain") << "their secret";
  shell(R"(jose jwk gen -i '{"kty":"EC","crv":"P-256"}' -o key.jwk)");
  shell(
      R"(jose jwe enc -i '{"protected":{"alg":"ECDH-ES+A256KW","enc":"A256GCM"}}' -I plain -k key.jwk -o message.jwe)");
  Json jwk = parse_json(read("key.jwk"), "jwk").value();
  SecretBytes scalar{ByteView(url64(jwk["d"]))};
  EcKey key = EcKey::from_private(Curve::p256, scalar, {url64(jwk["x"]), url64(jwk["y"])}).value();
  Json message = parse_json(read("message.jwe"), "jwe").value();
  auto opened = jwe_decrypt(key, message.dump());
  ASSERT_TRUE(opened.ok()) << opened.error().describe() << message.dump();
  EXPECT_EQ(opened->view(), "their secret");
}

// Debian's jose knows no RSA-OAEP; OpenSSL's own call stands in for the other side.
TEST(Jwe, RsaOaep256IsOpenedByOpenssl) {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_RSA_gen(2048), EVP_PKEY_free);
  auto parameter = [&](const char* name) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key.get(), name, &number);
    Bytes bytes(static_cast<size_t>(BN_num_bytes(number)));
    BN_bn2bin(number, bytes.data());
    BN_free(number);
    return to_base64(bytes, Base64::url);
  };
  Json jwk = {
      {"kty", "RSA"}, {"alg", kJweRsaAlgorithm}, {"n", parameter("n")}, {"e", parameter("e")}};
  Json jwe = jwe_encrypt(normalize_jwk(jwk).value(), as_bytes("the secret")).value();
  std::string header = jwe["protected"];
  EXPECT_EQ(as_text(url64(header)), R"({"alg":"RSA-OAEP-256","enc":"A256GCM"})");

  Bytes wrapped = url64(jwe["encrypted_key"]);
  SecretBytes content_key(256);
  size_t size = content_key.size();
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY_decrypt_init(context.get());
  EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING);
  EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256());
  ASSERT_EQ(EVP_PKEY_decrypt(context.get(), content_key.mutable_bytes().data(), &size,
                             wrapped.data(), wrapped.size()),
            1);
  auto opened = aes_gcm_open(SecretBytes(content_key.bytes().first(size)), url64(jwe["iv"]),
                             as_bytes(header), url64(jwe["ciphertext"]), url64(jwe["tag"]));
  ASSERT_TRUE(opened.ok()) << opened.error().describe();
  EXPECT_EQ(opened->view(), "the secret");
}

TEST(EcKeys, SignaturesAndPem) {
  for (Curve curve : {Curve::p256, Curve::p384}) {
    EcKey key = EcKey::generate(curve).value();
    EcdsaSignature signature = key.sign(HashKind::sha384, as_bytes("text")).value();
    EcKey reader = EcKey::from_public(curve, key.point()).value();
    EXPECT_TRUE(reader.verify(HashKind::sha384, as_bytes("text"), signature));
    EXPECT_FALSE(reader.verify(HashKind::sha384, as_bytes("texT"), signature));
    EXPECT_FALSE(
        reader.verify(HashKind::sha384, as_bytes("text"), {Bytes(48), Bytes(48)}));  // r = s = 0
    EXPECT_FALSE(
        reader.verify(HashKind::sha384, as_bytes("text"), {Bytes(48, 0xff), Bytes(48, 0xff)}));
    EcKey back = EcKey::from_private_pem(key.private_pem().value()).value();
    EXPECT_EQ(back.point().x, key.point().x);
  }
}

TEST(Certificates, MadeOnesReadBack) {
  EcKey ca_key = EcKey::generate(Curve::p384).value(), key = EcKey::generate(Curve::p256).value();
  Certificate ca =
      CertificateRequest{"the CA", 1000, 2000, 0, {}, {}}.sign(ca_key, nullptr, ca_key).value();
  Certificate leaf = CertificateRequest{"leaf",
                                        1000,
                                        2000,
                                        std::nullopt,
                                        {"10.0.2.2", "::1", "a.example"},
                                        {{"1.3.6.1.4.1.3704.1.4", {1, 2}}}}
                         .sign(key, &ca, ca_key)
                         .value();
  EXPECT_TRUE(ca.is_ca());
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_TRUE(leaf.issued_by(ca));
  EXPECT_FALSE(ca.issued_by(leaf));
  EXPECT_EQ(leaf.common_name(), "leaf");
  EXPECT_EQ(leaf.not_before(), 1000);
  EXPECT_EQ(leaf.not_after(), 2000);
  EXPECT_EQ(leaf.extension("1.3.6.1.4.1.3704.1.4"), (Bytes{1, 2}));
  EXPECT_FALSE(leaf.extension("1.3.6.1.4.1.3704.1.1").has_value());
  Bytes der = leaf.der();
  EXPECT_EQ(Certificate::from_der(der).value().der(), der);
  der.push_back(0);
  EXPECT_FALSE(Certificate::from_der(der).ok());
  EXPECT_FALSE(Certificate::from_der(ByteView(der).first(40)).ok());
}

}  // namespace
}  // namespace bartizan::crypto
