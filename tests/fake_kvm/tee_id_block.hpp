// IdBlockMaker: signed SNP ID blocks for tests of the fake firmware, with fresh keys (SNP firmware
// ABI, ID_BLOCK and ID_AUTH structures).
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <cstring>
#include <memory>
#include <vector>

#include "fakes/tee_kernel_digest.hpp"

namespace bartizan::fakes {

class IdBlockMaker {
 public:
  IdBlockMaker() : id_(EVP_EC_gen("P-384")), author_(EVP_EC_gen("P-384")) {}
  IdBlockMaker(const IdBlockMaker&) = delete;
  ~IdBlockMaker() {
    EVP_PKEY_free(id_);
    EVP_PKEY_free(author_);
  }

  Digest384 digest{};
  uint64_t policy = 0;
  bool with_author = false;

  std::vector<uint8_t> block() const {
    std::vector<uint8_t> made(96);
    std::copy(digest.begin(), digest.end(), made.begin());
    made[0x50] = 1;  // version
    std::memcpy(made.data() + 0x58, &policy, sizeof policy);
    return made;
  }
  std::vector<uint8_t> auth(const std::vector<uint8_t>& block) const {
    std::vector<uint8_t> made(4096);
    made[0] = made[4] = 1;  // ECDSA P-384 with SHA-384
    auto key = public_key(id_);
    put(made, 0x40, sign(id_, block));
    put(made, 0x240, key);
    if (!with_author) return made;
    put(made, 0x680, sign(author_, key));
    put(made, 0x880, public_key(author_));
    return made;
  }
  Digest384 id_key_digest() const { return fake_sha384(public_key(id_)); }

 private:
  static void put(std::vector<uint8_t>& to, size_t at, const std::vector<uint8_t>& bytes) {
    std::copy(bytes.begin(), bytes.end(), to.begin() + static_cast<ptrdiff_t>(at));
  }
  static std::vector<uint8_t> public_key(EVP_PKEY* key) {
    std::vector<uint8_t> made(0x404);
    made[0] = 2;  // P-384
    const char* names[] = {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y};
    for (size_t i = 0; i < 2; ++i) {
      BIGNUM* coordinate = nullptr;
      EVP_PKEY_get_bn_param(key, names[i], &coordinate);
      BN_bn2lebinpad(coordinate, made.data() + 4 + 72 * i, 72);
      BN_free(coordinate);
    }
    return made;
  }
  static std::vector<uint8_t> sign(EVP_PKEY* key, const std::vector<uint8_t>& message) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::vector<uint8_t> der(256);
    size_t size = der.size();
    EVP_DigestSignInit(context, nullptr, EVP_sha384(), nullptr, key);
    EVP_DigestSign(context, der.data(), &size, message.data(), message.size());
    EVP_MD_CTX_free(context);
    const uint8_t* at = der.data();
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    std::vector<uint8_t> made(512);
    BN_bn2lebinpad(ECDSA_SIG_get0_r(pair), made.data(), 72);
    BN_bn2lebinpad(ECDSA_SIG_get0_s(pair), made.data() + 72, 72);
    ECDSA_SIG_free(pair);
    return made;
  }

  EVP_PKEY* id_;
  EVP_PKEY* author_;
};

}  // namespace bartizan::fakes
