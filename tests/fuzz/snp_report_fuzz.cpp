// Reports and certificate tables reach a verifier from strangers. What parses as a report
// serialises back to the byte.
#include <cstdint>
#include <cstdlib>

#include "attest/evidence/certificate_table.hpp"
#include "attest/evidence/snp_report.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bartizan::ByteView bytes(data, size);
  auto report = bartizan::attest::evidence::SnpReport::parse(bytes);
  if (report.ok() && report->serialize() != bartizan::Bytes(data, data + size)) std::abort();
  auto certificates = bartizan::attest::evidence::decode_certificate_table(bytes);
  if (certificates.ok() && certificates->size() > 4) std::abort();
  return 0;
}
