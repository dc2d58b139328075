#include "c/handles.hpp"

namespace bartizan::c {

int32_t fail(Error error, bartizan_error** err) noexcept {
  const auto number = static_cast<int32_t>(error.code);
  if (!err) return number;
  try {
    std::string description = error.describe();
    *err = new bartizan_error{std::move(error), std::move(description)};
  } catch (...) {  // no memory for more
  }
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
  if (error.origin.empty()) error.origin = kOrigin;
  return error;
}

Error missing(const char* what) {
  return invalid(kOrigin, "{} is NULL", what);
}

}  // namespace bartizan::c

using bartizan::ErrorCode;

extern "C" {

const char* bartizan_version(void) {
  return BARTIZAN_VERSION;
}

// Every text in the list is a literal, so its view ends with a zero.
const char* bartizan_code_name(int32_t code) {
  return bartizan::to_string(static_cast<ErrorCode>(code)).data();
}
const char* bartizan_code_advice(int32_t code) {
  return bartizan::advice(static_cast<ErrorCode>(code)).data();
}

int32_t bartizan_error_code(const bartizan_error* error) {
  return error ? static_cast<int32_t>(error->error.code) : BARTIZAN_OK;
}
int32_t bartizan_error_os_errno(const bartizan_error* error) {
  return error ? error->error.os_errno : 0;
}
const char* bartizan_error_origin(const bartizan_error* error) {
  return error ? error->error.origin.c_str() : "";
}
const char* bartizan_error_message(const bartizan_error* error) {
  return error ? error->error.message.c_str() : "";
}
const char* bartizan_error_reason(const bartizan_error* error) {
  return error ? error->error.reason.c_str() : "";
}
const char* bartizan_error_expected(const bartizan_error* error) {
  return error ? error->error.expected.c_str() : "";
}
const char* bartizan_error_got(const bartizan_error* error) {
  return error ? error->error.got.c_str() : "";
}
const char* bartizan_error_describe(const bartizan_error* error) {
  return error ? error->description.c_str() : "";
}
void bartizan_error_free(bartizan_error* error) {
  delete error;
}

const char* bartizan_string_data(const bartizan_string* string) {
  return string ? string->text.c_str() : "";
}
size_t bartizan_string_size(const bartizan_string* string) {
  return string ? string->text.size() : 0;
}
void bartizan_string_free(bartizan_string* string) {
  delete string;
}

const uint8_t* bartizan_secret_data(const bartizan_secret* secret) {
  return secret ? secret->bytes.bytes().data() : nullptr;
}
size_t bartizan_secret_size(const bartizan_secret* secret) {
  return secret ? secret->bytes.size() : 0;
}
void bartizan_secret_free(bartizan_secret* secret) {
  delete secret;
}

}  // extern "C"
