#include "guest/init/host/evidence_source.hpp"

#include <fcntl.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "attest/evidence/certificate_table.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/host/host_socket.hpp"
#include "guest/init/host/tsm_report.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::host {
namespace {

constexpr size_t kReportDataSize = 64;

Result<void> check_report_data(std::span<const uint8_t> report_data) {
  if (report_data.size() == kReportDataSize) return {};
  return make_error(ErrorCode::invalid_argument, "guest/evidence",
                    "report data: {} bytes, {} needed", report_data.size(), kReportDataSize);
}

class SimulatedSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::simulated; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    TRY(check_report_data(report_data));
    UniqueFd socket = TRY(connect_to_host(guest_abi::kReportVsockPort));
    auto answer = TRY(ask_report_service(socket.get(), report_data));
    return Evidence{Tee::simulated, std::move(answer.report), std::move(answer.certificates)};
  }
};

// MSG_REPORT_RSP (SNP firmware ABI): status, report size, reserved, then the report.
constexpr size_t kResponseReportOffset = 32;

class SnpSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::snp; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    TRY(check_report_data(report_data));
    Bytes table(attest::evidence::kMaxCertificateTable);
    snp_ext_report_req request{};
    std::copy(report_data.begin(), report_data.end(), request.data.user_data);
    request.certs_address = reinterpret_cast<uint64_t>(table.data());
    request.certs_len = static_cast<uint32_t>(table.size());
    snp_report_resp response{};
    TRY(call(&request, &response));
    Evidence evidence{Tee::snp, TRY(report_of(response)), {}};
    evidence.certificates = TRY(attest::evidence::decode_certificate_table(table));
    if (evidence.certificates.empty())
      evidence.certificates = TRY(certificates_of_host(report_data));
    return evidence;
  }

 private:
  // Of a KVM without KVM_SEV_SNP_ENABLE_REQ_CERTS the firmware's table is empty. A host without the
  // service has none to give either, and it is the broker who says what is missing.
  static Result<std::vector<Bytes>> certificates_of_host(std::span<const uint8_t> report_data) {
    auto socket = connect_to_host(guest_abi::kReportVsockPort);
    if (!socket.ok()) return std::vector<Bytes>();
    return TRY(ask_report_service(socket->get(), report_data)).certificates;
  }

  static Result<void> call(snp_ext_report_req* request, snp_report_resp* response) {
    UniqueFd device = TRY(open_file(kSnpDevice, O_RDWR));
    snp_guest_request_ioctl message{};
    message.msg_version = 1;
    message.req_data = reinterpret_cast<uint64_t>(request);
    message.resp_data = reinterpret_cast<uint64_t>(response);
    if (::ioctl(device.get(), SNP_GET_EXT_REPORT, &message) != 0) {
      return errno_error(
          errno, "guest/evidence",
          fmt::format("SNP_GET_EXT_REPORT, firmware error {:#x}", message.exitinfo2));
    }
    return {};
  }

  static Result<Bytes> report_of(const snp_report_resp& response) {
    const auto status = load_le<uint32_t>(response.data);
    const auto size = load_le<uint32_t>(response.data + 4);
    if (status != 0 || size != attest::evidence::kReportSize) {
      return make_error(ErrorCode::io, "guest/evidence", "report response: status {:#x}, {} bytes",
                        status, size);
    }
    const uint8_t* report = response.data + kResponseReportOffset;
    return Bytes(report, report + size);
  }
};

// Intel's collateral comes from the broker's folder: the guest has none.
class TdxSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::tdx; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    TRY(check_report_data(report_data));
    return Evidence{Tee::tdx, TRY(tdx_quote(report_data)), {}};
  }
};

// none, SEV, SEV-ES
class SilentSource : public EvidenceSource {
 public:
  explicit SilentSource(Tee tee) : tee_(tee) {}
  Tee tee() const override { return tee_; }
  Result<Evidence> evidence(std::span<const uint8_t>) override {
    return make_error(ErrorCode::unsupported, "guest/evidence",
                      "TEE \"{}\" gives no evidence to its guests", to_string(tee_));
  }

 private:
  Tee tee_;
};

Result<void> check_device(Tee tee, const char* device, const char* driver) {
  if (::access(device, F_OK) == 0) return {};
  return refused("guest/evidence", "tee", device, strerrorname_np(errno),
                 "TEE \"{}\" needs {}, which {} makes: the kernel has no such driver, or the "
                 "host took something away that the driver needs",
                 to_string(tee), device, driver);
}

}  // namespace

Result<std::unique_ptr<EvidenceSource>> evidence_source_of(Tee tee) {
  std::unique_ptr<EvidenceSource> source;
  if (tee == Tee::simulated) source = std::make_unique<SimulatedSource>();
  if (tee == Tee::snp) {
    TRY(check_device(tee, kSnpDevice, "sev-guest (CONFIG_SEV_GUEST)"));
    source = std::make_unique<SnpSource>();
  }
  if (tee == Tee::tdx) {
    TRY(check_device(tee, kTdxDevice, "tdx-guest (CONFIG_TDX_GUEST_DRIVER)"));
    source = std::make_unique<TdxSource>();
  }
  if (!source) source = std::make_unique<SilentSource>(tee);
  return source;
}

Result<HostEvidence> ask_report_service(int stream, std::span<const uint8_t> report_data) {
  TRY(write_all(stream, report_data, "report request"));
  HostEvidence answer;
  answer.report = TRY(receive_block(stream, attest::evidence::kReportSize, "report"));
  Bytes table =
      TRY(receive_block(stream, attest::evidence::kMaxCertificateTable, "certificate table"));
  answer.certificates = TRY(attest::evidence::decode_certificate_table(table));
  return answer;
}

Result<attest::evidence::SnpReport> fresh_report(EvidenceSource& source,
                                                 std::span<const uint8_t> report_data) {
  Evidence evidence = TRY(source.evidence(report_data));
  attest::evidence::SnpReport report = TRY(attest::evidence::SnpReport::parse(evidence.report));
  if (std::equal(report_data.begin(), report_data.end(), report.report_data.begin(),
                 report.report_data.end())) {
    return report;
  }
  return refused("guest/evidence", "report_data", to_hex(report_data), to_hex(report.report_data),
                 "the report is not about what was asked");
}

Result<Evidence> WatchedSource::evidence(std::span<const uint8_t> report_data) {
  auto result = source_.evidence(report_data);
  failed_ = !result.ok();
  return result;
}

}  // namespace bartizan::guest::init::host
