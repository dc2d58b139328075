// Intel's part of the test vendor: quotes of any content with their whole chain and collateral.
#pragma once

#include "base/json.hpp"
#include "unit/attest/vendor.hpp"

namespace bartizan::test {

// Offsets in the TD report body.
constexpr size_t kTdTcbSvn = 0, kTdMrSeam = 16, kTdMrSignerSeam = 64, kTdSeamAttributes = 112,
                 kTdAttributes = 120, kTdXfam = 128, kTdMrTd = 136, kTdMrConfigId = 184,
                 kTdMrOwner = 232, kTdMrOwnerConfig = 280, kTdRtmr0 = 328, kTdReportData = 520;
// Offsets in the QE report.
constexpr size_t kQeMiscSelect = 16, kQeAttributes = 48, kQeMrSigner = 128, kQeIsvProdId = 256,
                 kQeIsvSvn = 258, kQeReportData = 320;

// All that a test may bend before make() signs it.
struct IntelVendor {
  VendorCertificate root, authority, pck, tcb_signer;
  VendorKey attestation_key;
  uint16_t version = 4, body_type = 3;  // the type in version 5 only
  Bytes header, body, qe_report, qe_authentication = Bytes(32, 0x77);
  bool bind_attestation_key = true;
  std::array<uint8_t, 16> components{};  // of the PCK's TCB
  uint16_t pce_svn = 13;
  Bytes fmspc = {0x90, 0xc0, 0x6f, 0, 0, 0}, pce_id = {0, 0};
  Json tcb_info, qe_identity;
  std::vector<long> revoked_by_root, revoked_by_authority;
  int64_t root_list_to = kVendorTo, pck_list_to = kVendorTo;
  VendorKey root_list_key, pck_list_key;
  Bytes trailing;

  explicit IntelVendor(uint16_t version);   // 4, 5
  void set(size_t offset, ByteView bytes);  // in the body
  Bytes pck_extension() const;              // for the values above
  Evidence make() const;
};

// An event log whose events extend these digests: RTMR (0 to 3), digest.
Bytes event_log(const std::vector<std::pair<uint32_t, Bytes>>& events);
Bytes extended(const std::vector<Bytes>& digests);  // what an RTMR holds after them

Bytes der_item(uint8_t tag, const Bytes& content);

}  // namespace bartizan::test
