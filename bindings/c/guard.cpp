#include "c/guard.hpp"

#include <new>

#include "c/private.h"

namespace bartizan::c {

int32_t fail(const Error& error, bartizan_error** err) noexcept {
  const auto number = static_cast<int32_t>(error.code);
  if (!err) return number;
  bartizan_error* made =
      bartizan_private_error(number, error.os_errno, error.origin.c_str(), error.message.c_str(),
                             error.reason.c_str(), error.expected.c_str(), error.got.c_str());
  if (made) *err = made;
  return number;
}

Error error_of_exception() noexcept {
  Error error;
  try {
    throw;
  } catch (const BadResult& bad) {
    error = bad.error();
  } catch (const std::bad_alloc&) {
    error.code = ErrorCode::resource_exhausted;
    error.message = "no memory";  // short: fits a string without allocation
  } catch (const std::exception& exception) {
    error.message = exception.what();
  } catch (...) {
    error.message = "exception";
  }
  if (error.origin.empty()) error.origin = kApiOrigin;
  return error;
}

Error missing(const char* what) {
  return invalid(kApiOrigin, "{} is NULL", what);
}

std::unique_ptr<bartizan_string, FreeHandle> make_string(std::string_view text) {
  bartizan_string* made = bartizan_private_string(text.data(), text.size());
  if (!made) throw std::bad_alloc();
  return std::unique_ptr<bartizan_string, FreeHandle>(made);
}

std::unique_ptr<bartizan_secret, FreeHandle> make_secret(const SecretBytes& bytes) {
  bartizan_secret* made = bartizan_private_secret(bytes.bytes().data(), bytes.size());
  if (!made) throw std::bad_alloc();
  return std::unique_ptr<bartizan_secret, FreeHandle>(made);
}

}  // namespace bartizan::c
