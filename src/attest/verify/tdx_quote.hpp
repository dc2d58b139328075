// TDX quotes, byte for byte (Intel TDX DCAP Quote Generation Library, appendix "Quote Format"),
// versions 4 and 5: header, TD report body of TDX 1.0 or 1.5, and ECDSA P-256 signature data with
// the quoting enclave's report and the PCK chain. Views point into the caller's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::attest::verify {

constexpr size_t kMaxQuoteBytes = 64 * 1024;

// TD report body. TDX 1.5 adds the last two.
struct TdReport {
  std::array<uint8_t, 16> tee_tcb_svn{};
  std::array<uint8_t, 48> mr_seam{}, mr_signer_seam{};
  uint64_t seam_attributes = 0, td_attributes = 0, xfam = 0;
  std::array<uint8_t, 48> mr_td{}, mr_config_id{}, mr_owner{}, mr_owner_config{};
  std::array<std::array<uint8_t, 48>, 4> rtmrs{};
  std::array<uint8_t, 64> report_data{};
  std::optional<std::array<uint8_t, 16>> tee_tcb_svn2;
  std::optional<std::array<uint8_t, 48>> mr_service_td;
};

// REPORT body of the quoting enclave.
struct QeReport {
  ByteView bytes;  // all 384, which its signature covers
  std::array<uint8_t, 16> cpu_svn{}, attributes{};
  uint32_t misc_select = 0;
  std::array<uint8_t, 32> mr_signer{};
  uint16_t isv_prod_id = 0, isv_svn = 0;
  std::array<uint8_t, 64> report_data{};
};

struct TdxQuote {
  uint16_t version = 0, attestation_key_type = 0;
  std::array<uint8_t, 16> qe_vendor{};
  TdReport report;
  ByteView signed_part;        // header and body, with the body's own header in version 5
  ByteView signature;          // 64: r, s
  ByteView attestation_key;    // 64: x, y
  ByteView qe_signature;       // 64
  ByteView qe_authentication;  // hashed with the attestation key
  QeReport qe;
  ByteView certificates;  // PEM: PCK, its authority, root
  ByteView trailing;      // after the quote: covered by nothing

  // corrupt: truncated, lengths that do not agree, reserved bytes of the QE report that are not
  // zero. unsupported: no quote of TDX (SGX's, for instance), another version, key or certification
  // data than those of DCAP.
  static Result<TdxQuote> parse(ByteView bytes);
};

}  // namespace bartizan::attest::verify
