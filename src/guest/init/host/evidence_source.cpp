#include "guest/init/host/evidence_source.hpp"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "attest/evidence/certificate_table.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/host/host_socket.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::host {
namespace {

constexpr const char* kSnpDevice = "/dev/sev-guest";
constexpr uint32_t kMemoryEncryptionLeaf = 0x8000001f;
constexpr uint32_t kSevBit = 1u << 1;  // EAX: SEV is active for this guest's CPU model
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
    TRY(write_all(socket.get(), report_data, "report request"));
    Evidence evidence{Tee::simulated, {}, {}};
    evidence.report = TRY(receive_block(socket.get(), attest::evidence::kReportSize, "report"));
    Bytes table = TRY(
        receive_block(socket.get(), attest::evidence::kMaxCertificateTable, "certificate table"));
    evidence.certificates = TRY(attest::evidence::decode_certificate_table(table));
    return evidence;
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
    return evidence;
  }

 private:
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

bool cpu_says_sev() {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(kMemoryEncryptionLeaf, &eax, &ebx, &ecx, &edx) != 0 && (eax & kSevBit) != 0;
}

}  // namespace

Result<Evidence> NoSource::evidence(std::span<const uint8_t>) {
  return make_error(ErrorCode::unsupported, "guest/evidence",
                    "this machine has no TEE that gives evidence to guests");
}

std::unique_ptr<EvidenceSource> detect_evidence_source() {
  if (::access(kSnpDevice, F_OK) == 0) return std::make_unique<SnpSource>();
  if (cpu_says_sev()) return std::make_unique<SimulatedSource>();
  return std::make_unique<NoSource>();
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
