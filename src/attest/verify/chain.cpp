#include "attest/verify/chain.hpp"

#include <array>

#include "attest/evidence/simulated_signer.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::verify {
namespace {

using crypto::Certificate;

constexpr std::string_view kOrigin = "attest/verify";

// SHA-256 of the SubjectPublicKeyInfo of AMD's root keys, as published at
// kdsintf.amd.com/vcek/v1/<product>/cert_chain.
struct PinnedRoot {
  evidence::Product product;
  std::string_view public_key_hash;
};
constexpr std::array<PinnedRoot, 3> kAmdRoots = {{
    {evidence::Product::milan, "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"},
    {evidence::Product::genoa, "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"},
    {evidence::Product::turin, "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"},
}};

Error chain_refused(std::string expected, std::string got, std::string_view what) {
  return refused(std::string(kOrigin), "certificate_chain", std::move(expected), std::move(got),
                 "{}", what);
}

bool has_marker(const Certificate& certificate) {
  return certificate.common_name().find(evidence::kSimulatedMarker) != std::string::npos;
}

Result<evidence::Product> product_of_root(const Certificate& ark) {
  std::string hash = to_hex(ark.public_key_hash());
  for (const PinnedRoot& root : kAmdRoots) {
    if (hash == root.public_key_hash) return root.product;
  }
  return chain_refused("the public key of an AMD root (Milan, Genoa, Turin)", hash,
                       "root certificate \"" + ark.common_name() + "\" is not AMD's");
}

Result<void> check_link(const Certificate& certificate, const Certificate& issuer,
                        Certificate::SignatureKind kind) {
  if (!issuer.is_ca()) {
    return chain_refused("a certificate authority", issuer.common_name(),
                         "issuer may not sign certificates");
  }
  if (certificate.signature_kind() != kind || !certificate.issued_by(issuer)) {
    return chain_refused("signed by \"" + issuer.common_name() + "\"", certificate.common_name(),
                         "certificate \"" + certificate.common_name() + "\" is not signed by \"" +
                             issuer.common_name() + "\"");
  }
  return {};
}

Result<void> check_date(const Certificate& certificate, int64_t now) {
  if (now >= certificate.not_before() && now <= certificate.not_after()) return {};
  return refused(std::string(kOrigin), "date",
                 fmt::format("{} to {}", certificate.not_before(), certificate.not_after()),
                 std::to_string(now), "certificate \"{}\" is not valid at this time",
                 certificate.common_name());
}

}  // namespace

Result<CertificateChain> parse_chain(const Evidence& evidence) {
  if (evidence.certificates.size() != 3) {
    return chain_refused("3 certificates: VCEK, ASK, ARK",
                         std::to_string(evidence.certificates.size()),
                         "evidence came without its whole certificate chain");
  }
  Certificate vcek = TRY(Certificate::from_der(evidence.certificates[0]));
  Certificate ask = TRY(Certificate::from_der(evidence.certificates[1]));
  Certificate ark = TRY(Certificate::from_der(evidence.certificates[2]));
  return CertificateChain{vcek, ask, ark};
}

bool is_simulated(const CertificateChain& chain) {
  return has_marker(chain.vcek) || has_marker(chain.ask) || has_marker(chain.ark);
}

Result<evidence::Product> verify_chain(const CertificateChain& chain, bool simulated, int64_t now) {
  evidence::Product product =
      simulated ? evidence::Product::milan : TRY(product_of_root(chain.ark));
  auto kind =
      simulated ? Certificate::SignatureKind::ecdsa_sha384 : Certificate::SignatureKind::rsa_pss;
  TRY(check_link(chain.ark, chain.ark, kind));
  TRY(check_link(chain.ask, chain.ark, kind));
  TRY(check_link(chain.vcek, chain.ask, kind));
  for (const Certificate* certificate : {&chain.ark, &chain.ask, &chain.vcek})
    TRY(check_date(*certificate, now));
  return product;
}

}  // namespace bartizan::attest::verify
