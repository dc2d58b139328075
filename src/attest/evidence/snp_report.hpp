// The SEV-SNP attestation report, byte for byte (SEV-SNP Firmware ABI 56860, table
// ATTESTATION_REPORT), version 2 and later; 2 to 5 are known here.
//
// parse() keeps every byte: what is reserved in a version that is known, and everything that a
// later version may have put there, is in `unknown`, and a verifier's policy decides about it,
// because a field that we do not know could change the meaning of those that we do. serialize() is
// the inverse, to the byte. TCB versions stay raw: their layout depends on the product.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::attest::evidence {

constexpr size_t kReportSize = 1184;
constexpr size_t kSignedSize = 0x2a0;  // the signature covers what comes before it
constexpr uint32_t kMinReportVersion = 2, kMaxReportVersion = 5;  // those that are known
constexpr uint32_t kEcdsaP384Sha384 = 1;

// Guest policy bits (ABI, table GUEST_POLICY).
constexpr uint64_t kPolicyReservedOne = uint64_t{1} << 17;
constexpr uint64_t kPolicyMigrationAgent = uint64_t{1} << 18;
constexpr uint64_t kPolicyDebug = uint64_t{1} << 19;
constexpr uint64_t kPolicyKnown = (uint64_t{1} << 26) - 1;
constexpr uint64_t kPlatformInfoKnown = 0xbf;  // bits 0 to 5 and 7
// KEY_INFO: AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY.
constexpr uint32_t kKeyInfoAuthorKey = 1, kKeyInfoKnown = 0x1f;
constexpr uint32_t kSignedByVcek = 0, kSignedByVlek = 1;

enum class Product { milan, genoa, turin };
std::string_view to_string(Product product);  // "Milan": as AMD writes it
// By CPUID family and model as the report has them (combined); nothing for a processor that is not
// known.
std::optional<Product> product_of_cpuid(uint8_t family, uint8_t model);

// The components of a TCB version. Milan, Genoa: [bootloader, tee, 0, 0, 0, 0, snp, microcode];
// Turin: [fmc, bootloader, tee, snp, 0, 0, 0, microcode].
struct TcbVersion {
  uint8_t fmc = 0, bootloader = 0, tee = 0, snp = 0, microcode = 0;
  static TcbVersion decode(uint64_t raw, Product product);
  uint64_t encode(Product product) const;
  bool at_least(const TcbVersion& other) const;  // in each component
  bool operator==(const TcbVersion&) const = default;
};

struct FirmwareVersion {
  uint8_t build = 0, minor = 0, major = 0;
  bool operator==(const FirmwareVersion&) const = default;
};

struct SnpReport {
  uint32_t version = 3, guest_svn = 0;
  uint64_t policy = 0;
  std::array<uint8_t, 16> family_id{}, image_id{};
  uint32_t vmpl = 0, signature_algorithm = kEcdsaP384Sha384;
  uint64_t current_tcb = 0, platform_info = 0;
  uint32_t key_info = 0;
  std::array<uint8_t, 64> report_data{};
  std::array<uint8_t, 48> measurement{};
  std::array<uint8_t, 32> host_data{};
  std::array<uint8_t, 48> id_key_digest{}, author_key_digest{};
  std::array<uint8_t, 32> report_id{}, report_id_ma{};
  uint64_t reported_tcb = 0;
  uint8_t cpuid_family = 0, cpuid_model = 0, cpuid_stepping = 0;  // version 3 and later
  std::array<uint8_t, 64> chip_id{};
  uint64_t committed_tcb = 0;
  FirmwareVersion current, committed;
  uint64_t launch_tcb = 0;
  uint64_t launch_mitigation_vector = 0, current_mitigation_vector = 0;  // version 5 and later
  std::array<uint8_t, 72> signature_r{}, signature_s{};                  // little endian
  std::map<size_t, uint8_t> unknown;  // bytes that are not zero where no field is, by offset

  static Result<SnpReport> parse(ByteView bytes);
  Bytes serialize() const;

  uint32_t signing_key() const { return key_info >> 2 & 7; }  // 0 VCEK, 1 VLEK, 7 none
  // What this version of bartizan does not know: reserved bytes and bits, in words; empty: nothing.
  std::string unknown_fields() const;
  std::optional<Product> product() const;  // by CPUID; nothing in version 2
};

}  // namespace bartizan::attest::evidence
