#include "attest/sev/platform_chain.hpp"

#include <algorithm>
#include <array>

#include "base/errors.hpp"
#include "crypto/hash.hpp"
#include "crypto/sev_primitives.hpp"

namespace bartizan::attest::sev {
namespace {

constexpr const char* kOrigin = "attest/sev";

enum class Usage : uint32_t {
  ark = 0,
  ask = 0x13,
  oca = 0x1001,
  pek = 0x1002,
  pdh = 0x1003,
  cek = 0x1004
};
constexpr uint32_t kInvalidUsage = 0x1000;
enum class Algorithm : uint32_t {
  rsa_sha256 = 1,
  ecdsa_sha256 = 2,
  ecdh_sha256 = 3,
  rsa_sha384 = 0x101,
  ecdsa_sha384 = 0x102,
  ecdh_sha384 = 0x103,
};
constexpr uint32_t kVersion = 1;

// SEV API, appendix C.1: certificates of the platform.
constexpr size_t kCertificateBytes = 2084, kUsageAt = 8, kAlgorithmAt = 12, kKeyAt = 16;
constexpr size_t kSignedBytes = 0x414;  // all before the first signature
constexpr std::array<size_t, 2> kSignaturesAt = {0x414, 0x61c};
constexpr size_t kSignatureValue = 8;     // behind usage and algorithm
constexpr size_t kStoredCoordinate = 72;  // of keys and ECDSA signatures, little endian
constexpr size_t kMaxRsaBytes = 512;
constexpr uint32_t kCurveP256 = 1, kCurveP384 = 2;

// Appendix B.1: AMD's signing keys. Exponent, modulus and signature follow, each of the key's size.
constexpr size_t kAmdHeaderBytes = 64, kAmdUsageAt = 36, kExponentBitsAt = 56, kModulusBitsAt = 60;

// SHA-256 of AMD's root keys, all of the certificate before its signature: key ID, usage and key,
// as published in ask_ark_<product>.cert.
struct AmdRoot {
  std::string_view product, hash;
};
constexpr std::array<AmdRoot, 5> kAmdRoots = {{
    {"Naples", "8efddcaaf84990cf6354d93637be270220cf15797332b3d918c3b8cc77349f31"},
    {"Rome", "ae2456af6c6ad234badd6c75e58915be61568286766083853bf668e6e23977c3"},
    {"Milan", "263b13fd3170c6ffbb0b4f01f09848dc08a8dc1e9637d47e42cbe6c135e4af12"},
    {"Genoa", "973df6265e1b40cf8883305c1f6a6cd254979446acb40bd396946b2f19e751e9"},
    {"Turin", "89327696f8082b20f5a588565adc26d478e1c6d56153c1de656e63396b8f8e20"},
}};

Error corrupt(std::string_view what) {
  return make_error(ErrorCode::corrupt, kOrigin, "platform certificates: {}", what);
}

Error broken_link(std::string_view certificate, std::string_view issuer) {
  return refused(kOrigin, "certificate_chain", fmt::format("signed by the {}", issuer),
                 std::string(certificate), "platform certificates: the {} is not signed by the {}",
                 certificate, issuer);
}

Bytes reversed(ByteView bytes) {
  return Bytes(bytes.rbegin(), bytes.rend());
}

// ---- AMD's keys

struct AmdKey {
  ByteView signed_part;
  Bytes signature;  // big endian; empty: the file ends before it, as Naples' ARK does
  crypto::RsaPublicKey key;
  crypto::HashKind hash = crypto::HashKind::sha256;
  size_t size = 0;  // in the file
};

Result<AmdKey> parse_amd_key(ByteView bytes, Usage usage, std::string_view name) {
  auto malformed = [&](std::string_view what) {
    return corrupt(fmt::format("{}: {}", name, what));
  };
  if (bytes.size() < kAmdHeaderBytes) return malformed("cut short");
  auto word = [&](size_t at) { return load_le<uint32_t>(bytes.data() + at); };
  if (word(0) != kVersion || word(kAmdUsageAt) != static_cast<uint32_t>(usage))
    return malformed(fmt::format("version {}, usage {:#x}", word(0), word(kAmdUsageAt)));
  const uint32_t bits = word(kModulusBitsAt);
  if ((bits != 2048 && bits != 4096) || word(kExponentBitsAt) != bits)
    return malformed(fmt::format("key of {} bits", bits));
  const size_t size = bits / 8, end = kAmdHeaderBytes + 2 * size;
  if (bytes.size() < end) return malformed("cut short");
  AmdKey key;
  key.signed_part = bytes.first(end);
  key.key = {reversed(bytes.subspan(kAmdHeaderBytes + size, size)),
             reversed(bytes.subspan(kAmdHeaderBytes, size))};
  key.hash = bits == 2048 ? crypto::HashKind::sha256 : crypto::HashKind::sha384;
  key.size = std::min(end + size, bytes.size());
  if (bytes.size() >= end + size) key.signature = reversed(bytes.subspan(end, size));
  return key;
}

bool is_root(const AmdKey& ark, const std::vector<Bytes>& roots) {
  const std::string hash = to_hex(crypto::sha256(ark.signed_part));
  if (std::ranges::any_of(kAmdRoots, [&](const AmdRoot& root) { return root.hash == hash; }))
    return true;
  return std::ranges::any_of(roots, [&](const Bytes& root) {
    return root.size() >= ark.signed_part.size() &&
           std::ranges::equal(ByteView(root).first(ark.signed_part.size()), ark.signed_part);
  });
}

// The root is known by its bytes, so that its signature over itself proves nothing more.
Result<AmdKey> verify_amd_keys(ByteView bytes, const std::vector<Bytes>& roots) {
  AmdKey ask = TRY(parse_amd_key(bytes, Usage::ask, "ASK"));
  AmdKey ark = TRY(parse_amd_key(bytes.subspan(ask.size), Usage::ark, "ARK"));
  if (ask.size + ark.size != bytes.size()) {
    return corrupt(fmt::format("{} bytes behind the ARK", bytes.size() - ask.size - ark.size));
  }
  if (!is_root(ark, roots)) {
    return refused(
        kOrigin, "certificate_chain", "a root key of AMD (Naples, Rome, Milan, Genoa, Turin)",
        to_hex(crypto::sha256(ark.signed_part)), "platform certificates: the ARK is not AMD's");
  }
  if (!crypto::rsa_pss_verify(ark.key, ark.hash, ask.signed_part, ask.signature))
    return broken_link("ASK", "ARK");
  return ask;
}

// ---- the platform's certificates

class SevCertificate {
 public:
  SevCertificate(ByteView bytes, Usage usage, std::string_view name)
      : bytes_(bytes), usage_(usage), name_(name) {}

  Result<void> check() const {
    if (word(0) == kVersion && word(kUsageAt) == static_cast<uint32_t>(usage_)) return {};
    return corrupt(fmt::format("{}: version {}, usage {:#x}", name_, word(0), word(kUsageAt)));
  }
  ByteView bytes() const { return bytes_; }
  std::string_view name() const { return name_; }

  Result<crypto::EcKey> key() const {
    const uint32_t curve = word(kKeyAt);
    if (curve != kCurveP256 && curve != kCurveP384)
      return corrupt(fmt::format("{}: curve {}", name_, curve));
    auto kind = curve == kCurveP384 ? crypto::Curve::p384 : crypto::Curve::p256;
    const size_t size = crypto::coordinate_size(kind);
    ByteView x = bytes_.subspan(kKeyAt + 4, size),
             y = bytes_.subspan(kKeyAt + 4 + kStoredCoordinate, size);
    return crypto::EcKey::from_public(kind, {reversed(x), reversed(y)});
  }

  bool signed_by(const SevCertificate& issuer, const crypto::EcKey& key) const {
    return std::ranges::any_of(kSignaturesAt, [&](size_t at) {
      if (word(at) != static_cast<uint32_t>(issuer.usage_)) return false;
      auto algorithm = static_cast<Algorithm>(word(at + 4));
      bool sha256 = algorithm == Algorithm::ecdsa_sha256;
      if (!sha256 && algorithm != Algorithm::ecdsa_sha384) return false;
      const size_t size = crypto::coordinate_size(key.curve());
      ByteView r = bytes_.subspan(at + kSignatureValue, size);
      ByteView s = bytes_.subspan(at + kSignatureValue + kStoredCoordinate, size);
      return key.verify(sha256 ? crypto::HashKind::sha256 : crypto::HashKind::sha384,
                        bytes_.first(kSignedBytes), {reversed(r), reversed(s)});
    });
  }

  bool signed_by(const AmdKey& ask) const {
    return std::ranges::any_of(kSignaturesAt, [&](size_t at) {
      if (word(at) != static_cast<uint32_t>(Usage::ask)) return false;
      auto algorithm = static_cast<Algorithm>(word(at + 4));
      bool sha256 = algorithm == Algorithm::rsa_sha256;
      if (!sha256 && algorithm != Algorithm::rsa_sha384) return false;
      ByteView value = bytes_.subspan(at + kSignatureValue, ask.key.modulus.size());
      return crypto::rsa_pss_verify(ask.key,
                                    sha256 ? crypto::HashKind::sha256 : crypto::HashKind::sha384,
                                    bytes_.first(kSignedBytes), reversed(value));
    });
  }

 private:
  uint32_t word(size_t at) const { return load_le<uint32_t>(bytes_.data() + at); }
  ByteView bytes_;
  Usage usage_;
  std::string_view name_;
};

static_assert(kSignaturesAt[1] + kSignatureValue + kMaxRsaBytes <= kCertificateBytes);

Result<void> check_link(const SevCertificate& certificate, const SevCertificate& issuer) {
  auto key = TRY(issuer.key());
  if (certificate.signed_by(issuer, key)) return {};
  return broken_link(certificate.name(), issuer.name());
}

}  // namespace

Result<Platform> verify_platform_chain(ByteView chain, const std::vector<Bytes>& roots) {
  if (chain.size() > kMaxChainBytes || chain.size() < 4 * kCertificateBytes)
    return corrupt(fmt::format("{} bytes: not PDH, PEK, OCA, CEK, ASK and ARK", chain.size()));
  auto part = [&](size_t index) {
    return chain.subspan(index * kCertificateBytes, kCertificateBytes);
  };
  SevCertificate pdh(part(0), Usage::pdh, "PDH"), pek(part(1), Usage::pek, "PEK"),
      oca(part(2), Usage::oca, "OCA"), cek(part(3), Usage::cek, "CEK");
  for (const SevCertificate* one : {&pdh, &pek, &oca, &cek}) TRY(one->check());
  AmdKey ask = TRY(verify_amd_keys(chain.subspan(4 * kCertificateBytes), roots));
  if (!cek.signed_by(ask)) return broken_link("CEK", "ASK");
  TRY(check_link(pek, cek));
  TRY(check_link(oca, oca));
  TRY(check_link(pek, oca));
  TRY(check_link(pdh, pek));
  auto chip = crypto::sha256(cek.bytes().first(kSignedBytes));
  return Platform{TRY(pdh.key()), Bytes(chip.begin(), chip.end())};
}

Result<void> check_root(ByteView ark) {
  AmdKey key = TRY(parse_amd_key(ark, Usage::ark, "ARK"));
  if (key.size == ark.size()) return {};
  return corrupt(fmt::format("{} bytes behind the ARK", ark.size() - key.size));
}

Bytes owner_certificate(const crypto::EcKey& key) {
  Bytes certificate(kCertificateBytes);
  auto put = [&](size_t at, uint32_t value) { store_le(certificate.data() + at, value); };
  put(0, kVersion);
  put(kUsageAt, static_cast<uint32_t>(Usage::pdh));
  put(kAlgorithmAt, static_cast<uint32_t>(Algorithm::ecdh_sha256));
  put(kKeyAt, key.curve() == crypto::Curve::p384 ? kCurveP384 : kCurveP256);
  const auto [x, y] = key.point();
  std::ranges::reverse_copy(x, certificate.begin() + kKeyAt + 4);
  std::ranges::reverse_copy(y, certificate.begin() + kKeyAt + 4 + kStoredCoordinate);
  for (size_t at : kSignaturesAt) put(at, kInvalidUsage);
  return certificate;
}

}  // namespace bartizan::attest::sev
