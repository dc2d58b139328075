// The statement of an owner that a build is a version of its workload: a JWS (crypto/jws.hpp) over
// {"workload", "version", "workload_digest"}. An image carries it, its host hands it to the guest,
// and the guest shows it to the broker, which has the owner's public key: nobody in between is
// believed. The digest is bound to the launch by HOST_DATA or MRCONFIGID.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::attest::evidence {

using guest_abi::kMaxStatementBytes;
// JSON numbers above do not survive every reader.
constexpr uint64_t kMaxWorkloadVersion = (uint64_t{1} << 53) - 1;

struct WorkloadStatement {
  std::string workload_id;
  uint64_t version = 0;   // 1 to kMaxWorkloadVersion
  Bytes workload_digest;  // 32 bytes
};

// corrupt, unsupported: the key; invalid_argument: no such version.
Result<std::string> sign_statement(const WorkloadStatement& statement,
                                   const SecretBytes& private_key_pem);
// Of whoever signed it: for finding the registration. For hostile bytes. corrupt.
Result<WorkloadStatement> unverified_statement(std::string_view jws);
// For hostile bytes. verification_failed, reason "statement"; corrupt.
Result<WorkloadStatement> verify_statement(std::string_view jws, std::string_view public_key_pem);

}  // namespace bartizan::attest::evidence
