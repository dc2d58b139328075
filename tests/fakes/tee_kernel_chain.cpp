#include "fakes/tee_kernel_chain.hpp"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "fakes/tee_kernel_openssl.hpp"
#include "fakes/tee_kernel_sev.hpp"

namespace bartizan::fakes {
namespace {

using Bytes = std::vector<uint8_t>;

using Digest = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;

constexpr size_t kCertificate = 2084, kSigned = 0x414, kFirst = 0x414, kSecond = 0x61c, kField = 72;
constexpr size_t kRsaBytes = 256;
constexpr uint32_t kArk = 0, kAsk = 0x13, kOca = 0x1001, kPek = 0x1002, kCek = 0x1004,
                   kNobody = 0x1000;
constexpr uint32_t kRsaSha256 = 1, kEcdsaSha256 = 2;

void put(Bytes& to, size_t at, uint32_t value) {
  std::memcpy(to.data() + at, &value, sizeof value);
}

void put_number(Bytes& to, size_t at, EVP_PKEY* key, const char* name, size_t size) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  BN_bn2lebinpad(value, to.data() + at, static_cast<int>(size));
  BN_free(value);
}

Bytes sign_rsa(EVP_PKEY* key, const uint8_t* bytes, size_t size) {
  Digest context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key);
  EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
  EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
  Bytes signature(kRsaBytes);
  size_t written = signature.size();
  EVP_DigestSign(context.get(), signature.data(), &written, bytes, size);
  std::reverse(signature.begin(), signature.end());
  return signature;
}

// R and S, little endian.
Bytes sign_ec(EVP_PKEY* key, const uint8_t* bytes, size_t size) {
  Digest context(EVP_MD_CTX_new());
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key);
  Bytes der(256);
  size_t written = der.size();
  EVP_DigestSign(context.get(), der.data(), &written, bytes, size);
  const uint8_t* from = der.data();
  std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>> pair(
      d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(written)));
  Bytes signature(2 * kField);
  BN_bn2lebinpad(ECDSA_SIG_get0_r(pair.get()), signature.data(), kField);
  BN_bn2lebinpad(ECDSA_SIG_get0_s(pair.get()), signature.data() + kField, kField);
  return signature;
}

// Of AMD: header, exponent, modulus, signature.
Bytes amd_certificate(uint32_t usage, EVP_PKEY* key, EVP_PKEY* issuer) {
  Bytes bytes(64 + 2 * kRsaBytes);
  put(bytes, 0, 1);
  bytes[4] = static_cast<uint8_t>(usage + 1);  // key ID
  bytes[20] = static_cast<uint8_t>(kArk + 1);  // the issuer's
  put(bytes, 36, usage);
  put(bytes, 56, 8 * kRsaBytes);
  put(bytes, 60, 8 * kRsaBytes);
  put_number(bytes, 64, key, OSSL_PKEY_PARAM_RSA_E, kRsaBytes);
  put_number(bytes, 64 + kRsaBytes, key, OSSL_PKEY_PARAM_RSA_N, kRsaBytes);
  Bytes signature = sign_rsa(issuer, bytes.data(), bytes.size());
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return bytes;
}

Bytes platform_certificate(uint32_t usage, EVP_PKEY* key) {
  Bytes bytes(kCertificate);
  put(bytes, 0, 1);
  bytes[4] = 1;  // firmware API 1.55
  bytes[5] = 55;
  put(bytes, 8, usage);
  put(bytes, 12, kEcdsaSha256);
  put(bytes, 16, 2);  // P-384
  put_number(bytes, 20, key, OSSL_PKEY_PARAM_EC_PUB_X, kField);
  put_number(bytes, 20 + kField, key, OSSL_PKEY_PARAM_EC_PUB_Y, kField);
  return bytes;
}

void add_signature(Bytes& certificate, size_t at, uint32_t issuer, uint32_t algorithm,
                   const Bytes& signature) {
  put(certificate, at, issuer);
  put(certificate, at + 4, algorithm);
  std::copy(signature.begin(), signature.end(),
            certificate.begin() + static_cast<ptrdiff_t>(at) + 8);
}

void sign(Bytes& certificate, size_t at, uint32_t issuer, EVP_PKEY* key) {
  add_signature(certificate, at, issuer, kEcdsaSha256, sign_ec(key, certificate.data(), kSigned));
}

FakeChain make() {
  Key ark(EVP_RSA_gen(8 * kRsaBytes)), ask(EVP_RSA_gen(8 * kRsaBytes));
  Key cek_key(EVP_EC_gen("P-384")), oca_key(EVP_EC_gen("P-384")), pek_key(EVP_EC_gen("P-384"));
  Bytes cek = platform_certificate(kCek, cek_key.get());
  add_signature(cek, kFirst, kAsk, kRsaSha256, sign_rsa(ask.get(), cek.data(), kSigned));
  put(cek, kSecond, kNobody);
  Bytes oca = platform_certificate(kOca, oca_key.get());
  sign(oca, kFirst, kOca, oca_key.get());
  put(oca, kSecond, kNobody);
  Bytes pek = platform_certificate(kPek, pek_key.get());
  sign(pek, kFirst, kCek, cek_key.get());
  sign(pek, kSecond, kOca, oca_key.get());
  Bytes pdh = fake_platform_certificate();
  sign(pdh, kFirst, kPek, pek_key.get());
  put(pdh, kSecond, kNobody);
  FakeChain chain;
  chain.root = amd_certificate(kArk, ark.get(), ark.get());
  for (const Bytes& part :
       {pdh, pek, oca, cek, amd_certificate(kAsk, ask.get(), ark.get()), chain.root}) {
    chain.certificates.insert(chain.certificates.end(), part.begin(), part.end());
  }
  return chain;
}

}  // namespace

const FakeChain& fake_chain() {
  static const FakeChain chain = make();
  return chain;
}

}  // namespace bartizan::fakes
