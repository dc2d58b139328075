#include "attest/broker/identity.hpp"

#include <system_error>

#include "attest/broker/state_folder.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan::attest::broker {
namespace {

namespace fs = std::filesystem;
using crypto::Certificate;
using crypto::CertificateRequest;
using crypto::EcKey;

constexpr uint64_t kMaxFile = 64 * kKiB;
constexpr int64_t kDay = 86'400;
constexpr int64_t kYears = kDay * 3650;
constexpr size_t kTokenBytes = 32;

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  bool made = fs::create_directories(folder, error);
  if (!error && made) fs::permissions(folder, fs::perms::owner_all, error);
  if (error)
    return errno_error(error.value(), "attest/broker", folder.string() + ": create folder");
  return {};
}

// OpenSSL reads the list of names as a little language; nothing but names may get into it.
Result<void> check_names(const std::vector<std::string>& names) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-*";
  for (const std::string& name : names) {
    if (!name.empty() && name.find_first_not_of(kAllowed) == std::string::npos) continue;
    return make_error(ErrorCode::invalid_argument, "attest/broker",
                      "TLS name \"{}\": neither address nor host name", name);
  }
  if (names.empty())
    return make_error(ErrorCode::invalid_argument, "attest/broker", "no TLS name is given");
  return {};
}

// The CA's key signs the one TLS certificate and is then forgotten: it cannot be stolen.
Result<void> make_certificates(const fs::path& state, const std::vector<std::string>& names,
                               int64_t now) {
  EcKey ca_key = TRY(EcKey::generate(crypto::Curve::p256)),
        tls_key = TRY(EcKey::generate(crypto::Curve::p256));
  Bytes tag(4);  // distinguishes the authorities of two brokers in logs
  TRY(crypto::random_bytes(tag));
  CertificateRequest authority{
      "bartizan broker CA " + to_hex(tag), now - kDay, now + kYears, 0, {}, {}};
  Certificate ca = TRY(authority.sign(ca_key, nullptr, ca_key));
  CertificateRequest server{"bartizan broker", now - kDay, now + kYears, std::nullopt, names, {}};
  Certificate tls = TRY(server.sign(tls_key, &ca, ca_key));
  SecretBytes key_pem = TRY(tls_key.private_pem());
  TRY(write_file(state / "tls.key", key_pem.bytes(), 0600));
  TRY(write_file(state / "tls.pem", as_bytes(tls.pem()), 0644));
  return write_file(state / "ca.pem", as_bytes(ca.pem()),
                    0644);  // last: its presence means that all are there
}

Result<void> make_admin_token(const fs::path& file) {
  SecretBytes random = TRY(crypto::random_secret(kTokenBytes));
  SecretBytes text(kTokenBytes * 2);
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < kTokenBytes; ++i) {
    text.mutable_bytes()[2 * i] = static_cast<uint8_t>(kDigits[random.bytes()[i] >> 4]);
    text.mutable_bytes()[2 * i + 1] = static_cast<uint8_t>(kDigits[random.bytes()[i] & 15]);
  }
  return write_file(file, text.bytes(), 0600);
}

Result<SecretBytes> read_secret(const fs::path& file) {
  Bytes content = TRY(read_file(file, kMaxFile));
  SecretBytes secret{ByteView(content)};
  std::fill(content.begin(), content.end(), 0);
  return secret;
}

// Without the newline that an editor may have left.
Result<crypto::Sha256Digest> admin_token_hash(const fs::path& file) {
  SecretBytes token = TRY(read_secret(file));
  std::string_view text = token.view();
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.size() < kTokenBytes) {
    return make_error(ErrorCode::corrupt, "attest/broker",
                      "{}: admin token is shorter than {} characters", file.string(), kTokenBytes);
  }
  return crypto::sha256(as_bytes(text));
}

}  // namespace

Result<Identity> load_identity(const fs::path& state, const std::vector<std::string>& tls_names,
                               int64_t now) {
  TRY(check_names(tls_names));
  TRY(check_state_folder(state));
  TRY(make_folder(state));
  UniqueFd lock = TRY(lock_state_folder(state));
  std::error_code ignored;
  if (!fs::exists(state / "ca.pem", ignored)) TRY(make_certificates(state, tls_names, now));
  if (!fs::exists(admin_token_file(state), ignored)) TRY(make_admin_token(admin_token_file(state)));
  std::string ca_pem(as_text(TRY(read_file(state / "ca.pem", kMaxFile))));
  Bytes tls_pem = TRY(read_file(state / "tls.pem", kMaxFile));
  Certificate certificate = TRY(Certificate::from_pem(as_text(tls_pem)));
  EcKey key = TRY(EcKey::from_private_pem(TRY(read_secret(state / "tls.key"))));
  crypto::Sha256Digest token_hash = TRY(admin_token_hash(admin_token_file(state)));
  return Identity{ca_pem, certificate, key, token_hash, std::move(lock)};
}

}  // namespace bartizan::attest::broker
