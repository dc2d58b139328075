// attest_bench FOLDER: how long a whole verification of real evidence takes beside the bare
// signatures in it, which no verifier can leave out: "name value unit" lines. FOLDER:
// tests/unit/attest/vendor_evidence.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include "attest/evidence/snp_report.hpp"
#include "attest/verify/tdx_quote.hpp"
#include "bartizan/attest.hpp"
#include "base/file.hpp"
#include "crypto/ec.hpp"
#include "crypto/x509.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page
using Clock = std::chrono::steady_clock;

constexpr int64_t kSnpDay = 1'760'000'000, kTdxDay = 1'772'000'000;  // when their certificates hold

constexpr int kRounds = 60;  // of 50 ms each, in turns

// Calls a second.
double rate(const std::function<bool()>& work) {
  int count = 0;
  const auto start = Clock::now();
  std::chrono::duration<double> took{};
  do {
    if (!work()) return 0;
    ++count;
    took = Clock::now() - start;
  } while (took.count() < 0.05);
  return count / took.count();
}

// Side by side, so that a busy machine delays both.
void compare(const std::string& name, const std::function<bool()>& bare,
             const std::function<bool()>& whole) {
  double bare_rate = 0, whole_rate = 0;
  for (int i = 0; i < kRounds; ++i) {
    bare_rate += rate(bare) / kRounds;
    whole_rate += rate(whole) / kRounds;
  }
  std::printf("%s_per_second %.0f 1/s\n", name.c_str(), whole_rate);
  std::printf("%s_bare_per_second %.0f 1/s\n", name.c_str(), bare_rate);
  std::printf("%s_verify_vs_bare_signature %.2f ratio\n", name.c_str(), bare_rate / whole_rate);
}

Bytes file(const std::filesystem::path& path) {
  return read_file(path, 4 << 20).value();
}

crypto::EcdsaSignature signature_of(ByteView r_and_s) {
  const size_t half = r_and_s.size() / 2;
  return {Bytes(r_and_s.begin(), r_and_s.begin() + half),
          Bytes(r_and_s.begin() + half, r_and_s.end())};
}

void snp(const std::filesystem::path& folder) {
  Evidence evidence{Tee::snp,
                    file(folder / "milan-v3-vlek.report.bin"),
                    {file(folder / "milan-v3-vlek.vlek.der")}};
  EvidencePolicy policy;
  policy.json = R"({"version":1,"snp":{"signers":["vlek"],"maximum_vmpl":1}})";
  policy.now = kSnpDay;
  const auto report = attest::evidence::SnpReport::parse(evidence.report).value();
  const auto key =
      crypto::Certificate::from_der(evidence.certificates[0]).value().ec_public_key().value();
  const ByteView signed_part = ByteView(evidence.report).first(attest::evidence::kSignedSize);
  Bytes raw(report.signature_r.rbegin() + 24, report.signature_r.rend());  // little-endian, 72
  raw.insert(raw.end(), report.signature_s.rbegin() + 24, report.signature_s.rend());
  compare(
      "snp", [&] { return key.verify(crypto::HashKind::sha384, signed_part, signature_of(raw)); },
      [&] { return verify_evidence(evidence, policy).ok(); });
}

void tdx(const std::filesystem::path& folder) {
  Evidence evidence;
  evidence.tee = Tee::tdx;
  evidence.report = file(folder / "tdx-v5-below-levels.quote.bin");
  evidence.collateral = std::string(as_text(file(folder / "tdx-v5-below-levels.collateral.json")));
  EvidencePolicy policy;
  policy.now = kTdxDay;
  const auto quote = attest::verify::TdxQuote::parse(evidence.report).value();
  const auto pck = crypto::Certificate::from_pem(as_text(quote.certificates)).value();
  const auto pck_key = pck.ec_public_key().value();
  const auto key = crypto::EcKey::from_public(
                       crypto::Curve::p256,
                       {Bytes(quote.attestation_key.begin(), quote.attestation_key.begin() + 32),
                        Bytes(quote.attestation_key.begin() + 32, quote.attestation_key.end())})
                       .value();
  // The platform is below every level, which is found after all that is signed.
  compare(
      "tdx",
      [&] {
        return key.verify(crypto::HashKind::sha256, quote.signed_part,
                          signature_of(quote.signature)) &&
               pck_key.verify(crypto::HashKind::sha256, quote.qe.bytes,
                              signature_of(quote.qe_signature));
      },
      [&] { return judge_evidence(evidence, policy).value().reason == "tcb"; });
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  snp(arguments[1]);
  tdx(arguments[1]);
  return 0;
}
