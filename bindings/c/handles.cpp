// Errors, strings and secrets: the handles that both libraries give to callers.
#include <memory>
#include <new>
#include <string>

#include "bartizan/error.hpp"
#include "bartizan/secret_bytes.hpp"
#include "c/private.h"

struct bartizan_error {
  bartizan::Error error;
  std::string description;
};

struct bartizan_string {
  std::string text;
};

struct bartizan_secret {
  bartizan::SecretBytes bytes;
};

namespace {

// NULL without memory.
template <typename Make>
auto made_or_null(Make&& make) noexcept -> decltype(make()) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

using bartizan::ErrorCode;

extern "C" {

bartizan_error* bartizan_private_error(int32_t code, int32_t os_errno, const char* origin,
                                       const char* message, const char* reason,
                                       const char* expected, const char* got) {
  return made_or_null([&] {
    bartizan::Error error{
        static_cast<ErrorCode>(code), os_errno, origin, message, reason, expected, got};
    std::string description = error.describe();
    return new bartizan_error{std::move(error), std::move(description)};
  });
}
bartizan_string* bartizan_private_string(const char* text, size_t size) {
  return made_or_null([&] { return new bartizan_string{std::string(text, size)}; });
}
bartizan_secret* bartizan_private_secret(const uint8_t* bytes, size_t size) {
  return made_or_null([&] {
    return new bartizan_secret{bartizan::SecretBytes(std::span<const uint8_t>(bytes, size))};
  });
}

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
