// Public vectors that lie beside the project, not in it (real reports and certificates of AMD's
// processors).
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "bartizan/attest.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"
#include "crypto/x509.hpp"

namespace bartizan::test {

inline std::filesystem::path vectors() {
  return std::filesystem::path(BARTIZAN_SOURCE_DIR) / ".." / "shared" / "vectors";
}

#define SKIP_WITHOUT_VECTORS()                             \
  if (!std::filesystem::exists(bartizan::test::vectors())) \
  GTEST_SKIP() << "no shared/vectors beside the source"

inline Bytes vector_file(const std::string& name) {
  return read_file(vectors() / name, 1 << 20).value();
}

// "milan": ASK and ARK of the product, DER.
inline std::vector<Bytes> authorities(const std::string& product) {
  Bytes pem = vector_file("snp/ca_" + product + ".pem");
  auto all = crypto::Certificate::all_from_pem(as_text(pem)).value();
  return {all.at(0).der(), all.at(1).der()};
}

inline Evidence snp_evidence(Bytes report, Bytes vcek, const std::string& product) {
  std::vector<Bytes> chain = authorities(product);
  chain.insert(chain.begin(), std::move(vcek));
  return Evidence{Tee::snp, std::move(report), std::move(chain)};
}

}  // namespace bartizan::test
