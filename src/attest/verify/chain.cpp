#include "attest/verify/chain.hpp"

#include <algorithm>

#include "attest/evidence/certificate_role.hpp"
#include "attest/evidence/simulated_signer.hpp"
#include "attest/verify/known.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::verify {
namespace {

using crypto::Certificate;
using evidence::CertificateRole;
using evidence::Product;

bool has_marker(const std::optional<Certificate>& certificate) {
  return certificate &&
         certificate->common_name().find(evidence::kSimulatedMarker) != std::string::npos;
}

std::optional<Certificate>& place_of(GivenCertificates& given, CertificateRole role) {
  switch (role) {
    case CertificateRole::vcek:
      return given.vcek;
    case CertificateRole::vlek:
      return given.vlek;
    case CertificateRole::ask:
      return given.ask;
    case CertificateRole::ark:
      break;
  }
  return given.ark;
}

// A version 2 report does not name its product; its certificate names the authority: "SEV-Genoa".
std::optional<Product> product_of_issuer(const Certificate& leaf) {
  const std::string issuer = leaf.issuer_common_name();
  for (Product product : {Product::milan, Product::genoa, Product::turin}) {
    if (issuer.ends_with(evidence::to_string(product))) return product;
  }
  return std::nullopt;
}

// Nothing: no root of AMD's, nor one that the policy has in its place.
std::optional<Product> product_of_root(const Certificate& root, const SnpDemands& demands) {
  const std::string hash = to_hex(root.public_key_hash());
  for (const auto& [product, hashes] : demands.roots) {
    if (std::find(hashes.begin(), hashes.end(), hash) != hashes.end()) return product;
  }
  std::optional<Product> product = product_of_amd_root(hash);
  if (product && demands.roots.contains(*product)) return std::nullopt;  // replaced
  return product;
}

bool check_link(Checks& checks, const Certificate& certificate, const Certificate& issuer,
                Certificate::SignatureKind kind) {
  const std::string name = "certificate \"" + certificate.common_name() + "\"";
  if (!issuer.is_ca()) {
    return checks.add("certificate_chain", false, "a certificate authority", issuer.common_name(),
                      {"certificate_chain", "issuer of " + name + " may not sign certificates"});
  }
  const bool good = certificate.signature_kind() == kind && is_issued_by(certificate, issuer);
  return checks.add(
      "certificate_chain", good, "signed by \"" + issuer.common_name() + "\"",
      good ? "so"
           : certificate.common_name() + ", issuer \"" + certificate.issuer_common_name() + "\"",
      {"certificate_chain", name + " is not signed by \"" + issuer.common_name() + "\""});
}

std::string signer_name(SignerKind signer) {
  return signer == SignerKind::vlek ? "VLEK" : "VCEK";
}

// What is to be done about a missing leaf depends on who has it.
std::string how_to_get(SignerKind signer) {
  if (signer == SignerKind::vlek) {
    return "evidence came without the VLEK certificate that signed it: the cloud's host has it, "
           "and gives it with an extended report";
  }
  return "evidence came without the VCEK certificate of its chip: have the host load it (sev-host "
         "certificates, `bartizan run --certificates`), or add it from a folder "
         "(`bartizan evidence verify --collateral`); AMD gives it by chip id and TCB at "
         "https://kdsintf.amd.com/vcek/v1/";
}

// A file of PEM may hold several, and comments between them.
Result<std::vector<Certificate>> all_certificates(const Evidence& evidence) {
  std::vector<Certificate> all;
  for (const Bytes& bytes : evidence.certificates) {
    if (as_text(bytes).find("-----BEGIN CERTIFICATE-----") == std::string_view::npos) {
      all.push_back(TRY(known_certificate(bytes)));
      continue;
    }
    for (const Certificate& one : TRY(known_chain(as_text(bytes)))) all.push_back(one);
  }
  return all;
}

}  // namespace

Result<GivenCertificates> sort_certificates(const Evidence& evidence) {
  GivenCertificates given;
  for (const Certificate& certificate : TRY(all_certificates(evidence))) {
    const CertificateRole role = evidence::role_of(certificate);
    std::optional<Certificate>& place = place_of(given, role);
    if (place) {
      return make_error(ErrorCode::corrupt, "attest/verify", "evidence has two certificates {}",
                        to_string(role));
    }
    place = certificate;
  }
  return given;
}

bool is_simulated(const GivenCertificates& given) {
  return has_marker(given.vcek) || has_marker(given.vlek) || has_marker(given.ask) ||
         has_marker(given.ark);
}

std::optional<CertificateChain> check_chain(Checks& checks, const GivenCertificates& given,
                                            SignerKind signer, bool simulated,
                                            std::optional<Product> expected,
                                            const Demands& demands) {
  const std::optional<Certificate>& leaf = signer == SignerKind::vlek ? given.vlek : given.vcek;
  const std::string name = signer_name(signer);
  auto absent = [&]() -> std::optional<CertificateChain> {
    for (const char* check : {"root", "certificate_chain", "certificate_dates", "revocation"})
      checks.not_reached(check);
    return std::nullopt;
  };
  const bool complete = leaf && (!simulated || (given.ask && given.ark));
  if (!checks.add("certificates", complete, simulated ? name + ", ASK, ARK" : "a " + name,
                  leaf ? name : "none of that kind",
                  {"certificate_chain",
                   leaf ? "simulated evidence came without its whole chain" : how_to_get(signer)}))
    return absent();

  if (!expected) expected = product_of_issuer(*leaf);
  std::optional<Certificate> authority = given.ask, root = given.ark;
  if (expected && !authority) {
    auto built_in = amd_authority(*expected, signer);
    if (built_in.ok()) authority = *built_in;
  }
  if (expected && !root) {
    auto built_in = amd_root(*expected);
    if (built_in.ok()) root = *built_in;
  }
  if (!authority || !root) {
    checks.add("root", false, "an authority of Milan, Genoa or Turin", leaf->issuer_common_name(),
               {"certificate_chain", "issuer of the " + name + " is not an authority of AMD's"});
    for (const char* check : {"certificate_chain", "certificate_dates", "revocation"})
      checks.not_reached(check);
    return std::nullopt;
  }

  CertificateChain chain{*leaf, *authority, *root, Product::milan, simulated};
  if (simulated) {
    checks.not_applicable("root", "the simulated chain has none to pin");
  } else {
    std::optional<Product> product = product_of_root(*root, demands.snp);
    if (!checks.add("root", product.has_value(), "the public key of an accepted root",
                    to_hex(root->public_key_hash()),
                    {"certificate_chain", "root certificate \"" + root->common_name() +
                                              "\" is not AMD's, nor one of the policy's roots"})) {
      for (const char* check : {"certificate_chain", "certificate_dates", "revocation"})
        checks.not_reached(check);
      return std::nullopt;
    }
    chain.product = *product;
  }
  const auto kind =
      simulated ? Certificate::SignatureKind::ecdsa_sha384 : Certificate::SignatureKind::rsa_pss;
  const bool linked = check_link(checks, chain.root, chain.root, kind) &&
                      check_link(checks, chain.authority, chain.root, kind) &&
                      check_link(checks, chain.leaf, chain.authority, kind);
  if (!linked) {
    for (const char* check : {"certificate_dates", "revocation"}) checks.not_reached(check);
    return std::nullopt;
  }
  for (const Certificate* certificate : {&chain.root, &chain.authority, &chain.leaf}) {
    check_date(checks, "certificate_dates", certificate->not_before(), certificate->not_after(),
               demands.now, "certificate \"" + certificate->common_name() + "\"");
  }
  return chain;
}

void check_revocation(Checks& checks, const CertificateChain& chain,
                      const std::vector<std::vector<uint8_t>>& lists, const Demands& demands) {
  bool any = false;
  for (const Bytes& der : lists) {
    auto parsed = crypto::RevocationList::from_der(der);
    if (!parsed.ok())
      return checks.fail("revocation", "a revocation list", parsed.error(), "revoked");
    const crypto::RevocationList& list = *parsed;
    const Certificate* issuer = nullptr;
    for (const Certificate* one : {&chain.root, &chain.authority}) {
      if (list.names_issuer(*one)) issuer = one;
    }
    if (!issuer) continue;  // of another product, or of the other kind of signer
    any = any || issuer == &chain.root;
    if (!checks.add("revocation", is_list_of(list, *issuer),
                    "signed by \"" + issuer->common_name() + "\"", list.issuer_common_name(),
                    {"revoked", "revocation list is not signed by its issuer"}))
      return;
    const int64_t until = list.next_update() ? list.next_update() : demands.now;
    check_date(checks, "revocation_date", list.this_update(), until, demands.now,
               "revocation list of \"" + list.issuer_common_name() + "\"");
    for (const Certificate* one : {&chain.authority, &chain.leaf}) {
      checks.add("revocation", !list.revokes(*one), "not on the list of its issuer",
                 one->common_name() + ", serial " + one->serial(),
                 {"revoked", "certificate \"" + one->common_name() + "\" was revoked"});
    }
  }
  if (any) return;
  if (!demands.snp.require_revocation_list)
    return checks.not_applicable("revocation", "no list of the root came along");
  checks.add("revocation", false, "a list of \"" + chain.root.common_name() + "\"", "none",
             {"revoked",
              "no revocation list of the root came along, and the policy requires one: "
              "add AMD's (https://kdsintf.amd.com/vcek/v1/Milan/crl) by --collateral"});
}

}  // namespace bartizan::attest::verify
