// SimulatedSigner: the "secure processor" of the simulated TEE. It signs byte-exact SNP reports
// (ABI version 3, Milan) with a chain of keys that it draws in create() and forgets: ARK -> ASK ->
// VCEK, EC P-384 (an RSA key takes seconds under an emulated processor). Every certificate has
// "bartizan SIMULATED" in its common name; verifiers refuse that by name unless they were
// configured otherwise. Protects nothing. Const calls may come from any thread.
#pragma once

#include <array>
#include <memory>

#include "attest/evidence/snp_report.hpp"
#include "bartizan/attest.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::attest::evidence {

constexpr std::string_view kSimulatedMarker = "bartizan SIMULATED";

class SimulatedSigner {
 public:
  struct Fields {
    std::array<uint8_t, 48> measurement{};
    std::array<uint8_t, 32> host_data{};
    std::array<uint8_t, 64> report_data{};
    uint64_t policy = kDefaultSnpPolicy;
  };

  static Result<SimulatedSigner> create();
  SimulatedSigner(SimulatedSigner&&) noexcept;
  SimulatedSigner& operator=(SimulatedSigner&&) noexcept;
  ~SimulatedSigner();

  // Evidence of Tee::simulated: report and the three certificates.
  Result<Evidence> sign(const Fields& fields) const;

  // Any report as it is, with a good signature: what a verifier must still refuse for its content.
  Result<Evidence> sign_report(evidence::SnpReport report) const;
  evidence::SnpReport report_template() const;  // what sign() starts from: versions, TCB, chip id

  // The GUID table of an SNP extended report: VCEK, ASK, ARK.
  Bytes certificate_table() const;

 private:
  struct State;
  explicit SimulatedSigner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::attest::evidence
