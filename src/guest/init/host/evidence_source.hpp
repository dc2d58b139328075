// Where this guest's evidence comes from, found out from the machine itself: the SNP guest device,
// the simulated TEE's vsock service, or nothing.
#pragma once

#include <memory>

#include "attest/evidence/snp_report.hpp"
#include "bartizan/attest.hpp"

namespace bartizan::guest::init::host {

// No TEE, or SEV and SEV-ES, whose guests have nothing to show: evidence() is `unsupported`.
class NoSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::none; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override;
};

std::unique_ptr<EvidenceSource> detect_evidence_source();

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
