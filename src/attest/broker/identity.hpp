// The broker's own identity in its state folder: certificate authority, TLS certificate, admin
// token. Made at the first start; what is there is used as it is.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/unique_fd.hpp"
#include "crypto/hash.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::broker {

struct Identity {
  std::string ca_pem;
  crypto::Certificate tls_certificate;
  crypto::EcKey tls_key;
  crypto::Sha256Digest
      admin_token_hash;  // of the token's hex text; the token itself is only in its file
  UniqueFd lock;         // of lock_state_folder(): to be kept while the broker serves
};

// The folder is made (0700), and locked before anything is made in it. corrupt: a file in it is
// malformed; invalid_argument, already_exists: see state_folder.hpp; permission_denied, io.
Result<Identity> load_identity(const std::filesystem::path& state,
                               const std::vector<std::string>& tls_names, int64_t now);

inline std::filesystem::path admin_token_file(const std::filesystem::path& state) {
  return state / "admin.token";
}

}  // namespace bartizan::attest::broker
