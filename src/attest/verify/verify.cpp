// verify_evidence(): first where the evidence comes from (marker, chain, signature), then what it
// says. Every refusal names the check and both public values.

#include <algorithm>
#include <ctime>

#include "attest/evidence/tee_name.hpp"
#include "attest/evidence/vcek_extensions.hpp"
#include "attest/verify/chain.hpp"
#include "bartizan/attest.hpp"
#include "base/errors.hpp"

namespace bartizan {
using namespace attest::verify;  // NOLINT: the public functions of this component
namespace {

using attest::evidence::Product;
using attest::evidence::SnpReport;
using attest::evidence::TcbVersion;

constexpr std::string_view kOrigin = "attest/verify";
constexpr uint32_t kSignedByVcek = 0;

template <typename... Args>
Error refuse(std::string_view reason, std::string expected, std::string got,
             fmt::format_string<Args...> format, Args&&... args) {
  return refused(std::string(kOrigin), std::string(reason), std::move(expected), std::move(got),
                 format, std::forward<Args>(args)...);
}

std::string hex_of(uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::string describe(const TcbVersion& tcb) {
  return fmt::format("fmc {} bootloader {} tee {} snp {} microcode {}", tcb.fmc, tcb.bootloader,
                     tcb.tee, tcb.snp, tcb.microcode);
}

// Simulated evidence is refused by name, whatever `tee` it claims; and the claim must fit the
// certificates.
Result<bool> check_marker(const Evidence& evidence, const attest::verify::CertificateChain& chain,
                          const EvidencePolicy& policy) {
  bool simulated = attest::verify::is_simulated(chain);
  bool claimed = evidence.tee == Tee::simulated;
  if ((simulated || claimed) && !policy.allow_simulated) {
    return refuse("simulated", "a TEE", std::string(chain.ark.common_name()),
                  "evidence of the simulated TEE protects nothing and is not allowed here");
  }
  if (simulated != claimed) {
    return refuse("simulated", std::string(attest::evidence::kbs_tee_name(evidence.tee)),
                  chain.ark.common_name(),
                  "evidence claims TEE {}, but its certificates are of another",
                  attest::evidence::kbs_tee_name(evidence.tee));
  }
  return simulated;
}

// Version 2 reports do not name their product; they exist for Milan and Genoa only, whose TCB
// layouts are the same.
Result<void> check_product(const SnpReport& report, Product root) {
  std::optional<Product> product = report.product();
  if (report.version < 3 ? root != Product::turin : product == root) return {};
  return refuse("certificate_chain", std::string(attest::evidence::to_string(root)),
                fmt::format("version {} CPUID family {:#x} model {:#x}", report.version,
                            report.cpuid_family, report.cpuid_model),
                "report is not from the product whose root signed its certificates");
}

// SNP signatures hold r and s as 72-byte little-endian numbers; those of P-384 fill 48.
Result<Bytes> big_endian(const std::array<uint8_t, 72>& field) {
  constexpr size_t kSize = 48;
  if (std::any_of(field.begin() + kSize, field.end(), [](uint8_t byte) { return byte != 0; })) {
    return refuse("signature", "a P-384 number", to_hex(field), "signature number is too long");
  }
  Bytes number(kSize);
  std::reverse_copy(field.begin(), field.begin() + kSize, number.begin());
  return number;
}

Result<void> check_signature(const Evidence& evidence, const SnpReport& report,
                             const crypto::Certificate& vcek) {
  if (report.signature_algorithm != attest::evidence::kEcdsaP384Sha384) {
    return refuse("signature", "1 (ECDSA P-384 with SHA-384)",
                  std::to_string(report.signature_algorithm), "signature algorithm is not known");
  }
  if (report.signing_key() != kSignedByVcek) {
    return refuse("certificate_chain", "0 (VCEK)", std::to_string(report.signing_key()),
                  "report was not signed by a VCEK, by its own key field");
  }
  crypto::EcKey key = TRY(vcek.ec_public_key());
  Bytes r = TRY(big_endian(report.signature_r)), s = TRY(big_endian(report.signature_s));
  ByteView signed_part = ByteView(evidence.report).first(attest::evidence::kSignedSize);
  if (key.curve() == crypto::Curve::p384 &&
      key.verify(crypto::HashKind::sha384, signed_part, {r, s}))
    return {};
  return refuse("signature", "signed by \"" + vcek.common_name() + "\"",
                "another or damaged signature",
                "report is not signed by the VCEK that came with it");
}

// The chip's identifier is as long as the certificate has it; the rest of the report's field must
// be zero.
bool chip_matches(const SnpReport& report, const Bytes& hardware_id) {
  auto rest = report.chip_id.begin() + static_cast<ptrdiff_t>(hardware_id.size());
  return std::equal(hardware_id.begin(), hardware_id.end(), report.chip_id.begin()) &&
         std::all_of(rest, report.chip_id.end(), [](uint8_t byte) { return byte == 0; });
}

Result<void> check_vcek_content(const SnpReport& report, const crypto::Certificate& vcek,
                                Product product) {
  attest::evidence::VcekExtensions extensions =
      TRY(attest::evidence::read_vcek_extensions(vcek, product));
  TcbVersion reported = TcbVersion::decode(report.reported_tcb, product);
  if (extensions.tcb != reported) {
    return refuse("tcb", describe(extensions.tcb), describe(reported),
                  "reported TCB is not the one of the VCEK");
  }
  if (chip_matches(report, extensions.hardware_id)) return {};
  return refuse("certificate_chain", to_hex(extensions.hardware_id), to_hex(report.chip_id),
                "chip id of the report is not the one of the VCEK");
}

// A committed version above the current one, or a reported one above what is committed to, cannot
// come from firmware that keeps its rules. (Reserved TCB bytes would be lost by decoding: they must
// be zero.)
Result<void> check_tcb_order(const SnpReport& report, Product product) {
  for (uint64_t raw :
       {report.current_tcb, report.committed_tcb, report.reported_tcb, report.launch_tcb}) {
    if (TcbVersion::decode(raw, product).encode(product) != raw) {
      return make_error(ErrorCode::corrupt, std::string(kOrigin),
                        "SNP report: TCB {:#x} has reserved bytes", raw);
    }
  }
  TcbVersion current = TcbVersion::decode(report.current_tcb, product);
  TcbVersion committed = TcbVersion::decode(report.committed_tcb, product);
  TcbVersion reported = TcbVersion::decode(report.reported_tcb, product);
  if (!current.at_least(committed)) {
    return refuse("tcb", "at most " + describe(current), describe(committed),
                  "committed TCB is above the current one");
  }
  if (!current.at_least(reported)) {
    return refuse("tcb", "at most " + describe(current), describe(reported),
                  "reported TCB is above the current one");
  }
  return {};
}

Result<void> check_guest_policy(const SnpReport& report, const EvidencePolicy& policy) {
  if (!(report.policy & attest::evidence::kPolicyReservedOne)) {
    return refuse("policy", "bit 17 set", hex_of(report.policy),
                  "guest policy has a reserved bit wrong");
  }
  if (report.policy & attest::evidence::kPolicyDebug && !policy.allow_debug) {
    return refuse("debug", "debugging off", hex_of(report.policy),
                  "guest policy lets the host read the guest's memory");
  }
  if (report.policy & attest::evidence::kPolicyMigrationAgent) {
    return refuse("policy", "no migration agent", hex_of(report.policy),
                  "guest policy lets a migration agent in");
  }
  if (report.vmpl != 0) {
    return refuse("vmpl", "0", std::to_string(report.vmpl),
                  "report was asked for from a lower privilege level");
  }
  return {};
}

Result<void> check_equal(std::string_view reason, ByteView expected, ByteView got) {
  if (expected.empty() || std::equal(expected.begin(), expected.end(), got.begin(), got.end()))
    return {};
  return refuse(reason, to_hex(expected), to_hex(got), "{} differs", reason);
}

Result<void> check_measurement(const SnpReport& report, const std::vector<Bytes>& allowed) {
  auto matches = [&](const Bytes& one) {
    return std::equal(one.begin(), one.end(), report.measurement.begin(), report.measurement.end());
  };
  if (allowed.empty() || std::any_of(allowed.begin(), allowed.end(), matches)) return {};
  std::string expected;
  for (const Bytes& one : allowed) expected += (expected.empty() ? "" : " or ") + to_hex(one);
  return refuse("measurement", expected, to_hex(report.measurement), "measurement differs");
}

Result<void> check_demands(const SnpReport& report, const EvidencePolicy& policy, Product product) {
  TRY(check_guest_policy(report, policy));
  TRY(check_equal("report_data", policy.report_data, report.report_data));
  TRY(check_equal("host_data", policy.host_data, report.host_data));
  TRY(check_measurement(report, policy.measurements));
  TcbVersion minimum = TcbVersion::decode(policy.minimum_tcb, product);
  TcbVersion reported = TcbVersion::decode(report.reported_tcb, product);
  if (reported.at_least(minimum)) return {};
  return refuse("tcb", "at least " + describe(minimum), describe(reported),
                "reported TCB is too old");
}

VerifiedEvidence summary(const Evidence& evidence, const SnpReport& report) {
  VerifiedEvidence verified;
  verified.tee = evidence.tee;
  verified.measurement.assign(report.measurement.begin(), report.measurement.end());
  verified.host_data.assign(report.host_data.begin(), report.host_data.end());
  verified.report_data.assign(report.report_data.begin(), report.report_data.end());
  verified.policy = report.policy;
  verified.reported_tcb = report.reported_tcb;
  verified.version = report.version;
  verified.chip_id = to_hex(report.chip_id);
  return verified;
}

}  // namespace

Result<VerifiedEvidence> verify_evidence(const Evidence& evidence, const EvidencePolicy& policy) {
  if (evidence.tee != Tee::snp && evidence.tee != Tee::simulated) {
    return make_error(ErrorCode::unsupported, std::string(kOrigin),
                      "evidence of TEE {}: this version verifies snp and simulated",
                      attest::evidence::kbs_tee_name(evidence.tee));
  }
  if (evidence.tee == Tee::simulated &&
      !policy.allow_simulated) {  // even if its chain is missing or damaged
    return refuse("simulated", "a TEE", "simulated",
                  "evidence of the simulated TEE protects nothing and is not allowed here");
  }
  SnpReport report = TRY(SnpReport::parse(evidence.report));
  attest::verify::CertificateChain chain = TRY(attest::verify::parse_chain(evidence));
  bool simulated = TRY(check_marker(evidence, chain, policy));
  Product product = TRY(
      attest::verify::verify_chain(chain, simulated, policy.now ? policy.now : std::time(nullptr)));
  TRY(check_product(report, product));
  TRY(check_signature(evidence, report, chain.vcek));
  TRY(check_vcek_content(report, chain.vcek, product));
  TRY(check_tcb_order(report, product));
  TRY(check_demands(report, policy, product));
  return summary(evidence, report);
}

}  // namespace bartizan
