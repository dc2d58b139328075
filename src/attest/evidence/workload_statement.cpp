#include "attest/evidence/workload_statement.hpp"

#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/jws.hpp"

namespace bartizan::attest::evidence {
namespace {

constexpr std::string_view kType = "bartizan-workload+jws", kWhat = "workload statement";
constexpr size_t kDigestBytes = 32, kMembers = 3;

Result<WorkloadStatement> statement_of(const std::string& text) {
  const Json json = TRY(parse_json(text, kWhat));
  WorkloadStatement statement;
  statement.workload_id = TRY(json_string(json, "workload", kWhat));
  statement.version = TRY(json_unsigned(json, "version", kWhat));
  statement.workload_digest = TRY(from_hex(TRY(json_string(json, "workload_digest", kWhat))));
  if (json.size() == kMembers && statement.workload_digest.size() == kDigestBytes &&
      statement.version >= 1 && statement.version <= kMaxWorkloadVersion)
    return statement;
  return make_error(ErrorCode::corrupt, "attest/evidence",
                    "{}: not a workload, its version and a digest of {} bytes", kWhat,
                    kDigestBytes);
}

Result<void> check_size(std::string_view jws) {
  if (jws.size() <= kMaxStatementBytes) return {};
  return make_error(ErrorCode::corrupt, "attest/evidence", "{}: {} bytes, at most {}", kWhat,
                    jws.size(), kMaxStatementBytes);
}

}  // namespace

Result<std::string> sign_statement(const WorkloadStatement& statement,
                                   const SecretBytes& private_key_pem) {
  if (statement.version < 1 || statement.version > kMaxWorkloadVersion)
    return invalid("attest/evidence", "version {}: not 1 to {}", statement.version,
                   kMaxWorkloadVersion);
  const Json json = {{"workload", statement.workload_id},
                     {"version", statement.version},
                     {"workload_digest", to_hex(statement.workload_digest)}};
  return crypto::jws_sign(private_key_pem, kType, json.dump());
}

Result<WorkloadStatement> unverified_statement(std::string_view jws) {
  TRY(check_size(jws));
  return statement_of(TRY(crypto::jws_unverified_payload(jws)));
}

Result<WorkloadStatement> verify_statement(std::string_view jws, std::string_view public_key_pem) {
  TRY(check_size(jws));
  auto payload = crypto::jws_verify(public_key_pem, kType, jws);
  if (payload.ok()) return statement_of(*payload);
  Error error = std::move(payload).error();
  if (error.code != ErrorCode::verification_failed) return error;
  return refused("attest/evidence", "statement", error.expected, error.got,
                 "the statement about the workload's version is not its owner's ({})",
                 error.message);
}

}  // namespace bartizan::attest::evidence
