#include "attest/verify/tdx_quote.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::attest::verify {
namespace {

constexpr size_t kQuoteHeader = 48, kTdReport10 = 584, kTdReport15 = 648, kQeReport = 384;
constexpr uint16_t kEcdsaP256 = 2, kBodyTd10 = 2, kBodyTd15 = 3;
constexpr uint32_t kTeeTypeTdx = 0x81;
constexpr uint16_t kPckChain = 5, kQeCertification = 6;
constexpr std::string_view kQuoteName = "TDX quote";

template <typename... Args>
Error bad_quote(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return make_error(code, "attest/verify", "TDX quote: {}",
                    fmt::format(format, std::forward<Args>(args)...));
}

template <size_t N>
Result<void> read_array(ByteReader& reader, std::array<uint8_t, N>& to) {
  ByteView bytes = TRY(reader.take(N));
  std::copy(bytes.begin(), bytes.end(), to.begin());
  return {};
}

Result<void> skip_zeros(ByteReader& reader, size_t count, std::string_view where) {
  ByteView bytes = TRY(reader.take(count));
  if (std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; }))
    return bad_quote(ErrorCode::corrupt, "reserved bytes of {} are not zero", where);
  return {};
}

Result<TdReport> read_td_report(ByteReader& reader, bool has_15) {
  TdReport report;
  TRY(read_array(reader, report.tee_tcb_svn));
  TRY(read_array(reader, report.mr_seam));
  TRY(read_array(reader, report.mr_signer_seam));
  report.seam_attributes = TRY(reader.read<uint64_t>());
  report.td_attributes = TRY(reader.read<uint64_t>());
  report.xfam = TRY(reader.read<uint64_t>());
  TRY(read_array(reader, report.mr_td));
  TRY(read_array(reader, report.mr_config_id));
  TRY(read_array(reader, report.mr_owner));
  TRY(read_array(reader, report.mr_owner_config));
  for (auto& rtmr : report.rtmrs) TRY(read_array(reader, rtmr));
  TRY(read_array(reader, report.report_data));
  if (has_15) {
    TRY(read_array(reader, report.tee_tcb_svn2.emplace()));
    TRY(read_array(reader, report.mr_service_td.emplace()));
  }
  return report;
}

Result<QeReport> read_qe_report(ByteView bytes) {
  ByteReader reader(bytes, "TDX quote: report of the quoting enclave");
  QeReport qe;
  qe.bytes = bytes;
  TRY(read_array(reader, qe.cpu_svn));
  qe.misc_select = TRY(reader.read<uint32_t>());
  TRY(skip_zeros(reader, 28, "the QE report"));
  TRY(read_array(reader, qe.attributes));
  TRY(reader.take(32));  // MRENCLAVE: Intel's signer vouches for any
  TRY(skip_zeros(reader, 32, "the QE report"));
  TRY(read_array(reader, qe.mr_signer));
  TRY(skip_zeros(reader, 96, "the QE report"));
  qe.isv_prod_id = TRY(reader.read<uint16_t>());
  qe.isv_svn = TRY(reader.read<uint16_t>());
  TRY(skip_zeros(reader, 60, "the QE report"));
  TRY(read_array(reader, qe.report_data));
  return qe;
}

// Whether the body is of TDX 1.5. Version 5 has a header of its own for it.
Result<bool> read_body_kind(ByteReader& reader, uint16_t version) {
  if (version == 4) return false;
  const uint16_t type = TRY(reader.read<uint16_t>());
  const uint32_t size = TRY(reader.read<uint32_t>());
  if (type != kBodyTd10 && type != kBodyTd15) {
    return bad_quote(ErrorCode::unsupported, "body of type {}; known are 2 (TDX 1.0), 3 (TDX 1.5)",
                     type);
  }
  const size_t expected = type == kBodyTd15 ? kTdReport15 : kTdReport10;
  if (size != expected)
    return bad_quote(ErrorCode::corrupt, "body of {} bytes instead of {}", size, expected);
  return type == kBodyTd15;
}

// A size that the quote states, of bytes that follow.
Result<ByteView> take_sized(ByteReader& reader, size_t size, std::string_view what) {
  if (size > reader.remaining()) {
    return bad_quote(ErrorCode::corrupt, "{}: {} bytes of {} that are left", what, size,
                     reader.remaining());
  }
  return reader.take(size);
}

Result<void> expect_type(ByteReader& reader, uint16_t expected) {
  const uint16_t type = TRY(reader.read<uint16_t>());
  if (type == expected) return {};
  return bad_quote(ErrorCode::unsupported, "certification data of type {} instead of {}", type,
                   expected);
}

Result<void> expect_end(const ByteReader& reader, std::string_view where) {
  if (reader.remaining() == 0) return {};
  return bad_quote(ErrorCode::corrupt, "{} bytes after the end of {}", reader.remaining(), where);
}

Result<void> read_signature_data(ByteView bytes, TdxQuote& to) {
  ByteReader reader(bytes, "TDX quote: signature data");
  to.signature = TRY(reader.take(64));
  to.attestation_key = TRY(reader.take(64));
  TRY(expect_type(reader, kQeCertification));
  const uint32_t size = TRY(reader.read<uint32_t>());
  ByteView certification = TRY(take_sized(reader, size, "QE certification data"));
  TRY(expect_end(reader, "the signature data"));

  ByteReader inner(certification, "TDX quote: QE certification data");
  to.qe = TRY(read_qe_report(TRY(inner.take(kQeReport))));
  to.qe_signature = TRY(inner.take(64));
  const uint16_t authentication = TRY(inner.read<uint16_t>());
  to.qe_authentication = TRY(take_sized(inner, authentication, "QE authentication data"));
  TRY(expect_type(inner, kPckChain));
  const uint32_t chain = TRY(inner.read<uint32_t>());
  to.certificates = TRY(take_sized(inner, chain, "PCK certificates"));
  return expect_end(inner, "the QE certification data");
}

Result<void> read_header(ByteReader& reader, TdxQuote& to) {
  to.version = TRY(reader.read<uint16_t>());
  to.attestation_key_type = TRY(reader.read<uint16_t>());
  const uint32_t tee = TRY(reader.read<uint32_t>());
  if (to.version != 4 && to.version != 5) {
    return bad_quote(ErrorCode::unsupported, "version {}; known are 4 and 5{}", to.version,
                     to.version == 3 ? " (3 is SGX's)" : "");
  }
  if (tee != kTeeTypeTdx)
    return bad_quote(ErrorCode::unsupported, "TEE type {:#x} is not TDX's, 0x81", tee);
  if (to.attestation_key_type != kEcdsaP256) {
    return bad_quote(ErrorCode::unsupported, "attestation key of type {}; known is 2 (P-256)",
                     to.attestation_key_type);
  }
  TRY(reader.take(4));  // reserved; in older quotes SVNs of QE and PCE, which certificates have too
  TRY(read_array(reader, to.qe_vendor));
  TRY(reader.take(20));  // user data
  return {};
}

}  // namespace

Result<TdxQuote> TdxQuote::parse(ByteView bytes) {
  if (bytes.size() > kMaxQuoteBytes) {
    return bad_quote(ErrorCode::corrupt, "{} bytes, at most {}", bytes.size(), kMaxQuoteBytes);
  }
  static_assert(kQuoteHeader == 2 + 2 + 4 + 4 + 16 + 20);
  ByteReader reader(bytes, kQuoteName);
  TdxQuote quote;
  TRY(read_header(reader, quote));
  const bool has_15 = TRY(read_body_kind(reader, quote.version));
  quote.report = TRY(read_td_report(reader, has_15));
  quote.signed_part = bytes.first(reader.position());
  const uint32_t size = TRY(reader.read<uint32_t>());
  TRY(read_signature_data(TRY(take_sized(reader, size, "signature data")), quote));
  quote.trailing = TRY(reader.take(reader.remaining()));
  return quote;
}

}  // namespace bartizan::attest::verify
