// Registration with Trustee's KBS (its admin API): a resource policy, reference values, the key as
// a resource, in this order, so that the key is never there before what guards it.
#pragma once

#include "bartizan/broker.hpp"

namespace bartizan::attest::broker {

Result<void> register_with_trustee(const BrokerAccess& access, const Workload& workload,
                                   int64_t now);

// {alg EdDSA} {iat, nbf, exp, iss, aud, role}: what Trustee's administrators show (RFC 7519, 8037).
Result<SecretBytes> make_admin_token(const BrokerAccess& access, int64_t now);

}  // namespace bartizan::attest::broker
