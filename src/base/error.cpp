#include "bartizan/error.hpp"

#include <cstring>

#include "base/errors.hpp"
#include "base/printable.hpp"

namespace bartizan {

std::string_view to_string(ErrorCode code) {
  switch (code) {
#define BARTIZAN_ERROR(name, number, advice) \
  case ErrorCode::name:                      \
    return #name;
#include "bartizan/errors.def"
#undef BARTIZAN_ERROR
  }
  return "unknown";
}

std::string_view advice(ErrorCode code) {
  switch (code) {
#define BARTIZAN_ERROR(name, number, text) \
  case ErrorCode::name:                    \
    return text;
#include "bartizan/errors.def"
#undef BARTIZAN_ERROR
  }
  return "";
}

std::string Error::describe() const {
  std::string text = harmless(origin.empty() ? message : origin + ": " + message);
  if (os_errno != 0) {
    const char* name = strerrorname_np(os_errno);
    text += fmt::format(": {}", name ? name : std::to_string(os_errno).c_str());
  }
  if (!reason.empty()) text += fmt::format(" [{}]", reason);
  if (!expected.empty() || !got.empty()) text += fmt::format(" expected {}, got {}", expected, got);
  return text;
}

Error errno_error(int os_errno, std::string origin, std::string message) {
  return Error{
      code_of_errno(os_errno), os_errno, std::move(origin), std::move(message), {}, {}, {}};
}

ErrorCode code_of_errno(int os_errno) {
  switch (os_errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return ErrorCode::not_found;
    case EEXIST:
    case EADDRINUSE:
      return ErrorCode::already_exists;
    case EACCES:
    case EPERM:
      return ErrorCode::permission_denied;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::resource_exhausted;
    case ETIMEDOUT:
      return ErrorCode::timed_out;
    default:
      return ErrorCode::io;
  }
}

}  // namespace bartizan
