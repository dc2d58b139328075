#include "certificate.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

namespace {

constexpr long kOneDay = 24 * 60 * 60;

struct KeyDelete {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct CertificateDelete {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDelete>;
using Certificate = std::unique_ptr<X509, CertificateDelete>;

bool name_it(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("https-secret");
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

bool add_host_names(X509* certificate) {
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name,
                                              "DNS:localhost,IP:127.0.0.1,IP:10.0.2.15");
  bool added = names != nullptr && X509_add_ext(certificate, names, -1) == 1;
  X509_EXTENSION_free(names);
  return added;
}

Certificate self_sign(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  X509* x509 = certificate.get();
  // A day of grace backwards: the guest's clock comes from its host.
  bool made = x509 != nullptr && X509_set_version(x509, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(x509), -kOneDay) != nullptr &&
              X509_gmtime_adj(X509_getm_notAfter(x509), 365 * kOneDay) != nullptr &&
              X509_set_pubkey(x509, key) == 1 && name_it(x509) && add_host_names(x509) &&
              X509_sign(x509, key, EVP_sha256()) > 0;
  return made ? std::move(certificate) : nullptr;
}

}  // namespace

TlsContext make_server_context() {
  Key key(EVP_EC_gen("P-256"));
  Certificate certificate = key ? self_sign(key.get()) : nullptr;
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!certificate || !context ||
      SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return nullptr;
  }
  return context;
}
