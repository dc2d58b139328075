#include "crypto/jwe.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {
namespace {

constexpr size_t kKeySize = 32, kIvSize = 12, kTagSize = 16;
constexpr std::string_view kOrigin = "crypto/jwe";

// RSA keys below are breakable; far above, one request costs seconds of a broker's processor.
constexpr int kMinRsaBits = 2048, kMaxRsaBits = 4096;

std::string url64(ByteView bytes) {
  return to_base64(bytes, Base64::url);
}

void append_be32(Bytes& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<uint8_t>(value >> shift));
}

Error corrupt_jwe(std::string_view what) {
  return make_error(ErrorCode::corrupt, std::string(kOrigin), "JWE: {}", what);
}

Result<Bytes> member_bytes(const Json& object, std::string_view key, std::string_view what) {
  return from_base64(TRY(json_string(object, key, what)), Base64::url);
}

// The member order is part of the contract, so the text is put together by hand; all values are
// base64url.
std::string protected_header(const EcKey& ephemeral) {
  const EcPoint point = ephemeral.point();
  return fmt::format(
      R"({{"alg":"{}","enc":"{}","epk":{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}}})",
      kJweEcAlgorithm, kJweEncryption, to_string(ephemeral.curve()), url64(point.x),
      url64(point.y));
}

Result<Json> assemble(const std::string& header, ByteView wrapped_key,
                      const SecretBytes& content_key, ByteView iv, ByteView plaintext) {
  std::string encoded = url64(as_bytes(header));
  GcmSealed sealed = TRY(aes_gcm_seal(content_key, iv, as_bytes(encoded), plaintext));
  return Json{{"protected", encoded},
              {"encrypted_key", url64(wrapped_key)},
              {"iv", url64(iv)},
              {"ciphertext", url64(sealed.ciphertext)},
              {"tag", url64(sealed.tag)}};
}

Result<PrivateKeyHandle> rsa_key_from_jwk(const Json& jwk) {
  Bytes n = TRY(member_bytes(jwk, "n", "RSA key")), e = TRY(member_bytes(jwk, "e", "RSA key"));
  if (n.size() > kMaxRsaBits / 8 || e.size() > 8) return corrupt_jwe("RSA key too large");
  BigNumber modulus(BN_bin2bn(n.data(), static_cast<int>(n.size()), nullptr));
  BigNumber exponent(BN_bin2bn(e.data(), static_cast<int>(e.size()), nullptr));
  if (BN_num_bits(modulus.get()) < kMinRsaBits || !BN_is_odd(modulus.get()) ||
      !BN_is_odd(exponent.get()) || BN_num_bits(exponent.get()) < 2) {
    return corrupt_jwe("RSA key too weak");
  }
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  PrivateKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return openssl_error("RSA key", ErrorCode::corrupt);
  }
  return PrivateKeyHandle(key);
}

Result<Bytes> rsa_oaep(EVP_PKEY* key, const SecretBytes& content_key) {
  PrivateKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  Bytes wrapped(static_cast<size_t>(EVP_PKEY_get_size(key)));
  size_t size = wrapped.size();
  if (EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_encrypt(context.get(), wrapped.data(), &size, content_key.bytes().data(),
                       content_key.size()) != 1) {
    return openssl_error("RSA-OAEP");
  }
  wrapped.resize(size);
  return wrapped;
}

Result<Json> encrypt_rsa(const Json& jwk, const SecretBytes& content_key, ByteView iv,
                         ByteView plaintext) {
  PrivateKeyHandle key = TRY(rsa_key_from_jwk(jwk));
  Bytes wrapped = TRY(rsa_oaep(key.get(), content_key));
  std::string header =
      fmt::format(R"({{"alg":"{}","enc":"{}"}})", kJweRsaAlgorithm, kJweEncryption);
  return assemble(header, wrapped, content_key, iv, plaintext);
}

// The ephemeral key may also stand in the unprotected header (RFC 7516 §4): changing it there only
// breaks the unwrapping.
Result<const Json*> ephemeral_key(const Json& header, const Json& message) {
  auto unprotected = message.find("header");
  if (header.contains("epk") || unprotected == message.end())
    return json_member(header, "epk", "JWE header");
  return json_member(*unprotected, "epk", "JWE header");
}

// RFC 7518 §4.6: unwrap the content key with what ECDH of our key and the header's `epk` gives.
Result<SecretBytes> content_key_of(const EcKey& recipient, const Json& header, const Json& epk,
                                   ByteView wrapped) {
  std::string algorithm = TRY(json_string(header, "alg", "JWE header"));
  std::string encryption = TRY(json_string(header, "enc", "JWE header"));
  if (algorithm != kJweEcAlgorithm || encryption != kJweEncryption) {
    return make_error(ErrorCode::unsupported, std::string(kOrigin),
                      "JWE: alg \"{}\", enc \"{}\"; only {} with {}", algorithm, encryption,
                      kJweEcAlgorithm, kJweEncryption);
  }
  EcKey ephemeral = TRY(ec_key_from_jwk(epk));
  SecretBytes shared = TRY(recipient.shared_secret(ephemeral));
  return aes_key_unwrap(concat_kdf(shared, kJweEcAlgorithm), wrapped);
}

}  // namespace

SecretBytes concat_kdf(const SecretBytes& shared_secret, std::string_view algorithm) {
  Bytes info;
  append_be32(info, static_cast<uint32_t>(algorithm.size()));
  info.insert(info.end(), algorithm.begin(), algorithm.end());
  append_be32(info, 0);             // PartyUInfo
  append_be32(info, 0);             // PartyVInfo
  append_be32(info, kKeySize * 8);  // SuppPubInfo
  constexpr uint8_t kRound[4] = {0, 0, 0, 1};
  Hasher hasher(HashKind::sha256);
  hasher.update(kRound);
  hasher.update(shared_secret.bytes());
  hasher.update(info);
  Bytes digest = hasher.finish();
  SecretBytes key{ByteView(digest)};
  OPENSSL_cleanse(digest.data(), digest.size());
  return key;
}

Result<Bytes> aes_key_wrap(const SecretBytes& key_encryption_key, const SecretBytes& key) {
  CipherContext context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  Bytes wrapped(key.size() + 16);
  int size = 0;
  if (key_encryption_key.size() != kKeySize ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_wrap(), nullptr,
                         key_encryption_key.bytes().data(), nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), wrapped.data(), &size, key.bytes().data(),
                        static_cast<int>(key.size())) != 1) {
    return openssl_error("AES key wrap");
  }
  wrapped.resize(static_cast<size_t>(size));
  return wrapped;
}

Result<SecretBytes> aes_key_unwrap(const SecretBytes& key_encryption_key, ByteView wrapped) {
  CipherContext context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  if (wrapped.size() != kKeySize + 8) return corrupt_jwe("encrypted_key is not 40 bytes long");
  SecretBytes key(wrapped.size());
  int size = 0;
  if (key_encryption_key.size() != kKeySize ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_wrap(), nullptr,
                         key_encryption_key.bytes().data(), nullptr) != 1 ||
      EVP_DecryptUpdate(context.get(), key.mutable_bytes().data(), &size, wrapped.data(),
                        static_cast<int>(wrapped.size())) != 1 ||
      size != static_cast<int>(kKeySize)) {
    ERR_clear_error();
    return refused(std::string(kOrigin), "jwe", "", "",
                   "JWE: the content key was not wrapped for this key");
  }
  return SecretBytes(key.bytes().first(kKeySize));
}

Result<GcmSealed> aes_gcm_seal(const SecretBytes& key, ByteView iv, ByteView aad,
                               ByteView plaintext) {
  CipherContext context(EVP_CIPHER_CTX_new());
  GcmSealed sealed{Bytes(plaintext.size()), {}};
  int size = 0;
  if (key.size() != kKeySize || iv.size() != kIvSize ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes().data(),
                         iv.data()) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &size, aad.data(), static_cast<int>(aad.size())) !=
          1 ||
      (!plaintext.empty() &&
       EVP_EncryptUpdate(context.get(), sealed.ciphertext.data(), &size, plaintext.data(),
                         static_cast<int>(plaintext.size())) != 1) ||
      EVP_EncryptFinal_ex(context.get(), sealed.ciphertext.data() + sealed.ciphertext.size(),
                          &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, sealed.tag.data()) != 1) {
    return openssl_error("AES-GCM");
  }
  return sealed;
}

Result<SecretBytes> aes_gcm_open(const SecretBytes& key, ByteView iv, ByteView aad,
                                 ByteView ciphertext, ByteView tag) {
  if (iv.size() != kIvSize || tag.size() != kTagSize)
    return corrupt_jwe("iv or tag of a wrong length");
  CipherContext context(EVP_CIPHER_CTX_new());
  SecretBytes plaintext(ciphertext.size());
  Bytes expected_tag(tag.begin(), tag.end());
  int size = 0;
  if (key.size() != kKeySize ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes().data(),
                         iv.data()) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &size, aad.data(), static_cast<int>(aad.size())) !=
          1 ||
      (!ciphertext.empty() &&
       EVP_DecryptUpdate(context.get(), plaintext.mutable_bytes().data(), &size, ciphertext.data(),
                         static_cast<int>(ciphertext.size())) != 1) ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, expected_tag.data()) !=
          1) {
    return openssl_error("AES-GCM");
  }
  uint8_t nothing[16];
  if (EVP_DecryptFinal_ex(context.get(), nothing, &size) != 1) {
    ERR_clear_error();
    return refused(std::string(kOrigin), "jwe", "", "",
                   "JWE: changed on the way, or meant for another key");
  }
  return plaintext;
}

Json ec_public_jwk(const EcKey& key) {
  EcPoint point = key.point();
  return Json{{"alg", kJweEcAlgorithm},
              {"crv", to_string(key.curve())},
              {"kty", "EC"},
              {"x", url64(point.x)},
              {"y", url64(point.y)}};
}

Result<EcKey> ec_key_from_jwk(const Json& jwk) {
  std::string curve = TRY(json_string(jwk, "crv", "EC key"));
  Bytes x = TRY(member_bytes(jwk, "x", "EC key")), y = TRY(member_bytes(jwk, "y", "EC key"));
  for (Curve known : {Curve::p256, Curve::p384, Curve::p521}) {
    if (curve == to_string(known)) return EcKey::from_public(known, {x, y});
  }
  return make_error(ErrorCode::unsupported, std::string(kOrigin),
                    "EC key: curve \"{}\"; only P-256, P-384 and P-521", curve);
}

Result<Json> normalize_jwk(const Json& jwk) {
  std::string type = TRY(json_string(jwk, "kty", "tee-pubkey"));
  std::string algorithm = TRY(json_string(jwk, "alg", "tee-pubkey"));
  bool is_ec = type == "EC" && algorithm == kJweEcAlgorithm;
  bool is_rsa = type == "RSA" && algorithm == kJweRsaAlgorithm;
  if (!is_ec && !is_rsa) {
    return make_error(ErrorCode::unsupported, std::string(kOrigin),
                      "tee-pubkey: kty \"{}\", alg \"{}\"", type, algorithm);
  }
  Json result{{"kty", type}, {"alg", algorithm}};
  const std::vector<std::string_view> members = is_ec
                                                    ? std::vector<std::string_view>{"crv", "x", "y"}
                                                    : std::vector<std::string_view>{"n", "e"};
  for (std::string_view name : members) {
    result[std::string(name)] = TRY(json_string(jwk, name, "tee-pubkey"));
  }
  if (is_ec) TRY(ec_key_from_jwk(result));
  if (is_rsa) TRY(rsa_key_from_jwk(result));
  return result;
}

Result<Json> jwe_encrypt(const Json& jwk, ByteView plaintext) {
  SecretBytes content_key = TRY(random_secret(kKeySize));
  Bytes iv(kIvSize);
  TRY(random_bytes(iv));
  if (TRY(json_string(jwk, "kty", "tee-pubkey")) == "RSA")
    return encrypt_rsa(jwk, content_key, iv, plaintext);
  EcKey recipient = TRY(ec_key_from_jwk(jwk));
  return jwe_encrypt_with(recipient, TRY(EcKey::generate(recipient.curve())), content_key, iv,
                          plaintext);
}

Result<Json> jwe_encrypt_with(const EcKey& recipient, const EcKey& ephemeral,
                              const SecretBytes& content_key, ByteView iv, ByteView plaintext) {
  SecretBytes shared = TRY(ephemeral.shared_secret(recipient));
  Bytes wrapped = TRY(aes_key_wrap(concat_kdf(shared, kJweEcAlgorithm), content_key));
  return assemble(protected_header(ephemeral), wrapped, content_key, iv, plaintext);
}

namespace {

// What would change the meaning of the rest, and is not done here (RFC 7516 §5.2, §7.2.1; RFC 7518
// §4.6.1.2). Other members are passed over, as the RFC wants.
Result<void> check_extensions(const Json& message, const Json& header) {
  for (const char* name : {"recipients", "aad"}) {
    if (message.contains(name)) return corrupt_jwe(fmt::format("member \"{}\" is not done", name));
  }
  for (const char* name : {"crit", "zip", "apu", "apv"}) {
    if (header.contains(name)) return corrupt_jwe(fmt::format("header \"{}\" is not done", name));
  }
  return {};
}

}  // namespace

Result<SecretBytes> jwe_decrypt(const EcKey& recipient, std::string_view json) {
  if (json.size() > kMaxJweBytes)
    return corrupt_jwe(fmt::format("{} bytes, at most {}", json.size(), kMaxJweBytes));
  Json message = TRY(parse_json(json, "JWE"));
  std::string encoded_header = TRY(json_string(message, "protected", "JWE"));
  Bytes header_text = TRY(from_base64(encoded_header, Base64::url));
  Json header = TRY(parse_json(as_text(header_text), "JWE header"));
  TRY(check_extensions(message, header));
  Bytes wrapped = TRY(member_bytes(message, "encrypted_key", "JWE"));
  Bytes iv = TRY(member_bytes(message, "iv", "JWE")),
        tag = TRY(member_bytes(message, "tag", "JWE"));
  Bytes ciphertext = TRY(member_bytes(message, "ciphertext", "JWE"));
  SecretBytes content_key =
      TRY(content_key_of(recipient, header, *TRY(ephemeral_key(header, message)), wrapped));
  return aes_gcm_open(content_key, iv, as_bytes(encoded_header), ciphertext, tag);
}

}  // namespace bartizan::crypto
