#include "attest/broker/identity.hpp"

#include <arpa/inet.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "attest/broker/admin_tokens.hpp"
#include "attest/broker/state_folder.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/timestamp.hpp"
#include "base/units.hpp"

namespace bartizan::attest::broker {
namespace {

namespace fs = std::filesystem;
using crypto::Certificate;
using crypto::CertificateRequest;
using crypto::EcKey;

constexpr uint64_t kMaxFile = 64 * kKiB;
constexpr int64_t kDay = 86'400;
// Images name the authority, so it lives longer than they do. The server's certificate is made anew
// at a start in the last third of its life.
constexpr int64_t kAuthorityLife = kDay * 7300;
constexpr int64_t kServerLife = kDay * 3650;
constexpr int64_t kAuthorityWarning = kDay * 90;
constexpr const char* kAuthorityKey = "ca.key";

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

// An address in the spelling that certificates have, a host name in small letters.
std::string as_in_certificate(const std::string& name) {
  uint8_t bytes[16];
  char text[INET6_ADDRSTRLEN] = "";
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, name.c_str(), bytes) == 1 &&
        inet_ntop(family, bytes, text, sizeof text) != nullptr)
      return text;
  }
  std::string lower = name;
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// Those of `names` that `there` lacks, each once.
std::vector<std::string> missing(const std::vector<std::string>& names,
                                 const std::vector<std::string>& there) {
  std::vector<std::string> result;
  const auto holds = [](const std::vector<std::string>& all, const std::string& name) {
    return std::ranges::any_of(all,
                               [&](const auto& one) { return as_in_certificate(one) == name; });
  };
  for (const std::string& each : names) {
    const std::string name = as_in_certificate(each);
    if (!holds(there, name) && !holds(result, name)) result.push_back(name);
  }
  return result;
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

// The authority's key is written first and its certificate last: what is there means that both are.
Result<void> make_authority(const fs::path& state, int64_t now) {
  EcKey key = TRY(EcKey::generate(crypto::Curve::p256));
  Bytes tag(4);  // distinguishes the authorities of two brokers in logs
  TRY(crypto::random_bytes(tag));
  CertificateRequest request{
      "bartizan broker CA " + to_hex(tag), now - kDay, now + kAuthorityLife, 0, {}, {}};
  Certificate ca = TRY(request.sign(key, nullptr, key));
  TRY(write_file(state / kAuthorityKey, TRY(key.private_pem()).bytes(), 0600));
  return write_file(state / "ca.pem", as_bytes(ca.pem()), 0644);
}

Result<SecretBytes> read_secret(const fs::path& file) {
  Bytes content = TRY(read_file(file, kMaxFile));
  SecretBytes secret{ByteView(content)};
  std::fill(content.begin(), content.end(), 0);
  return secret;
}

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

Result<Certificate> read_certificate(const fs::path& file) {
  const Bytes pem = TRY(read_file(file, kMaxFile));
  auto certificate = Certificate::from_pem(as_text(pem));
  if (certificate.ok()) return certificate;
  return make_error(ErrorCode::corrupt, "attest/broker", "{}: {}", file.string(),
                    certificate.error().message);
}

Result<EcKey> read_key(const fs::path& file) {
  const SecretBytes pem = TRY(read_secret(file));
  auto key = EcKey::from_private_pem(pem);
  if (key.ok()) return key;
  return make_error(ErrorCode::corrupt, "attest/broker", "{}: {}", file.string(),
                    key.error().message);
}

bool belong_together(const Certificate& certificate, const EcKey& key) {
  auto public_key = certificate.ec_public_key();
  return public_key.ok() && public_key->curve() == key.curve() &&
         public_key->point().x == key.point().x && public_key->point().y == key.point().y;
}

// What the folder has of a TLS server and its authority.
struct Certificates {
  Certificate ca;
  std::optional<EcKey> ca_key;
  std::optional<Certificate> tls;  // with its key, or nothing
  std::optional<EcKey> tls_key;
};

Result<void> check_authority(const fs::path& state, const Certificate& ca, int64_t now) {
  if (ca.not_after() > now) return {};
  return invalid("attest/broker",
                 "state folder {}: its certificate authority ended at {}, so no client believes "
                 "this broker any more: move ca.pem, ca.key, tls.pem and tls.key away, so that the "
                 "next start makes new ones; images name the old authority: build and register "
                 "them again",
                 state.string(), rfc3339(ca.not_after()));
}

Result<Certificates> read_certificates(const fs::path& state) {
  Certificates all{TRY(read_certificate(state / "ca.pem")), {}, {}, {}};
  if (is_there(state / kAuthorityKey)) {
    all.ca_key = TRY(read_key(state / kAuthorityKey));
    if (!belong_together(all.ca, *all.ca_key)) {
      return make_error(ErrorCode::corrupt, "attest/broker",
                        "state folder {}: ca.key is the key of another certificate than ca.pem",
                        state.string());
    }
  }
  const bool can_make = all.ca_key.has_value();
  if (can_make && (!is_there(state / "tls.key") || !is_there(state / "tls.pem"))) return all;
  EcKey key = TRY(read_key(state / "tls.key"));
  Certificate tls = TRY(read_certificate(state / "tls.pem"));
  const bool of_ours = !can_make || tls.issued_by(all.ca);  // an intermediate stands between others
  if (of_ours && belong_together(tls, key)) {
    all.tls = std::move(tls);
    all.tls_key = std::move(key);
  } else if (!can_make) {
    return make_error(ErrorCode::corrupt, "attest/broker",
                      "state folder {}: tls.key is the key of another certificate than tls.pem",
                      state.string());
  }
  return all;
}

// Why the TLS certificate should be made anew; empty: it is good.
std::string reason_to_renew(const Certificates& all, const WantedIdentity& wanted) {
  if (!all.tls) return "there was none";
  const auto names = missing(wanted.tls_names, all.tls->server_names());
  if (!names.empty()) return "it lacked " + joined(names);
  const int64_t end = all.tls->not_after(), life = end - all.tls->not_before();
  if (end - wanted.now < life / 3) return "it would have ended at " + rfc3339(end);
  return {};
}

void log_line(const WantedIdentity& wanted, LogLevel level, const std::string& text) {
  if (wanted.log) wanted.log(level, "broker: " + text);
}

// Names that it had stay: clients may know the broker by them. The key stays too, so that one file
// changes, and at once.
Result<void> renew(const fs::path& state, Certificates& all, const WantedIdentity& wanted,
                   const std::string& why) {
  auto names = all.tls ? all.tls->server_names() : std::vector<std::string>();
  for (std::string& name : missing(wanted.tls_names, names)) names.push_back(std::move(name));
  const bool had_key = all.tls_key.has_value();
  if (!had_key) all.tls_key = TRY(EcKey::generate(crypto::Curve::p256));
  const int64_t end = std::min(wanted.now + kServerLife, all.ca.not_after());
  CertificateRequest request{"bartizan broker", wanted.now - kDay, end, std::nullopt, names, {}};
  all.tls = TRY(request.sign(*all.tls_key, &all.ca, *all.ca_key));
  if (!had_key) TRY(write_file(state / "tls.key", TRY(all.tls_key->private_pem()).bytes(), 0600));
  TRY(write_file(state / "tls.pem", as_bytes(all.tls->pem()), 0644));
  log_line(wanted, LogLevel::info,
           fmt::format("TLS certificate made, because {}: for {}, until {}", why, joined(names),
                       rfc3339(all.tls->not_after())));
  return {};
}

// Of a folder without the authority's key.
Result<void> check_as_it_is(const fs::path& state, const Certificate& tls,
                            const WantedIdentity& wanted) {
  constexpr std::string_view kNext =
      "the key of its authority, which could mend that, is not in the folder (ca.key)";
  const auto names = missing(wanted.required_names, tls.server_names());
  if (!names.empty()) {
    return invalid("attest/broker",
                   "state folder {}: its TLS certificate lacks the name {}, and {}: leave the name "
                   "out (the certificate has {}), or start a broker in a new folder and register "
                   "there",
                   state.string(), joined(names), kNext, joined(tls.server_names()));
  }
  if (tls.not_after() <= wanted.now) {
    return invalid("attest/broker",
                   "state folder {}: its TLS certificate ended at {}, and {}: start a broker in a "
                   "new folder; images name the old authority: build and register them again",
                   state.string(), rfc3339(tls.not_after()), kNext);
  }
  if (tls.not_after() - wanted.now < (tls.not_after() - tls.not_before()) / 3) {
    log_line(wanted, LogLevel::warning,
             fmt::format("the TLS certificate ends at {}, and {}: plan a broker in a new folder",
                         rfc3339(tls.not_after()), kNext));
  }
  return {};
}

Result<void> make_admin_token(const fs::path& file) {
  return write_file(file, TRY(random_token()).bytes(), 0600);
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

Result<Identity> load_identity(const fs::path& state, const WantedIdentity& wanted) {
  TRY(check_names(wanted.tls_names));
  TRY(check_state_folder(state));
  TRY(make_state_folder(state));
  UniqueFd lock = TRY(lock_state_folder(state));
  if (!is_there(state / "ca.pem")) TRY(make_authority(state, wanted.now));
  if (!is_there(admin_token_file(state))) TRY(make_admin_token(admin_token_file(state)));
  Certificates all = TRY(read_certificates(state));
  TRY(check_authority(state, all.ca, wanted.now));
  if (all.ca.not_after() - wanted.now < kAuthorityWarning) {
    log_line(wanted, LogLevel::warning,
             fmt::format("the certificate authority ends at {}: images that name it get no keys "
                         "then; plan a broker in a new folder",
                         rfc3339(all.ca.not_after())));
  }
  const std::string why = reason_to_renew(all, wanted);
  if (!all.ca_key) {
    TRY(check_as_it_is(state, *all.tls, wanted));
  } else if (!why.empty()) {
    TRY(renew(state, all, wanted, why));
  }
  crypto::Sha256Digest token_hash = TRY(admin_token_hash(admin_token_file(state)));
  std::string ca_pem(as_text(TRY(read_file(state / "ca.pem", kMaxFile))));
  return Identity{ca_pem, all.ca.not_after(), *all.tls, *all.tls_key, token_hash, std::move(lock)};
}

Result<IdentityDates> check_identity(const fs::path& state, int64_t now) {
  const Certificates all = TRY(read_certificates(state));
  TRY(check_authority(state, all.ca, now));
  TRY(admin_token_hash(admin_token_file(state)));
  if (!all.tls) {
    return make_error(ErrorCode::corrupt, "attest/broker",
                      "state folder {}: no TLS certificate with its key; the next start makes one",
                      state.string());
  }
  if (!all.ca_key && all.tls->not_after() <= now) {
    return make_error(ErrorCode::corrupt, "attest/broker",
                      "state folder {}: its TLS certificate ended at {}", state.string(),
                      rfc3339(all.tls->not_after()));
  }
  return IdentityDates{all.ca.not_after(), all.tls->not_after(), all.ca_key.has_value()};
}

}  // namespace bartizan::attest::broker
