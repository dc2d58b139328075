#include "attest/evidence/simulated_signer.hpp"

#include <algorithm>
#include <ctime>

#include "attest/evidence/certificate_table.hpp"
#include "attest/evidence/vcek_extensions.hpp"
#include "base/errors.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::evidence {
namespace {

using crypto::Certificate;
using crypto::CertificateRequest;
using crypto::Curve;
using crypto::EcKey;

constexpr int64_t kDay = 86'400;
constexpr evidence::TcbVersion kTcb = {
    .fmc = 0, .bootloader = 4, .tee = 0, .snp = 24, .microcode = 219};
constexpr evidence::FirmwareVersion kFirmware = {.build = 21, .minor = 55, .major = 1};

Bytes der_integer(uint8_t value) {  // X.690 §8.3: a leading zero keeps it positive
  if (value < 0x80) return {2, 1, value};
  return {2, 2, 0, value};
}

CertificateRequest request(std::string_view role, std::optional<int> path_length) {
  CertificateRequest made;
  made.common_name = std::string(kSimulatedMarker) + " " + std::string(role);
  made.not_before = std::time(nullptr) - kDay;  // the verifier's clock may be behind
  made.not_after = made.not_before + 365 * kDay;
  made.ca_path_length = path_length;
  return made;
}

CertificateRequest vcek_request(const std::array<uint8_t, 64>& chip_id) {
  CertificateRequest made = request("VCEK", std::nullopt);
  made.extensions = {
      {std::string(evidence::kOidBootloader), der_integer(kTcb.bootloader)},
      {std::string(evidence::kOidTee), der_integer(kTcb.tee)},
      {std::string(evidence::kOidSnp), der_integer(kTcb.snp)},
      {std::string(evidence::kOidMicrocode), der_integer(kTcb.microcode)},
      {std::string(evidence::kOidHardwareId), Bytes(chip_id.begin(), chip_id.end())}};
  return made;
}

std::array<uint8_t, 72> little_endian(const Bytes& number) {
  std::array<uint8_t, 72> field{};
  std::reverse_copy(number.begin(), number.end(), field.begin());
  return field;
}

}  // namespace

struct SimulatedSigner::State {
  EcKey vcek;
  std::vector<Bytes> certificates;  // VCEK, ASK, ARK
  std::array<uint8_t, 64> chip_id{};
};

SimulatedSigner::SimulatedSigner(std::unique_ptr<State> state) : state_(std::move(state)) {}
SimulatedSigner::SimulatedSigner(SimulatedSigner&&) noexcept = default;
SimulatedSigner& SimulatedSigner::operator=(SimulatedSigner&&) noexcept = default;
SimulatedSigner::~SimulatedSigner() = default;

Result<SimulatedSigner> SimulatedSigner::create() {
  EcKey ark_key = TRY(EcKey::generate(Curve::p384)), ask_key = TRY(EcKey::generate(Curve::p384));
  EcKey vcek_key = TRY(EcKey::generate(Curve::p384));
  std::array<uint8_t, 64> chip_id;
  TRY(crypto::random_bytes(chip_id));
  Certificate ark = TRY(request("ARK", 1).sign(ark_key, nullptr, ark_key));
  Certificate ask = TRY(request("ASK", 0).sign(ask_key, &ark, ark_key));
  Certificate vcek = TRY(vcek_request(chip_id).sign(vcek_key, &ask, ask_key));
  return SimulatedSigner(std::make_unique<State>(
      State{std::move(vcek_key), {vcek.der(), ask.der(), ark.der()}, chip_id}));
}

evidence::SnpReport SimulatedSigner::report_template() const {
  evidence::SnpReport report;
  report.version = 3;
  report.cpuid_family = 0x19;  // Milan, stepping B1
  report.cpuid_model = 0x01;
  report.cpuid_stepping = 1;
  report.policy = Fields{}.policy;
  report.platform_info = 1;  // SMT enabled
  report.current_tcb = report.reported_tcb = report.committed_tcb = report.launch_tcb =
      kTcb.encode(evidence::Product::milan);
  report.current = report.committed = kFirmware;
  report.report_id_ma.fill(0xff);  // no migration agent
  report.chip_id = state_->chip_id;
  return report;
}

Result<Evidence> SimulatedSigner::sign(const Fields& fields) const {
  evidence::SnpReport report = report_template();
  report.measurement = fields.measurement;
  report.host_data = fields.host_data;
  report.report_data = fields.report_data;
  report.policy = fields.policy;
  TRY(crypto::random_bytes(report.report_id));
  return sign_report(report);
}

Result<Evidence> SimulatedSigner::sign_report(evidence::SnpReport report) const {
  Bytes bytes = report.serialize();
  crypto::EcdsaSignature signature = TRY(
      state_->vcek.sign(crypto::HashKind::sha384, ByteView(bytes).first(evidence::kSignedSize)));
  report.signature_r = little_endian(signature.r);
  report.signature_s = little_endian(signature.s);
  return Evidence{Tee::simulated, report.serialize(), state_->certificates};
}

Bytes SimulatedSigner::certificate_table() const {
  return evidence::encode_certificate_table(state_->certificates);
}

}  // namespace bartizan::attest::evidence
