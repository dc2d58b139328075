// X.509 certificates: the few things that evidence and TLS need of them. No path building here:
// callers name issuer and subject themselves and check dates with their own clock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"
#include "crypto/ec.hpp"
#include "crypto/hash.hpp"

typedef struct x509_st X509;          // NOLINT: OpenSSL's own name
typedef struct X509_crl_st X509_CRL;  // NOLINT: OpenSSL's own name

namespace bartizan::crypto {

// Real attestation certificates are below 2 KiB; more comes from someone who wants our time in the
// parser.
constexpr size_t kMaxCertificateBytes = 16 * kKiB;
// Intel's lists of its processors' keys hold some hundred entries of 50 bytes.
constexpr size_t kMaxRevocationListBytes = 256 * kKiB;

class Certificate {
 public:
  static Result<Certificate> from_der(ByteView der);  // corrupt: no certificate, trailing bytes
  static Result<Certificate> from_pem(std::string_view pem);
  static Result<std::vector<Certificate>> all_from_pem(std::string_view pem);  // at least one

  Bytes der() const;
  const Sha256Digest& fingerprint() const { return fingerprint_; }  // SHA-256 of the DER
  std::string pem() const;
  std::string common_name() const;         // of the subject; empty when absent
  std::string issuer_common_name() const;  // empty when absent
  std::string serial() const;              // hex
  Sha256Digest public_key_hash() const;    // SHA-256 of the SubjectPublicKeyInfo
  Result<EcKey> ec_public_key() const;
  int64_t not_before() const;  // seconds since the epoch
  int64_t not_after() const;
  // Host names and IP addresses (as inet_ntop writes them) that a TLS server has by it.
  std::vector<std::string> server_names() const;
  bool is_ca() const;  // basicConstraints and key usage allow it to sign certificates

  // Content of the extension's OCTET STRING; nothing when absent or when there is more than one.
  std::optional<Bytes> extension(std::string_view oid) const;

  enum class SignatureKind { rsa_pss, ecdsa_sha256, ecdsa_sha384, other };
  SignatureKind signature_kind() const;
  // Names chain and the signature is good. Looks at nothing else.
  bool issued_by(const Certificate& issuer) const;

  X509* handle() const { return certificate_.get(); }  // borrowed; for TLS

 private:
  friend struct CertificateRequest;
  explicit Certificate(std::shared_ptr<X509> certificate);
  std::shared_ptr<X509> certificate_;
  Sha256Digest fingerprint_;
};

// A list of certificates that their issuer has taken back (CRL).
class RevocationList {
 public:
  static Result<RevocationList> from_der(ByteView der);  // corrupt: no list, trailing bytes

  const Sha256Digest& fingerprint() const { return fingerprint_; }  // SHA-256 of the DER
  // The name is the issuer's and the signature is good. Looks at nothing else.
  bool issued_by(const Certificate& issuer) const;
  bool names_issuer(const Certificate& issuer) const;
  bool revokes(const Certificate& certificate) const;  // by serial, of the same issuer
  int64_t this_update() const;
  int64_t next_update() const;  // 0: the list does not say
  std::string issuer_common_name() const;

 private:
  RevocationList(std::shared_ptr<X509_CRL> list, ByteView der)
      : list_(std::move(list)), fingerprint_(sha256(der)) {}
  std::shared_ptr<X509_CRL> list_;
  Sha256Digest fingerprint_;
};

// A certificate to be made.
struct CertificateRequest {
  std::string common_name;
  int64_t not_before = 0, not_after = 0;
  std::optional<int> ca_path_length;      // present: a CA
  std::vector<std::string> server_names;  // IP addresses and DNS names: a TLS server
  std::vector<std::pair<std::string, Bytes>> extensions;  // OID, content of the OCTET STRING

  // Without `issuer` the certificate signs itself with `issuer_key`, which must then be
  // `subject_key`.
  Result<Certificate> sign(const EcKey& subject_key, const Certificate* issuer,
                           const EcKey& issuer_key) const;
};

}  // namespace bartizan::crypto
