// What AMD writes into a VCEK or VLEK certificate (VCEK Certificate and KDS Interface Specification
// 57230, §"VCEK extensions"): the TCB that the key was derived for, the product, and the chip that
// a VCEK belongs to. A VLEK belongs to a cloud provider instead, and to no chip.
#pragma once

#include <optional>
#include <string_view>

#include "attest/evidence/snp_report.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::evidence {

constexpr std::string_view kOidBootloader = "1.3.6.1.4.1.3704.1.3.1";
constexpr std::string_view kOidTee = "1.3.6.1.4.1.3704.1.3.2";
constexpr std::string_view kOidSnp = "1.3.6.1.4.1.3704.1.3.3";
constexpr std::string_view kOidMicrocode = "1.3.6.1.4.1.3704.1.3.8";
constexpr std::string_view kOidFmc = "1.3.6.1.4.1.3704.1.3.9";  // Turin and later
constexpr std::string_view kOidHardwareId = "1.3.6.1.4.1.3704.1.4";
constexpr std::string_view kOidProductName = "1.3.6.1.4.1.3704.1.2";
constexpr std::string_view kOidProvider = "1.3.6.1.4.1.3704.1.5";  // VLEK: CSP_ID

struct VcekExtensions {
  TcbVersion tcb;
  Bytes hardware_id;         // 64 bytes, or 8 from Turin on; empty in a VLEK
  std::string product_name;  // "Milan-B0", "Turin"; empty: the certificate does not say
};

// corrupt: an extension is missing, appears twice or is malformed. A certificate with a provider
// and without a chip is a VLEK's.
Result<VcekExtensions> read_vcek_extensions(const crypto::Certificate& vcek, Product product);

}  // namespace bartizan::attest::evidence
