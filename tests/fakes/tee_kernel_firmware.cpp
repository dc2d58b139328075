#include "fakes/tee_kernel_firmware.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "fakes/tee_kernel_openssl.hpp"

namespace bartizan::fakes {
namespace {

using vmm::kvm::SevFirmwareError;

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;

constexpr size_t kCoordinate = 48,
                 kStoredCoordinate = 72;  // P-384, and the firmware's room for more
constexpr size_t kKeySize = 0x404;
constexpr uint32_t kCurveP384 = 2;
constexpr uint32_t kEcdsaP384Sha384 = 1;
constexpr uint32_t kIdBlockVersion = 1;

uint32_t word(std::span<const uint8_t> bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// The point as OpenSSL wants it: 4, X, Y, big endian. Empty: not a P-384 key.
std::vector<uint8_t> point(std::span<const uint8_t> key) {
  if (word(key, 0) != kCurveP384) return {};
  std::vector<uint8_t> octets{4};
  for (size_t at : {size_t{4}, 4 + kStoredCoordinate}) {
    auto coordinate = key.subspan(at, kCoordinate);
    octets.insert(octets.end(), coordinate.rbegin(), coordinate.rend());
  }
  return octets;
}

Key make_key(std::span<const uint8_t> octets, const BIGNUM* secret) {
  std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "secp384r1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                   octets.size());
  if (secret != nullptr) {
    OSSL_PARAM_BLD_push_BN_pad(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, secret, kCoordinate);
  }
  std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(builder.get()));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context.get());
  int selection = secret == nullptr ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
  if (EVP_PKEY_fromdata(context.get(), &key, selection, params.get()) != 1) return nullptr;
  return Key(key);
}

// `signature`: R and S, little endian, 72 bytes each.
bool signature_ok(std::span<const uint8_t> key, std::span<const uint8_t> signature,
                  std::span<const uint8_t> message) {
  auto octets = point(key);
  if (octets.empty()) return false;
  Key public_key = make_key(octets, nullptr);
  if (!public_key) return false;
  std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), BN_lebin2bn(signature.data(), kStoredCoordinate, nullptr),
                 BN_lebin2bn(signature.data() + kStoredCoordinate, kStoredCoordinate, nullptr));
  std::vector<uint8_t> der(512);
  uint8_t* end = der.data();
  int size = i2d_ECDSA_SIG(pair.get(), &end);
  if (size <= 0) return false;
  std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, public_key.get());
  return EVP_DigestVerify(context.get(), der.data(), static_cast<size_t>(size), message.data(),
                          message.size()) == 1;
}

// SP 800-108 in counter mode with HMAC-SHA-256; 16 bytes need one round.
std::array<uint8_t, 16> derive(std::span<const uint8_t> key, std::string_view label,
                               std::span<const uint8_t> context) {
  std::vector<uint8_t> said{1, 0, 0, 0};
  said.insert(said.end(), label.begin(), label.end());
  said.push_back(0);
  said.insert(said.end(), context.begin(), context.end());
  const uint8_t bits[] = {128, 0, 0, 0};
  said.insert(said.end(), std::begin(bits), std::end(bits));
  Digest256 mac = fake_hmac_sha256(key, said);
  std::array<uint8_t, 16> derived;
  std::copy_n(mac.begin(), derived.size(), derived.begin());
  return derived;
}

bool same(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The platform's key, from a fixed secret: sessions can be made ahead and kept as vectors.
struct PlatformKey {
  Key pair;
  std::vector<uint8_t> octets = std::vector<uint8_t>(1 + 2 * kCoordinate);
};

PlatformKey platform_key() {
  Digest384 secret_bytes = fake_sha384(std::vector<uint8_t>{'P', 'D', 'H'});
  secret_bytes[0] = 0;  // below the group's order
  Number secret(BN_bin2bn(secret_bytes.data(), secret_bytes.size(), nullptr));
  std::unique_ptr<EC_GROUP, Free<EC_GROUP_free>> group(EC_GROUP_new_by_curve_name(NID_secp384r1));
  std::unique_ptr<EC_POINT, Free<EC_POINT_free>> place(EC_POINT_new(group.get()));
  EC_POINT_mul(group.get(), place.get(), secret.get(), nullptr, nullptr, nullptr);
  PlatformKey key;
  EC_POINT_point2oct(group.get(), place.get(), POINT_CONVERSION_UNCOMPRESSED, key.octets.data(),
                     key.octets.size(), nullptr);
  key.pair = make_key(key.octets, secret.get());
  return key;
}

std::vector<uint8_t> shared_secret(EVP_PKEY* own, EVP_PKEY* peer) {
  KeyContext context(EVP_PKEY_CTX_new(own, nullptr));
  std::vector<uint8_t> secret(kCoordinate);
  size_t size = secret.size();
  if (EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) {
    return {};
  }
  return secret;
}

// SEV certificate: public key at 0x10.
constexpr size_t kCertificateSize = 0x824, kCertificateKey = 0x10;

}  // namespace

SevFirmwareError IdBlockCheck::check() {
  if (word(auth, 0) != kEcdsaP384Sha384 || word(block, 0x50) != kIdBlockVersion) {
    return SevFirmwareError::invalid_parameter;
  }
  if (author_key && word(auth, 4) != kEcdsaP384Sha384) return SevFirmwareError::invalid_parameter;
  auto id_key = auth.subspan(0x240, kKeySize), author = auth.subspan(0x880, kKeySize);
  if (!signature_ok(id_key, auth.subspan(0x40), block)) return SevFirmwareError::bad_signature;
  if (author_key && !signature_ok(author, auth.subspan(0x680), id_key)) {
    return SevFirmwareError::bad_signature;
  }
  if (!same(block.first(48), launch_digest)) return SevFirmwareError::bad_measurement;
  uint64_t wanted_policy = 0;
  std::memcpy(&wanted_policy, block.data() + 0x58, sizeof wanted_policy);
  if (wanted_policy != policy) return SevFirmwareError::policy_failure;
  id_key_digest = fake_sha384(id_key);
  if (author_key) author_key_digest = fake_sha384(author);
  return SevFirmwareError::success;
}

void fake_aes128_ctr(std::span<const uint8_t> key, std::span<const uint8_t> iv,
                     std::span<const uint8_t> from, std::span<uint8_t> to) {
  std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>> context(EVP_CIPHER_CTX_new());
  EVP_EncryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, key.data(), iv.data());
  int size = 0;
  EVP_EncryptUpdate(context.get(), to.data(), &size, from.data(), static_cast<int>(from.size()));
}

std::vector<uint8_t> fake_platform_certificate() {
  std::vector<uint8_t> certificate(kCertificateSize);
  auto put = [&certificate](size_t at, uint32_t value) {
    std::memcpy(certificate.data() + at, &value, sizeof value);
  };
  put(0, 1);       // version
  put(8, 0x1003);  // usage: PDH
  put(0xc, 3);     // ECDH with SHA-256
  put(kCertificateKey, kCurveP384);
  auto octets = platform_key().octets;
  auto x = octets.begin() + 1, y = x + kCoordinate;
  std::reverse_copy(x, y, certificate.begin() + kCertificateKey + 4);
  std::reverse_copy(y, octets.end(), certificate.begin() + kCertificateKey + 4 + kStoredCoordinate);
  return certificate;
}

SevFirmwareError unwrap_session(std::span<const uint8_t> owner_certificate,
                                std::span<const uint8_t> session, uint32_t policy,
                                SevTransportKeys& keys) {
  if (owner_certificate.size() != kCertificateSize || session.size() != 128) {
    return SevFirmwareError::invalid_length;
  }
  auto octets = point(owner_certificate.subspan(kCertificateKey, kKeySize));
  Key owner = octets.empty() ? nullptr : make_key(octets, nullptr);
  if (!owner) return SevFirmwareError::invalid_key;
  auto secret = shared_secret(platform_key().pair.get(), owner.get());
  if (secret.empty()) return SevFirmwareError::invalid_key;
  auto master = derive(secret, "sev-master-secret", session.first(16));
  auto encrypt = derive(master, "sev-kek", {}), integrity = derive(master, "sev-kik", {});
  if (!same(fake_hmac_sha256(integrity, session.subspan(16, 32)), session.subspan(64, 32))) {
    return SevFirmwareError::bad_measurement;
  }
  std::array<uint8_t, 32> both;
  fake_aes128_ctr(encrypt, session.subspan(48, 16), session.subspan(16, 32), both);
  std::copy_n(both.begin(), 16, keys.encryption.begin());
  std::copy_n(both.begin() + 16, 16, keys.integrity.begin());
  std::span<const uint8_t> policy_bytes(reinterpret_cast<const uint8_t*>(&policy), 4);
  bool policy_ok = same(fake_hmac_sha256(keys.integrity, policy_bytes), session.subspan(96, 32));
  return policy_ok ? SevFirmwareError::success : SevFirmwareError::bad_measurement;
}

}  // namespace bartizan::fakes
