#include "attest/client/kbs_protocol.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/printable.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::client {
namespace {

// A broker's text goes into the guest's log: no more of it than a few lines.
constexpr size_t kMaxErrorText = 1024;

std::string_view error_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::permission_denied:
      return "PolicyDeny";
    case ErrorCode::not_found:
      return "InvalidRequestPath";
    case ErrorCode::invalid_argument:
    case ErrorCode::corrupt:
    case ErrorCode::protocol:
      return "InvalidRequest";
    case ErrorCode::internal:
    case ErrorCode::io:
      return "InternalError";
    default:
      return "AttestationError";
  }
}

std::string text_member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? one_line(found->get<std::string>())
                                                     : std::string();
}

ErrorCode code_of_status(int status) {
  if (status == 401 || status == 403) return ErrorCode::permission_denied;
  if (status == 404) return ErrorCode::not_found;
  if (status == 409) return ErrorCode::invalid_state;
  if (status == 413 || status == 429) return ErrorCode::resource_exhausted;
  return ErrorCode::protocol;
}

ErrorCode code_of_name(std::string_view name, int status) {
#define BARTIZAN_ERROR(code, number, advice) \
  if (name == #code) return ErrorCode::code;
#include "bartizan/errors.def"
#undef BARTIZAN_ERROR
  return code_of_status(status);
}

bool is_word(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool is_path_part(std::string_view part) {
  return !part.empty() && is_word(part.front()) &&
         std::all_of(part.begin(), part.end(), [](char c) { return is_word(c) || c == '.'; });
}

}  // namespace

std::string one_line(std::string text) {
  text.resize(std::min(text.size(), kMaxErrorText));
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t size = text[i] == '\t' ? 1 : steering_bytes(text, i);
    std::fill_n(text.begin() + static_cast<ptrdiff_t>(i), size, ' ');
  }
  return text;
}

Result<std::array<uint8_t, 64>> report_data(std::string_view nonce, const Json& tee_public_key,
                                            std::string_view additional_evidence) {
  std::string text = TRY(canonical_json({{"additional-evidence", additional_evidence},
                                         {"nonce", nonce},
                                         {"tee-pubkey", tee_public_key}}));
  crypto::Sha384Digest digest = crypto::sha384(as_bytes(text));
  std::array<uint8_t, 64> padded{};
  std::copy(digest.begin(), digest.end(), padded.begin());
  return padded;
}

Result<void> check_resource_path(std::string_view path) {
  constexpr size_t kMaxPath = 512;  // goes into a request line and a database key
  size_t first = path.find('/'),
         second = first == std::string_view::npos ? first : path.find('/', first + 1);
  bool good = path.size() <= kMaxPath && second != std::string_view::npos &&
              is_path_part(path.substr(0, first)) &&
              is_path_part(path.substr(first + 1, second - first - 1)) &&
              is_path_part(path.substr(second + 1));
  if (good) return {};
  return make_error(ErrorCode::invalid_argument, "attest/kbs",
                    "resource \"{}\": not repository/type/tag", one_line(std::string(path)));
}

std::string error_to_json(const Error& error) {
  Json body = {{"type", fmt::format("{}{}", kErrorType, error_name(error.code))},
               {"detail", one_line(error.message)},
               {"code", to_string(error.code)}};
  if (!error.reason.empty()) {
    body["reason"] = error.reason;
    body["expected"] = one_line(error.expected);
    body["got"] = one_line(error.got);
  }
  return body.dump(-1, ' ', false,
                   Json::error_handler_t::replace);  // a peer's text may not be UTF-8
}

Error error_from_answer(int status, std::string_view body, std::string_view url) {
  auto json = parse_json(body, "broker's answer");
  if (!json.ok() || !json->is_object()) {
    return make_error(code_of_status(status), "broker", "{}: HTTP status {}", url, status);
  }
  std::string detail = text_member(*json, "detail");
  if (detail.empty()) detail = fmt::format("HTTP status {}", status);
  return Error{code_of_name(text_member(*json, "code"), status),
               0,
               "broker",
               fmt::format("{}: {}", url, detail),
               text_member(*json, "reason"),
               text_member(*json, "expected"),
               text_member(*json, "got")};
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::corrupt:
    case ErrorCode::protocol:
    case ErrorCode::unsupported:
      return 400;
    case ErrorCode::verification_failed:
      return 401;
    case ErrorCode::permission_denied:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::already_exists:
    case ErrorCode::invalid_state:
      return 409;
    case ErrorCode::resource_exhausted:
      return 429;
    default:
      return 500;
  }
}

}  // namespace bartizan::attest::client
