// Making errors inside src/: short constructors, errno mapping, TRY.
#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <string>

#include "bartizan/error.hpp"
#include "bartizan/result.hpp"

namespace bartizan {

// ENOENT -> not_found, EACCES -> permission_denied, ENOSPC -> resource_exhausted ...; else io.
ErrorCode code_of_errno(int os_errno);

// An error with the code that fits `os_errno`; message is "object: operation" without the errno's
// own text.
Error errno_error(int os_errno, std::string origin, std::string message);

template <typename... Args>
Error make_error(ErrorCode code, std::string origin, fmt::format_string<Args...> format,
                 Args&&... args) {
  return Error{code, 0, std::move(origin), fmt::format(format, std::forward<Args>(args)...), {},
               {},   {}};
}

// invalid_argument: the caller asked for something that cannot be.
template <typename... Args>
Error invalid(std::string origin, fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::invalid_argument, std::move(origin), format,
                    std::forward<Args>(args)...);
}

// A check that refused. `reason` is a stable word for programs; both values must be public.
template <typename... Args>
Error refused(std::string origin, std::string reason, std::string expected, std::string got,
              fmt::format_string<Args...> format, Args&&... args) {
  return Error{ErrorCode::verification_failed,
               0,
               std::move(origin),
               fmt::format(format, std::forward<Args>(args)...),
               std::move(reason),
               std::move(expected),
               std::move(got)};
}

}  // namespace bartizan

// TRY(expression): the value of a Result, or return its error from the enclosing function. A
// statement expression (GNU), so it reads as an initialiser: `auto fd = TRY(open_read_only(path));`
// Never two inside one pair of braces, `T{TRY(a), TRY(b)}`: when the second returns early, g++ and
// clang++ both leak the member that the first has made, and a leaked secret is not wiped. Arguments
// of a call are safe.
#define TRY(...)                            \
  ({                                        \
    auto&& try_result = (__VA_ARGS__);      \
    if (!try_result.ok()) [[unlikely]]      \
      return std::move(try_result).error(); \
    *std::move(try_result);                 \
  })
