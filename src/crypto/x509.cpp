#include "crypto/x509.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {
namespace {

using Object = std::unique_ptr<ASN1_OBJECT, OpensslDelete<ASN1_OBJECT_free>>;
using OctetString = std::unique_ptr<ASN1_OCTET_STRING, OpensslDelete<ASN1_OCTET_STRING_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, OpensslDelete<X509_EXTENSION_free>>;

// More certificates than any chain has: a PEM file must not become a loop.
constexpr size_t kMaxPemCertificates = 16;

std::shared_ptr<X509> shared(X509* certificate) {
  return {certificate, X509_free};
}

int64_t seconds(const ASN1_TIME* time) {
  std::tm broken_down{};
  if (ASN1_TIME_to_tm(time, &broken_down) != 1) return 0;
  return timegm(&broken_down);
}

std::string address_of(const ASN1_OCTET_STRING* octets) {
  const int size = ASN1_STRING_length(octets);
  char text[INET6_ADDRSTRLEN] = "";
  if (size == 4 || size == 16)
    inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text, sizeof text);
  return text;
}

std::string text_of(BIO* bio) {
  char* text = nullptr;
  long size = BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<size_t>(size));
}

std::string common_name_of(const X509_NAME* name) {
  int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<size_t>(ASN1_STRING_length(value)));
}

bool is_address(const std::string& name) {
  uint8_t buffer[16];
  return inet_pton(AF_INET, name.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

bool add_standard_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_raw_extension(X509* certificate, const std::string& oid, const Bytes& content) {
  Object object(OBJ_txt2obj(oid.c_str(), 1));
  OctetString octets(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(octets.get(), content.data(), static_cast<int>(content.size()));
  Extension extension(X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 0, octets.get()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// RFC 5280 §4.1.2.2: positive, at most 20 octets; random, so that no two certificates of one issuer
// share it.
bool set_serial(X509* certificate) {
  uint8_t serial[16];
  if (!random_bytes(serial).ok()) return false;
  serial[0] = (serial[0] & 0x7f) | 0x40;
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  bool good = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return good;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
  }
  return list;
}

bool add_extensions(X509* certificate, X509* issuer, const CertificateRequest& request) {
  bool good = true;
  if (request.ca_path_length) {
    good =
        add_standard_extension(
            certificate, issuer, NID_basic_constraints,
            "critical,CA:TRUE,pathlen:" + std::to_string(*request.ca_path_length)) &&
        add_standard_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  good = good && add_standard_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  if (!request.server_names.empty()) {
    good =
        good &&
        add_standard_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
        add_standard_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
        add_standard_extension(certificate, issuer, NID_subject_alt_name,
                               alternative_names(request.server_names));
  }
  for (const auto& [oid, content] : request.extensions)
    good = good && add_raw_extension(certificate, oid, content);
  return good;
}

}  // namespace

Result<Certificate> Certificate::from_der(ByteView der) {
  if (der.size() > kMaxCertificateBytes) {
    return make_error(ErrorCode::corrupt, "crypto", "certificate: {} bytes, at most {}", der.size(),
                      kMaxCertificateBytes);
  }
  const uint8_t* cursor = der.data();
  X509* parsed = d2i_X509(nullptr, &cursor, static_cast<long>(der.size()));
  if (!parsed) return openssl_error("certificate: not DER", ErrorCode::corrupt);
  Certificate certificate(shared(parsed));
  if (cursor != der.data() + der.size()) {
    return make_error(ErrorCode::corrupt, "crypto", "certificate: {} bytes after its end",
                      der.data() + der.size() - cursor);
  }
  return certificate;
}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  return std::move(TRY(all_from_pem(pem)).front());
}

Result<std::vector<Certificate>> Certificate::all_from_pem(std::string_view pem) {
  MemoryBio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Certificate> certificates;
  while (certificates.size() < kMaxPemCertificates) {
    X509* parsed = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
    if (!parsed) break;
    certificates.push_back(Certificate(shared(parsed)));
  }
  ERR_clear_error();
  if (certificates.empty()) return make_error(ErrorCode::corrupt, "crypto", "certificate: not PEM");
  return certificates;
}

Certificate::Certificate(std::shared_ptr<X509> certificate)
    : certificate_(std::move(certificate)), fingerprint_(sha256(der())) {}

Bytes Certificate::der() const {
  uint8_t* data = nullptr;
  int size = i2d_X509(certificate_.get(), &data);
  if (size <= 0) return {};
  Bytes bytes(data, data + size);
  OPENSSL_free(data);
  return bytes;
}

std::string Certificate::pem() const {
  MemoryBio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate_.get());
  return text_of(bio.get());
}

std::string Certificate::common_name() const {
  return common_name_of(X509_get_subject_name(certificate_.get()));
}

std::string Certificate::issuer_common_name() const {
  return common_name_of(X509_get_issuer_name(certificate_.get()));
}

std::string Certificate::serial() const {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate_.get());
  return to_hex({ASN1_STRING_get0_data(serial), static_cast<size_t>(ASN1_STRING_length(serial))});
}

Sha256Digest Certificate::public_key_hash() const {
  uint8_t* data = nullptr;
  int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate_.get()), &data);
  Sha256Digest digest = sha256({data, static_cast<size_t>(size > 0 ? size : 0)});
  OPENSSL_free(data);
  return digest;
}

Result<EcKey> Certificate::ec_public_key() const {
  return EcKey::adopt(X509_get_pubkey(certificate_.get()));
}

std::vector<std::string> Certificate::server_names() const {
  using Names = std::unique_ptr<GENERAL_NAMES, OpensslDelete<GENERAL_NAMES_free>>;
  const Names all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate_.get(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> names;
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all.get(), i);
    if (one->type == GEN_IPADD) names.push_back(address_of(one->d.iPAddress));
    if (one->type != GEN_DNS) continue;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName));
    names.emplace_back(text, static_cast<size_t>(ASN1_STRING_length(one->d.dNSName)));
  }
  return names;
}

int64_t Certificate::not_before() const {
  return seconds(X509_get0_notBefore(certificate_.get()));
}
int64_t Certificate::not_after() const {
  return seconds(X509_get0_notAfter(certificate_.get()));
}
bool Certificate::is_ca() const {
  return X509_check_ca(certificate_.get()) == 1;
}

std::optional<Bytes> Certificate::extension(std::string_view oid) const {
  Object object(OBJ_txt2obj(std::string(oid).c_str(), 1));
  int index = X509_get_ext_by_OBJ(certificate_.get(), object.get(), -1);
  if (index < 0 || X509_get_ext_by_OBJ(certificate_.get(), object.get(), index) >= 0)
    return std::nullopt;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate_.get(), index));
  const uint8_t* data = ASN1_STRING_get0_data(value);
  return Bytes(data, data + ASN1_STRING_length(value));
}

Certificate::SignatureKind Certificate::signature_kind() const {
  int digest = NID_undef;
  switch (X509_get_signature_nid(certificate_.get())) {
    case NID_rsassaPss:
      X509_get_signature_info(certificate_.get(), &digest, nullptr, nullptr, nullptr);
      return digest == NID_sha384 ? SignatureKind::rsa_pss : SignatureKind::other;
    case NID_ecdsa_with_SHA256:
      return SignatureKind::ecdsa_sha256;
    case NID_ecdsa_with_SHA384:
      return SignatureKind::ecdsa_sha384;
  }
  return SignatureKind::other;
}

bool Certificate::issued_by(const Certificate& issuer) const {
  EVP_PKEY* key = X509_get0_pubkey(issuer.handle());
  bool good = key &&
              X509_NAME_cmp(X509_get_issuer_name(certificate_.get()),
                            X509_get_subject_name(issuer.handle())) == 0 &&
              X509_verify(certificate_.get(), key) == 1;
  ERR_clear_error();
  return good;
}

Result<RevocationList> RevocationList::from_der(ByteView der) {
  if (der.size() > kMaxRevocationListBytes) {
    return make_error(ErrorCode::corrupt, "crypto", "revocation list: {} bytes, at most {}",
                      der.size(), kMaxRevocationListBytes);
  }
  const uint8_t* cursor = der.data();
  X509_CRL* parsed = d2i_X509_CRL(nullptr, &cursor, static_cast<long>(der.size()));
  if (!parsed) return openssl_error("revocation list: not DER", ErrorCode::corrupt);
  RevocationList list(std::shared_ptr<X509_CRL>(parsed, X509_CRL_free), der);
  if (cursor != der.data() + der.size()) {
    return make_error(ErrorCode::corrupt, "crypto", "revocation list: {} bytes after its end",
                      der.data() + der.size() - cursor);
  }
  return list;
}

bool RevocationList::names_issuer(const Certificate& issuer) const {
  return X509_NAME_cmp(X509_CRL_get_issuer(list_.get()), X509_get_subject_name(issuer.handle())) ==
         0;
}

bool RevocationList::issued_by(const Certificate& issuer) const {
  EVP_PKEY* key = X509_get0_pubkey(issuer.handle());
  bool good = key && names_issuer(issuer) && X509_CRL_verify(list_.get(), key) == 1;
  ERR_clear_error();
  return good;
}

// X509_CRL_get0_by_cert() would look for an indirect list's entries, which have issuers of their
// own; these lists have none.
bool RevocationList::revokes(const Certificate& certificate) const {
  if (X509_NAME_cmp(X509_CRL_get_issuer(list_.get()), X509_get_issuer_name(certificate.handle())) !=
      0)
    return false;
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_serial(list_.get(), &entry,
                                 X509_get0_serialNumber(certificate.handle())) != 0;
}

int64_t RevocationList::this_update() const {
  return seconds(X509_CRL_get0_lastUpdate(list_.get()));
}
int64_t RevocationList::next_update() const {
  const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list_.get());
  return next ? seconds(next) : 0;
}
std::string RevocationList::issuer_common_name() const {
  return common_name_of(X509_CRL_get_issuer(list_.get()));
}

Result<Certificate> CertificateRequest::sign(const EcKey& subject_key, const Certificate* issuer,
                                             const EcKey& issuer_key) const {
  std::shared_ptr<X509> made = shared(X509_new());
  X509* certificate = made.get();
  X509* signer = issuer ? issuer->handle() : certificate;
  X509_set_version(certificate, X509_VERSION_3);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const uint8_t*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  if (!set_serial(certificate) || !ASN1_TIME_set(X509_getm_notBefore(certificate), not_before) ||
      !ASN1_TIME_set(X509_getm_notAfter(certificate), not_after) ||
      X509_set_issuer_name(certificate, X509_get_subject_name(signer)) != 1 ||
      X509_set_pubkey(certificate, subject_key.handle()) != 1 ||
      !add_extensions(certificate, signer, *this) ||
      X509_sign(certificate, issuer_key.handle(),
                issuer_key.curve() == Curve::p384 ? EVP_sha384() : EVP_sha256()) == 0) {
    return openssl_error("certificate \"" + common_name + "\"");
  }
  return Certificate(std::move(made));
}

}  // namespace bartizan::crypto
