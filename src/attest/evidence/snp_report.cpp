#include "attest/evidence/snp_report.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::attest::evidence {
namespace {

// Offsets of ATTESTATION_REPORT, SEV-SNP Firmware ABI.
constexpr size_t kVersion = 0x00, kGuestSvn = 0x04, kPolicy = 0x08, kFamilyId = 0x10,
                 kImageId = 0x20, kVmpl = 0x30, kSignatureAlgorithm = 0x34, kCurrentTcb = 0x38,
                 kPlatformInfo = 0x40, kKeyInfo = 0x48, kReserved0 = 0x4c, kReportData = 0x50,
                 kMeasurement = 0x90, kHostData = 0xc0, kIdKeyDigest = 0xe0,
                 kAuthorKeyDigest = 0x110, kReportId = 0x140, kReportIdMa = 0x160,
                 kReportedTcb = 0x180, kCpuid = 0x188, kReserved1 = 0x18b, kChipId = 0x1a0,
                 kCommittedTcb = 0x1e0, kCurrentVersion = 0x1e8, kReserved2 = 0x1eb,
                 kCommittedVersion = 0x1ec, kReserved3 = 0x1ef, kLaunchTcb = 0x1f0,
                 kLaunchMitigation = 0x1f8, kCurrentMitigation = 0x200, kReserved4 = 0x208,
                 kSignatureR = 0x2a0, kSignatureS = 0x2e8, kReserved5 = 0x330;
static_assert(kReserved4 < kSignedSize && kSignatureR == kSignedSize && kReserved5 < kReportSize);

struct Range {
  size_t from, to;
};

// What must be zero, by version: fields that a version does not have yet are reserved in it.
std::vector<Range> reserved_ranges(uint32_t version) {
  std::vector<Range> ranges = {{kReserved0, kReportData},
                               {version >= 3 ? kReserved1 : kCpuid, kChipId},
                               {kReserved2, kCommittedVersion},
                               {kReserved3, kLaunchTcb},
                               {version >= 5 ? kReserved4 : kLaunchMitigation, kSignatureR},
                               {kReserved5, kReportSize}};
  return ranges;
}

std::map<size_t, uint8_t> unknown_bytes(ByteView bytes, uint32_t version) {
  std::map<size_t, uint8_t> unknown;
  for (Range range : reserved_ranges(version)) {
    for (size_t i = range.from; i < range.to; ++i) {
      if (bytes[i]) unknown.emplace(i, bytes[i]);
    }
  }
  return unknown;
}

template <size_t N>
void copy_in(std::array<uint8_t, N>& to, ByteView bytes, size_t offset) {
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), N, to.begin());
}
template <size_t N>
void copy_out(const std::array<uint8_t, N>& from, Bytes& bytes, size_t offset) {
  std::copy(from.begin(), from.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
}

FirmwareVersion firmware_version(ByteView bytes, size_t offset) {
  return {bytes[offset], bytes[offset + 1], bytes[offset + 2]};
}
void put_firmware_version(const FirmwareVersion& version, Bytes& bytes, size_t offset) {
  bytes[offset] = version.build;
  bytes[offset + 1] = version.minor;
  bytes[offset + 2] = version.major;
}

void parse_arrays(SnpReport& report, ByteView bytes) {
  copy_in(report.family_id, bytes, kFamilyId);
  copy_in(report.image_id, bytes, kImageId);
  copy_in(report.report_data, bytes, kReportData);
  copy_in(report.measurement, bytes, kMeasurement);
  copy_in(report.host_data, bytes, kHostData);
  copy_in(report.id_key_digest, bytes, kIdKeyDigest);
  copy_in(report.author_key_digest, bytes, kAuthorKeyDigest);
  copy_in(report.report_id, bytes, kReportId);
  copy_in(report.report_id_ma, bytes, kReportIdMa);
  copy_in(report.chip_id, bytes, kChipId);
  copy_in(report.signature_r, bytes, kSignatureR);
  copy_in(report.signature_s, bytes, kSignatureS);
}

void write_arrays(const SnpReport& report, Bytes& bytes) {
  copy_out(report.family_id, bytes, kFamilyId);
  copy_out(report.image_id, bytes, kImageId);
  copy_out(report.report_data, bytes, kReportData);
  copy_out(report.measurement, bytes, kMeasurement);
  copy_out(report.host_data, bytes, kHostData);
  copy_out(report.id_key_digest, bytes, kIdKeyDigest);
  copy_out(report.author_key_digest, bytes, kAuthorKeyDigest);
  copy_out(report.report_id, bytes, kReportId);
  copy_out(report.report_id_ma, bytes, kReportIdMa);
  copy_out(report.chip_id, bytes, kChipId);
  copy_out(report.signature_r, bytes, kSignatureR);
  copy_out(report.signature_s, bytes, kSignatureS);
}

}  // namespace

std::string_view to_string(Product product) {
  switch (product) {
    case Product::milan:
      return "Milan";
    case Product::genoa:
      return "Genoa";
    case Product::turin:
      return "Turin";
  }
  return "unknown";
}

std::optional<Product> product_of_cpuid(uint8_t family, uint8_t model) {
  if (family == 0x19 && model <= 0x0f) return Product::milan;
  if (family == 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)))
    return Product::genoa;
  if (family == 0x1a && model <= 0x11) return Product::turin;
  return std::nullopt;
}

TcbVersion TcbVersion::decode(uint64_t raw, Product product) {
  auto byte = [raw](int index) { return static_cast<uint8_t>(raw >> (8 * index)); };
  if (product == Product::turin) return {byte(0), byte(1), byte(2), byte(3), byte(7)};
  return {0, byte(0), byte(1), byte(6), byte(7)};
}

uint64_t TcbVersion::encode(Product product) const {
  auto at = [](uint8_t value, int index) { return static_cast<uint64_t>(value) << (8 * index); };
  if (product == Product::turin)
    return at(fmc, 0) | at(bootloader, 1) | at(tee, 2) | at(snp, 3) | at(microcode, 7);
  return at(bootloader, 0) | at(tee, 1) | at(snp, 6) | at(microcode, 7);
}

bool TcbVersion::at_least(const TcbVersion& other) const {
  return fmc >= other.fmc && bootloader >= other.bootloader && tee >= other.tee &&
         snp >= other.snp && microcode >= other.microcode;
}

std::optional<Product> SnpReport::product() const {
  if (version < 3) return std::nullopt;
  return product_of_cpuid(cpuid_family, cpuid_model);
}

Result<SnpReport> SnpReport::parse(ByteView bytes) {
  if (bytes.size() != kReportSize) {
    return make_error(ErrorCode::corrupt, "attest/evidence", "SNP report: {} bytes instead of {}",
                      bytes.size(), kReportSize);
  }
  SnpReport report;
  report.version = load_le<uint32_t>(&bytes[kVersion]);
  if (report.version < kMinReportVersion) {
    return make_error(ErrorCode::corrupt, "attest/evidence",
                      "SNP report: version {}; known are {} to {}", report.version,
                      kMinReportVersion, kMaxReportVersion);
  }
  report.unknown = unknown_bytes(bytes, report.version);
  report.guest_svn = load_le<uint32_t>(&bytes[kGuestSvn]);
  report.policy = load_le<uint64_t>(&bytes[kPolicy]);
  report.vmpl = load_le<uint32_t>(&bytes[kVmpl]);
  report.signature_algorithm = load_le<uint32_t>(&bytes[kSignatureAlgorithm]);
  report.current_tcb = load_le<uint64_t>(&bytes[kCurrentTcb]);
  report.platform_info = load_le<uint64_t>(&bytes[kPlatformInfo]);
  report.key_info = load_le<uint32_t>(&bytes[kKeyInfo]);
  report.reported_tcb = load_le<uint64_t>(&bytes[kReportedTcb]);
  if (report.version >= 3) {
    report.cpuid_family = bytes[kCpuid];
    report.cpuid_model = bytes[kCpuid + 1];
    report.cpuid_stepping = bytes[kCpuid + 2];
  }
  report.committed_tcb = load_le<uint64_t>(&bytes[kCommittedTcb]);
  report.current = firmware_version(bytes, kCurrentVersion);
  report.committed = firmware_version(bytes, kCommittedVersion);
  report.launch_tcb = load_le<uint64_t>(&bytes[kLaunchTcb]);
  if (report.version >= 5) {
    report.launch_mitigation_vector = load_le<uint64_t>(&bytes[kLaunchMitigation]);
    report.current_mitigation_vector = load_le<uint64_t>(&bytes[kCurrentMitigation]);
  }
  parse_arrays(report, bytes);
  return report;
}

Bytes SnpReport::serialize() const {
  Bytes bytes(kReportSize);
  store_le(&bytes[kVersion], version);
  store_le(&bytes[kGuestSvn], guest_svn);
  store_le(&bytes[kPolicy], policy);
  store_le(&bytes[kVmpl], vmpl);
  store_le(&bytes[kSignatureAlgorithm], signature_algorithm);
  store_le(&bytes[kCurrentTcb], current_tcb);
  store_le(&bytes[kPlatformInfo], platform_info);
  store_le(&bytes[kKeyInfo], key_info);
  store_le(&bytes[kReportedTcb], reported_tcb);
  bytes[kCpuid] = cpuid_family;
  bytes[kCpuid + 1] = cpuid_model;
  bytes[kCpuid + 2] = cpuid_stepping;
  store_le(&bytes[kCommittedTcb], committed_tcb);
  put_firmware_version(current, bytes, kCurrentVersion);
  put_firmware_version(committed, bytes, kCommittedVersion);
  store_le(&bytes[kLaunchTcb], launch_tcb);
  store_le(&bytes[kLaunchMitigation], launch_mitigation_vector);
  store_le(&bytes[kCurrentMitigation], current_mitigation_vector);
  write_arrays(*this, bytes);
  for (auto [offset, byte] : unknown) {
    if (offset < bytes.size()) bytes[offset] = byte;
  }
  return bytes;
}

std::string SnpReport::unknown_fields() const {
  std::string text;
  auto add = [&text](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (!unknown.empty()) {
    add(fmt::format("{} reserved bytes that are not zero, the first {:#x} at {:#x}", unknown.size(),
                    unknown.begin()->second, unknown.begin()->first));
  }
  if (uint32_t bits = key_info & ~kKeyInfoKnown) add(fmt::format("KEY_INFO bits {:#x}", bits));
  if (uint64_t bits = platform_info & ~kPlatformInfoKnown)
    add(fmt::format("PLATFORM_INFO bits {:#x}", bits));
  if (uint64_t bits = policy & ~kPolicyKnown) add(fmt::format("POLICY bits {:#x}", bits));
  return text;
}

}  // namespace bartizan::attest::evidence
