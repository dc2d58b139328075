// Owner: the tenant's side of a SEV launch, for tests of the fake firmware: session for the
// platform's certificate, check of the measurement, sealing of a secret (SEV API, "Session",
// LAUNCH_MEASURE, LAUNCH_SECRET).
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "fakes/tee_kernel_digest.hpp"
#include "fakes/tee_kernel_sev.hpp"

namespace bartizan::fakes {

class Owner {
 public:
  struct Secret {
    std::vector<uint8_t> header, ciphertext;
  };

  explicit Owner(uint32_t policy) : policy_(policy) {
    EVP_PKEY* own = EVP_EC_gen("P-384");
    EVP_PKEY* platform = platform_key();
    certificate = fake_platform_certificate();  // same form; the key is replaced
    put_point(own);
    wrap(derive_secret(own, platform));
    EVP_PKEY_free(own);
    EVP_PKEY_free(platform);
  }

  bool verifies(const std::array<uint8_t, 48>& blob, uint8_t major, uint8_t minor, uint8_t build,
                const std::vector<uint8_t>& digest) const {
    std::vector<uint8_t> said{4, major, minor, build};
    append(said, &policy_, 4);
    append(said, digest.data(), digest.size());
    append(said, blob.data() + 32, 16);
    Digest256 mac = fake_hmac_sha256(tik_, said);
    return std::equal(mac.begin(), mac.end(), blob.begin());
  }

  Secret seal(const std::vector<uint8_t>& plain, const std::array<uint8_t, 48>& measurement) const {
    Secret made{std::vector<uint8_t>(20), std::vector<uint8_t>(plain.size())};
    made.header[4] = 9;  // IV
    fake_aes128_ctr(tek_, std::span(made.header).subspan(4, 16), plain, made.ciphertext);
    std::vector<uint8_t> said{1};
    append(said, made.header.data(), 20);
    auto size = static_cast<uint32_t>(plain.size());
    append(said, &size, 4);
    append(said, &size, 4);
    append(said, made.ciphertext.data(), made.ciphertext.size());
    append(said, measurement.data(), 32);
    Digest256 mac = fake_hmac_sha256(tik_, said);
    append(made.header, mac.data(), mac.size());
    return made;
  }

  std::vector<uint8_t> certificate, session;

 private:
  static void append(std::vector<uint8_t>& to, const void* from, size_t size) {
    auto* bytes = static_cast<const uint8_t*>(from);
    to.insert(to.end(), bytes, bytes + size);
  }
  static EVP_PKEY* platform_key() {
    auto from = fake_platform_certificate();
    std::vector<uint8_t> octets{4};
    for (size_t at : {0x14, 0x14 + 72}) {
      octets.insert(octets.end(), from.rend() - static_cast<ptrdiff_t>(at) - 48,
                    from.rend() - static_cast<ptrdiff_t>(at));
    }
    EVP_PKEY* key = EVP_PKEY_new();
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
    char group[] = "secp384r1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets.data(), octets.size()),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_fromdata_init(context);
    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    return key;
  }
  void put_point(EVP_PKEY* own) {
    const char* names[] = {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y};
    for (size_t i = 0; i < 2; ++i) {
      BIGNUM* coordinate = nullptr;
      EVP_PKEY_get_bn_param(own, names[i], &coordinate);
      BN_bn2lebinpad(coordinate, certificate.data() + 0x14 + 72 * i, 72);
      BN_free(coordinate);
    }
  }
  static std::vector<uint8_t> derive_secret(EVP_PKEY* own, EVP_PKEY* peer) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(own, nullptr);
    std::vector<uint8_t> secret(48);
    size_t size = secret.size();
    EVP_PKEY_derive_init(context);
    EVP_PKEY_derive_set_peer(context, peer);
    EVP_PKEY_derive(context, secret.data(), &size);
    EVP_PKEY_CTX_free(context);
    return secret;
  }
  static std::vector<uint8_t> derive(const std::vector<uint8_t>& key, std::string_view label,
                                     const std::vector<uint8_t>& context) {
    std::vector<uint8_t> said{1, 0, 0, 0};
    append(said, label.data(), label.size());
    said.push_back(0);
    append(said, context.data(), context.size());
    append(said, "\x80\0\0\0", 4);
    Digest256 mac = fake_hmac_sha256(key, said);
    return {mac.begin(), mac.begin() + 16};
  }
  void wrap(const std::vector<uint8_t>& secret) {
    std::vector<uint8_t> nonce(16, 3), iv(16, 4), wrapped(32), keys = tek_;
    keys.insert(keys.end(), tik_.begin(), tik_.end());
    auto master = derive(secret, "sev-master-secret", nonce);
    fake_aes128_ctr(derive(master, "sev-kek", {}), iv, keys, wrapped);
    Digest256 wrap_mac = fake_hmac_sha256(derive(master, "sev-kik", {}), wrapped);
    std::vector<uint8_t> policy;
    append(policy, &policy_, 4);
    Digest256 policy_mac = fake_hmac_sha256(tik_, policy);
    for (const auto& part : {nonce, wrapped, iv}) append(session, part.data(), part.size());
    append(session, wrap_mac.data(), wrap_mac.size());
    append(session, policy_mac.data(), policy_mac.size());
  }

  uint32_t policy_;
  std::vector<uint8_t> tek_ = std::vector<uint8_t>(16, 1), tik_ = std::vector<uint8_t>(16, 2);
};

}  // namespace bartizan::fakes
