#include "guest/init/host/manifest_binding.hpp"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/host/evidence_source.hpp"

namespace bartizan::guest::init::host {
namespace {

constexpr const char* kOrigin = "guest/init/host/manifest_binding";

// struct tdx_report_req and TDX_CMD_GET_REPORT0 of linux/tdx-guest.h, which Debian 12's headers do
// not have. The kernel asks the TDX module by TDG.MR.REPORT; the host is not asked.
struct TdxReportRequest {
  uint8_t report_data[64];
  uint8_t report[1024];
};
constexpr unsigned long kTdxGetReport = _IOWR('T', 1, TdxReportRequest);

// TDX module ABI: TDREPORT_STRUCT begins with its type; TDINFO_STRUCT is its second half, of
// ATTRIBUTES (8), XFAM (8), MRTD (48), MRCONFIGID (48).
constexpr size_t kReportBytes = 1024, kConfigIdAt = 512 + 8 + 8 + 48, kConfigIdBytes = 48;
constexpr uint8_t kTypeTdx = 0x81;

Result<Bytes> td_report() {
  UniqueFd device = TRY(open_file(kTdxDevice, O_RDWR));
  TdxReportRequest request{};
  if (::ioctl(device.get(), kTdxGetReport, &request) != 0)
    return errno_error(errno, kOrigin, "TDX_CMD_GET_REPORT0");
  return Bytes(std::begin(request.report), std::end(request.report));
}

Result<std::optional<ManifestBinding>> from_launch_secret(const LaunchFacts& facts) {
  constexpr const char* kReason = "launch_secret";
  if (!facts.secret.expected) {
    return refused(kOrigin, kReason, std::string(guest_abi::kLaunchSecretFile), "no such file",
                   "TEE \"{}\": the initramfs segment of the launch secret is not there",
                   to_string(facts.tee));
  }
  if (facts.secret.secret) {
    return std::optional(ManifestBinding{"launch secret", kReason,
                                         facts.secret.secret->workload_digest, std::nullopt});
  }
  if (facts.key_from_caller) return std::optional<ManifestBinding>();
  return refused(kOrigin, kReason, "a secret", "none",
                 "TEE \"{}\": no owner judged this launch, and the caller gives no key",
                 to_string(facts.tee));
}

Result<std::optional<ManifestBinding>> from_report(EvidenceSource& source) {
  const uint8_t nothing_to_say[64] = {};
  auto report = TRY(fresh_report(source, nothing_to_say));
  ManifestBinding binding{"HOST_DATA", "host_data", report.host_data, std::nullopt};
  binding.report = report;
  return std::optional(binding);
}

}  // namespace

Result<crypto::Sha256Digest> digest_of_td_report(ByteView report) {
  if (report.size() != kReportBytes || report[0] != kTypeTdx) {
    return make_error(ErrorCode::corrupt, kOrigin, "TDREPORT: {} bytes of type {:#x}",
                      report.size(), report.empty() ? 0 : report[0]);
  }
  ByteView id = report.subspan(kConfigIdAt, kConfigIdBytes);
  crypto::Sha256Digest digest{};
  std::ranges::copy(id.first(digest.size()), digest.begin());
  if (std::ranges::any_of(id.subspan(digest.size()), [](uint8_t byte) { return byte != 0; })) {
    return make_error(ErrorCode::corrupt, kOrigin, "MRCONFIGID {}: not a digest and zeros",
                      to_hex(id));
  }
  return digest;
}

Result<std::optional<ManifestBinding>> manifest_binding(const LaunchFacts& facts) {
  if (attest::evidence::is_pre_attested(facts.tee)) return from_launch_secret(facts);
  if (facts.secret.expected) {
    return refused(kOrigin, "launch_secret", "none", std::string(guest_abi::kLaunchSecretFile),
                   "TEE \"{}\" has no launch secret, and here is a file for one",
                   to_string(facts.tee));
  }
  switch (facts.tee) {
    case Tee::simulated:
    case Tee::snp:
      return from_report(facts.source);
    case Tee::tdx: {
      auto report = TRY(td_report());
      return std::optional(ManifestBinding{"MRCONFIGID", "mrconfigid",
                                           TRY(digest_of_td_report(report)), std::nullopt});
    }
    case Tee::none:
    case Tee::sev:
    case Tee::sev_es:
      break;
  }
  return std::optional<ManifestBinding>();
}

Result<void> check_binding(const ManifestBinding& binding, const crypto::Sha256Digest& manifest) {
  if (binding.workload_digest == manifest) return {};
  return refused(kOrigin, std::string(binding.reason), to_hex(binding.workload_digest),
                 to_hex(manifest), "the manifest is not the one that the launch is bound to by {}",
                 binding.where);
}

}  // namespace bartizan::guest::init::host
