// Where this guest's evidence comes from: the SNP guest device, the kernel's TSM reports (TDX), the
// simulated TEE's vsock service, or nothing.
#pragma once

#include <memory>
#include <vector>

#include "attest/evidence/snp_report.hpp"
#include "bartizan/attest.hpp"
#include "base/bytes.hpp"

namespace bartizan::guest::init::host {

constexpr const char* kSnpDevice = "/dev/sev-guest";
constexpr const char* kTdxDevice = "/dev/tdx_guest";

// Of that TEE and of no other. SEV and SEV-ES guests have nothing to show: their evidence() is
// `unsupported`.
// verification_failed, reason "tee": the device of this TEE is not there, whatever the cause.
Result<std::unique_ptr<EvidenceSource>> evidence_source_of(Tee tee);

// What the host's report service answers on its stream. The host's word, all of it: a report is the
// simulated TEE's (of SNP's guests, who have their own, it is none), certificates are the broker's
// to follow up to the vendor.
// protocol, corrupt: longer than they may be, cut short, or no certificate table.
struct HostEvidence {
  Bytes report;
  std::vector<Bytes> certificates;
};
Result<HostEvidence> ask_report_service(int stream, std::span<const uint8_t> report_data);

// A report over `report_data`, parsed; verification_failed reason "report_data" if it is about
// other data. Signatures are the broker's to check: on SNP the report comes through the processor's
// own channel.
Result<attest::evidence::SnpReport> fresh_report(EvidenceSource& source,
                                                 std::span<const uint8_t> report_data);

// Remembers whether it was asked and whether that failed, to distinguish a broker's failure from
// the device's.
class WatchedSource : public EvidenceSource {
 public:
  explicit WatchedSource(EvidenceSource& source) : source_(source) {}
  Tee tee() const override { return source_.tee(); }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override;
  bool failed() const { return failed_; }

 private:
  EvidenceSource& source_;
  bool failed_ = false;
};

}  // namespace bartizan::guest::init::host
