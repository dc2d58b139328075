// A vendor that signs whatever a test asks for: chains of AMD's form (RSA-PSS authorities, VCEKs
// and VLEKs with AMD's extensions) and of Intel's, and revocation lists. No processor and no vendor
// would sign what a verifier must refuse for its content.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attest/evidence/snp_report.hpp"
#include "bartizan/attest.hpp"
#include "base/bytes.hpp"

namespace bartizan::test {

constexpr int64_t kVendorFrom = 1'740'000'000, kVendorTo = 1'760'000'000;  // of certificates
constexpr int64_t kVendorNow = 1'750'000'000;

using VendorKey = std::shared_ptr<EVP_PKEY>;
VendorKey rsa_key();
VendorKey ec_key(const char* curve);  // "P-256", "P-384"
// r, s in as many bytes as the curve has.
Bytes ecdsa(const VendorKey& key, const EVP_MD* digest, ByteView message);
Bytes public_point(const VendorKey& key);  // x, y

struct VendorCertificate {
  std::string name, issuer;  // common names
  VendorKey key, issuer_key;
  bool ca = false, pss = false;
  int64_t from = kVendorFrom, to = kVendorTo;
  long serial = 1;
  std::vector<std::pair<std::string, Bytes>> extensions = {};  // OID, content

  Bytes der() const;
};
std::string to_pem(const Bytes& der);
std::string public_key_hash(const Bytes& der);  // SHA-256 of the SubjectPublicKeyInfo, hex

struct VendorList {  // a revocation list
  std::string issuer;
  VendorKey issuer_key;
  bool pss = false;
  std::vector<long> serials = {};
  int64_t from = kVendorFrom, to = kVendorTo;

  Bytes der() const;
};

// AMD's part. Keys are drawn once for all tests: RSA keys take their time.
struct AmdVendor {
  attest::evidence::Product product = attest::evidence::Product::milan;
  VendorCertificate ark, ask, asvk, vcek, vlek;

  explicit AmdVendor(attest::evidence::Product product);
  // A report that this vendor's chain and a strict policy accept.
  attest::evidence::SnpReport report() const;
  // VCEK, or the VLEK if the report says so, for the report's own TCB and chip.
  void issue_for(const attest::evidence::SnpReport& report);
  // Report, signed by the key that it names, with leaf, ASK or ASVK, and ARK.
  Evidence sign(attest::evidence::SnpReport report) const;
};

Bytes der_small_integer(uint8_t value);

}  // namespace bartizan::test
