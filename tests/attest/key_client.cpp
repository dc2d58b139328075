// A guest of the simulated TEE, of workload "one" of wire_server: asks URL for RESOURCE with the
// authority in the file CA within MS milliseconds. Prints the key, or the error to stderr.
#include <charconv>
#include <iostream>

#include "attest/evidence/simulated_signer.hpp"
#include "bartizan/attest.hpp"
#include "base/file.hpp"

namespace {

using namespace bartizan;  // NOLINT: a test program

class Guest : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::simulated; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    attest::evidence::SimulatedSigner::Fields fields;
    fields.host_data.fill(1);
    fields.measurement.fill(2);
    std::copy(report_data.begin(), report_data.end(), fields.report_data.begin());
    return signer_.sign(fields);
  }

 private:
  attest::evidence::SimulatedSigner signer_ = attest::evidence::SimulatedSigner::create().value();
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::string limit = argv[4];
  uint32_t milliseconds = 0;
  std::from_chars(limit.data(), limit.data() + limit.size(), milliseconds);
  const Bytes ca = read_file(argv[2], 1 << 16).value();
  Guest guest;
  auto key = request_key({argv[1], std::string(as_text(ca)), argv[3], milliseconds}, guest);
  if (key.ok()) {
    std::cout << key->view() << std::endl;
    return 0;
  }
  std::cerr << key.error().describe() << std::endl;
  return 1;
}
