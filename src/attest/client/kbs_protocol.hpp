// What both ends of the KBS protocol 0.4.0 must agree on: names, the report data of a session,
// resource paths, errors.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"

namespace bartizan::attest::client {

// matched exactly: each version broke the one before
constexpr std::string_view kVersion = "0.4.0";
constexpr std::string_view kPrefix = "/kbs/v0";
// Our own member of /attest, which other brokers pass over: attest/evidence/workload_statement.hpp.
constexpr const char* kStatementMember = "workload-statement";
constexpr std::string_view kCookieName = "kbs-session-id";
constexpr std::string_view kErrorType = "https://github.com/confidential-containers/kbs/errors/";

// SHA-384 of the canonical {"additional-evidence", "nonce", "tee-pubkey"}, then 16 zero bytes.
Result<std::array<uint8_t, 64>> report_data(std::string_view nonce, const Json& tee_public_key,
                                            std::string_view additional_evidence);

// "repository/type/tag": three parts, each a letter, digit, _ or - and then also dots.
// invalid_argument
Result<void> check_resource_path(std::string_view path);

// An error as the body of an HTTP answer, and back. Members code, reason, expected and got are
// ours; other brokers send type and detail only, and then the HTTP status decides the code.
std::string error_to_json(const Error& error);
Error error_from_answer(int status, std::string_view body, std::string_view url);

// One line of printable text of at most 1 KiB, whatever a peer sent: it goes into logs.
std::string one_line(std::string text);

// 400, 401, 403, 404, 409, 429 or 500.
int status_of(ErrorCode code);

}  // namespace bartizan::attest::client
