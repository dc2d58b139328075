#include "unit/attest/vendor.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "attest/evidence/vcek_extensions.hpp"
#include "crypto/x509.hpp"

namespace bartizan::test {
namespace {

using attest::evidence::Product;
using attest::evidence::SnpReport;
using attest::evidence::TcbVersion;

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("test vendor: ") + what);
}

X509_NAME* name_of(const std::string& common_name) {
  X509_NAME* name = X509_NAME_new();
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const uint8_t*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  return name;
}

// The context with which a certificate or list is signed.
std::shared_ptr<EVP_MD_CTX> signer(const VendorKey& key, bool pss, const EVP_MD* digest) {
  std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_PKEY_CTX* options = nullptr;
  require(EVP_DigestSignInit(context.get(), &options, digest, nullptr, key.get()) == 1, "sign");
  if (pss) {
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 48);
  }
  return context;
}

void add_extension(X509* certificate, const std::string& oid, const Bytes& content) {
  ASN1_OBJECT* object = OBJ_txt2obj(oid.c_str(), 1);
  ASN1_OCTET_STRING* octets = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(octets, content.data(), static_cast<int>(content.size()));
  X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, object, 0, octets);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(octets);
  ASN1_OBJECT_free(object);
}

template <typename Object>
Bytes der_of(Object* object, int (*encode)(const Object*, uint8_t**)) {
  uint8_t* data = nullptr;
  const int size = encode(object, &data);
  require(size > 0, "DER");
  Bytes bytes(data, data + size);
  OPENSSL_free(data);
  return bytes;
}

const EVP_MD* digest_for(const VendorKey& key, bool pss) {
  return pss || EVP_PKEY_get_bits(key.get()) == 384 ? EVP_sha384() : EVP_sha256();
}

struct AmdKeys {
  VendorKey ark, ask, asvk, vcek, vlek;
};

// Each product has keys of its own: a root says which product it is of.
const AmdKeys& keys_of(Product product) {
  static std::map<Product, AmdKeys> all;
  auto found = all.find(product);
  if (found != all.end()) return found->second;
  return all[product] = {rsa_key(), rsa_key(), rsa_key(), ec_key("P-384"), ec_key("P-384")};
}

}  // namespace

VendorKey rsa_key() {
  return {EVP_RSA_gen(2048), EVP_PKEY_free};
}

VendorKey ec_key(const char* curve) {
  return {EVP_EC_gen(curve), EVP_PKEY_free};
}

Bytes ecdsa(const VendorKey& key, const EVP_MD* digest, ByteView message) {
  auto context = signer(key, false, digest);
  size_t size = 0;
  EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size());
  Bytes der(size);
  require(EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) == 1,
          "ECDSA");
  const uint8_t* cursor = der.data();
  std::shared_ptr<ECDSA_SIG> parsed(d2i_ECDSA_SIG(nullptr, &cursor, static_cast<long>(size)),
                                    ECDSA_SIG_free);
  const int width = EVP_PKEY_get_bits(key.get()) / 8;
  Bytes raw(static_cast<size_t>(2 * width));
  BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), raw.data(), width);
  BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), raw.data() + width, width);
  return raw;
}

Bytes public_point(const VendorKey& key) {
  Bytes point(256);
  size_t size = 0;
  require(EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                          point.data(), point.size(), &size) == 1,
          "public key");
  return {point.begin() + 1, point.begin() + static_cast<ptrdiff_t>(size)};
}

Bytes VendorCertificate::der() const {
  std::shared_ptr<X509> made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  ASN1_TIME_set(X509_getm_notBefore(made.get()), from);
  ASN1_TIME_set(X509_getm_notAfter(made.get()), to);
  std::shared_ptr<X509_NAME> subject(name_of(name), X509_NAME_free);
  std::shared_ptr<X509_NAME> authority(name_of(issuer), X509_NAME_free);
  X509_set_subject_name(made.get(), subject.get());
  X509_set_issuer_name(made.get(), authority.get());
  X509_set_pubkey(made.get(), key.get());
  if (ca) {
    X509_EXTENSION* basic =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(made.get(), basic, -1);
    X509_EXTENSION_free(basic);
  }
  for (const auto& [oid, content] : extensions) add_extension(made.get(), oid, content);
  auto context = signer(issuer_key, pss, digest_for(issuer_key, pss));
  require(X509_sign_ctx(made.get(), context.get()) > 0, "certificate");
  return der_of<X509>(made.get(), i2d_X509);
}

std::string to_pem(const Bytes& der) {
  return crypto::Certificate::from_der(der).value().pem();
}

std::string public_key_hash(const Bytes& der) {
  return to_hex(crypto::Certificate::from_der(der).value().public_key_hash());
}

Bytes VendorList::der() const {
  std::shared_ptr<X509_CRL> made(X509_CRL_new(), X509_CRL_free);
  X509_CRL_set_version(made.get(), X509_CRL_VERSION_2);
  std::shared_ptr<X509_NAME> authority(name_of(issuer), X509_NAME_free);
  X509_CRL_set_issuer_name(made.get(), authority.get());
  std::shared_ptr<ASN1_TIME> start(ASN1_TIME_set(nullptr, from), ASN1_TIME_free);
  std::shared_ptr<ASN1_TIME> end(ASN1_TIME_set(nullptr, to), ASN1_TIME_free);
  X509_CRL_set1_lastUpdate(made.get(), start.get());
  X509_CRL_set1_nextUpdate(made.get(), end.get());
  for (long serial : serials) {
    X509_REVOKED* entry = X509_REVOKED_new();
    std::shared_ptr<ASN1_INTEGER> number(ASN1_INTEGER_new(), ASN1_INTEGER_free);
    ASN1_INTEGER_set(number.get(), serial);
    X509_REVOKED_set_serialNumber(entry, number.get());
    X509_REVOKED_set_revocationDate(entry, start.get());
    X509_CRL_add0_revoked(made.get(), entry);
  }
  X509_CRL_sort(made.get());
  auto context = signer(issuer_key, pss, digest_for(issuer_key, pss));
  require(X509_CRL_sign_ctx(made.get(), context.get()) > 0, "revocation list");
  return der_of<X509_CRL>(made.get(), i2d_X509_CRL);
}

Bytes der_small_integer(uint8_t value) {
  if (value < 0x80) return {2, 1, value};
  return {2, 2, 0, value};
}

AmdVendor::AmdVendor(Product which) : product(which) {
  const AmdKeys& keys = keys_of(product);
  const auto& [ark_key, ask_key, asvk_key, vcek_key, vlek_key] = keys;
  const std::string of(attest::evidence::to_string(product));
  ark = {"ARK-" + of, "ARK-" + of, ark_key, ark_key, true, true, kVendorFrom, kVendorTo, 1};
  ask = {"SEV-" + of, ark.name, ask_key, ark_key, true, true, kVendorFrom, kVendorTo, 2};
  asvk = {"SEV-VLEK-" + of, ark.name, asvk_key, ark_key, true, true, kVendorFrom, kVendorTo, 3};
  vcek = {"SEV-VCEK", ask.name, vcek_key, ask_key, false, true, kVendorFrom, kVendorTo, 4};
  vlek = {"SEV-VLEK", asvk.name, vlek_key, asvk_key, false, true, kVendorFrom, kVendorTo, 5};
  issue_for(report());
}

SnpReport AmdVendor::report() const {
  SnpReport report;
  report.version = product == Product::turin ? 5 : 3;
  report.cpuid_family = product == Product::turin ? 0x1a : 0x19;
  report.cpuid_model = product == Product::milan ? 0x01 : 0x11;
  report.policy = 0x30000;
  report.platform_info = 0x25;
  const TcbVersion tcb = {product == Product::turin ? uint8_t{1} : uint8_t{0}, 4, 1, 24, 219};
  report.current_tcb = report.committed_tcb = report.reported_tcb = report.launch_tcb =
      tcb.encode(product);
  report.current = report.committed = {.build = 21, .minor = 55, .major = 1};
  report.report_id_ma.fill(0xff);
  report.measurement.fill(0x11);
  report.host_data.fill(0x22);
  report.report_data.fill(0x33);
  const size_t id_size = product == Product::turin ? 8 : 64;
  std::fill_n(report.chip_id.begin(), id_size, uint8_t{0x44});
  report.guest_svn = 7;
  if (report.version == 5) report.launch_mitigation_vector = report.current_mitigation_vector = 5;
  return report;
}

void AmdVendor::issue_for(const SnpReport& report) {
  const TcbVersion tcb = TcbVersion::decode(report.reported_tcb, product);
  using namespace attest::evidence;  // NOLINT: the names of the extensions
  std::vector<std::pair<std::string, Bytes>> shared = {
      {std::string(kOidBootloader), der_small_integer(tcb.bootloader)},
      {std::string(kOidTee), der_small_integer(tcb.tee)},
      {std::string(kOidSnp), der_small_integer(tcb.snp)},
      {std::string(kOidMicrocode), der_small_integer(tcb.microcode)}};
  if (product == Product::turin)
    shared.emplace_back(std::string(kOidFmc), der_small_integer(tcb.fmc));
  std::string name(to_string(product));
  Bytes text = {0x16, static_cast<uint8_t>(name.size())};
  text.insert(text.end(), name.begin(), name.end());
  shared.emplace_back(std::string(kOidProductName), text);
  vcek.extensions = vlek.extensions = shared;
  const ptrdiff_t id_size = product == Product::turin ? 8 : 64;
  vcek.extensions.emplace_back(std::string(kOidHardwareId),
                               Bytes(report.chip_id.begin(), report.chip_id.begin() + id_size));
  vlek.extensions.emplace_back(std::string(kOidProvider), Bytes{0x16, 1, 'x'});
}

Evidence AmdVendor::sign(SnpReport report) const {
  const bool by_vlek = report.signing_key() == attest::evidence::kSignedByVlek;
  const VendorCertificate& leaf = by_vlek ? vlek : vcek;
  Bytes bytes = report.serialize();
  Bytes signature =
      ecdsa(leaf.key, EVP_sha384(), ByteView(bytes).first(attest::evidence::kSignedSize));
  std::reverse_copy(signature.begin(), signature.begin() + 48, report.signature_r.begin());
  std::reverse_copy(signature.begin() + 48, signature.end(), report.signature_s.begin());
  return Evidence{
      Tee::snp, report.serialize(), {leaf.der(), (by_vlek ? asvk : ask).der(), ark.der()}};
}

}  // namespace bartizan::test
