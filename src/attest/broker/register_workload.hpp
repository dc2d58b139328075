// Registration in the form that buildah's and oci2cw's servers take (virtee's reference-kbs): POST
// /kbs/v0/register_workload with one measurement and the passphrase as text, without a token.
#pragma once

#include "bartizan/broker.hpp"

namespace bartizan::attest::broker {

Result<void> register_workload_at(const BrokerAccess& access, const Workload& workload);

}  // namespace bartizan::attest::broker
