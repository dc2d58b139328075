// The broker's own identity in its state folder: certificate authority with its key, TLS
// certificate, admin token. Made at the first start; what is there is used as it is, but for the
// TLS certificate, which the authority's key renews. Folders from before that key was kept have
// none.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/unique_fd.hpp"
#include "crypto/hash.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::broker {

struct Identity {
  std::string ca_pem;
  int64_t ca_expires = 0;  // seconds since the epoch
  crypto::Certificate tls_certificate;
  crypto::EcKey tls_key;
  crypto::Sha256Digest
      admin_token_hash;  // of the token's hex text; the token itself is only in its file
  UniqueFd lock;         // of lock_state_folder(): to be kept while the broker serves
};

struct WantedIdentity {
  std::vector<std::string> tls_names;  // of a certificate that is made
  // Those of them that the broker cannot be without; a folder without the authority's key may lack
  // the others.
  std::vector<std::string> required_names;
  int64_t now = 0;
  LogSink log = {};
};

// The folder is made (0700), and locked before anything is made in it. A certificate that lacks a
// name, or has less than a third of its life left, is made anew. corrupt: a file in it is
// malformed, or a key belongs to another certificate; invalid_argument: a certificate has ended or
// lacks a required name, and cannot be made anew; invalid_argument, already_exists: see
// state_folder.hpp; permission_denied, io.
Result<Identity> load_identity(const std::filesystem::path& state, const WantedIdentity& wanted);

// Of what lies in the folder, for a check: certificates and keys can be read, belong together and
// have not ended. Nothing is made or changed.
struct IdentityDates {
  int64_t ca_expires = 0, tls_expires = 0;
  bool renewable = false;  // the authority's key is there
};
Result<IdentityDates> check_identity(const std::filesystem::path& state, int64_t now);

inline std::filesystem::path admin_token_file(const std::filesystem::path& state) {
  return state / "admin.token";
}

}  // namespace bartizan::attest::broker
