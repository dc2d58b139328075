// What was parsed and proven before, from the same bytes: a vendor's authorities and collateral are
// the same for all its platforms, and a platform's certificate for all its guests. A signature over
// the report itself is checked every time. Bounded; a stranger can make others pay again, and
// nothing more: only what holds is kept, and what holds does not change. Dates, roots and
// revocation are no part of it. Any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "attest/verify/tdx_collateral.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {

// DER or PEM. corrupt.
Result<crypto::Certificate> known_certificate(ByteView bytes);
// As crypto::Certificate::all_from_pem().
Result<std::vector<crypto::Certificate>> known_chain(std::string_view pem);
// As parse_tdx_collateral().
Result<std::shared_ptr<const TdxCollateral>> known_collateral(std::string_view json);

// Of x and y, 64 bytes: quotes of one platform have one attestation key.
Result<crypto::EcKey> known_p256_key(ByteView point);

// As crypto::Certificate::issued_by(), RevocationList::issued_by() and EcKey::verify().
bool is_issued_by(const crypto::Certificate& certificate, const crypto::Certificate& issuer);
bool is_list_of(const crypto::RevocationList& list, const crypto::Certificate& issuer);
bool is_document_of(const SignedDocument& document, const crypto::Certificate& signer);

}  // namespace bartizan::attest::verify
