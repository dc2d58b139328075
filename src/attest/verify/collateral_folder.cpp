// What evidence came without, from a folder that its owner filled.

#include <algorithm>
#include <filesystem>

#include "attest/evidence/snp_report.hpp"
#include "attest/verify/judge.hpp"
#include "attest/verify/known.hpp"
#include "attest/verify/tdx_collateral.hpp"
#include "bartizan/attest.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {
namespace {

using evidence::Product;
using evidence::SnpReport;
using evidence::TcbVersion;

constexpr size_t kMaxRevocationFiles = 16;

bool has_leaf(const Evidence& evidence) {
  return std::any_of(evidence.certificates.begin(), evidence.certificates.end(),
                     [](const Bytes& der) {
                       auto certificate = known_certificate(der);
                       return certificate.ok() && !certificate->is_ca();
                     });
}

// As Trustee's offline store and snphost name it.
std::filesystem::path vcek_path(const SnpReport& report, Product product) {
  const bool turin = product == Product::turin;
  const ByteView id = ByteView(report.chip_id).first(turin ? 8 : 64);
  const TcbVersion tcb = TcbVersion::decode(report.reported_tcb, product);
  std::string name = fmt::format("bl{:02}_tee{:02}_snp{:02}_ucode{:02}", tcb.bootloader, tcb.tee,
                                 tcb.snp, tcb.microcode);
  if (turin) name += fmt::format("_fmc{:02}", tcb.fmc);
  return std::filesystem::path("vcek") / to_hex(id) / (name + "_vcek.der");
}

// Nothing if there is no such file.
Result<std::optional<Bytes>> read_if_there(const std::filesystem::path& path, size_t limit) {
  auto bytes = read_regular_file(path, limit);
  if (bytes.ok()) return std::optional<Bytes>(*std::move(bytes));
  if (bytes.error().code == ErrorCode::not_found) return std::optional<Bytes>();
  return std::move(bytes).error();
}

Result<void> add_revocation_lists(Evidence& evidence, const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::directory_iterator entries(folder, failed);
  if (failed) return {};  // no such folder: nothing to add
  for (const auto& entry : entries) {
    if (entry.path().extension() != ".der") continue;
    if (evidence.revocation_lists.size() >= kMaxRevocationFiles) break;
    evidence.revocation_lists.push_back(
        TRY(read_regular_file(entry.path(), crypto::kMaxRevocationListBytes)));
  }
  return {};
}

Result<void> add_snp_collateral(Evidence& to, const std::filesystem::path& folder) {
  SnpReport report = TRY(SnpReport::parse(to.report));
  if (report.signing_key() == evidence::kSignedByVcek && !has_leaf(to)) {
    const Product product = report.product().value_or(Product::milan);
    auto vcek =
        TRY(read_if_there(folder / vcek_path(report, product), crypto::kMaxCertificateBytes));
    if (vcek) to.certificates.push_back(*std::move(vcek));
  }
  return add_revocation_lists(to, folder / "crl");
}

Result<void> add_tdx_collateral(Evidence& to, const std::filesystem::path& folder) {
  if (!to.collateral.empty()) return {};
  const std::string fmspc = TRY(fmspc_of_quote(to.report));
  auto json = TRY(read_if_there(folder / "tdx" / (fmspc + ".json"), kMaxCollateralJson));
  if (json) to.collateral = std::string(as_text(*json));
  return {};
}

}  // namespace

Result<Evidence> add_collateral(Evidence evidence, const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) {
    return make_error(ErrorCode::not_found, "attest/verify", "collateral: {} is not a folder",
                      folder.string());
  }
  if (evidence.tee == Tee::snp) TRY(add_snp_collateral(evidence, folder));
  if (evidence.tee == Tee::tdx) TRY(add_tdx_collateral(evidence, folder));
  return evidence;
}

}  // namespace bartizan::attest::verify
