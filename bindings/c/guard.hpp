// The guard around every function that can fail, and how results become handles. Part of both
// libraries: handles are made by libbartizan (private.h), whichever library gives them.
#pragma once

#include <memory>
#include <string>

#include "bartizan.h"
#include "bartizan/secret_bytes.hpp"
#include "base/errors.hpp"
#include "common/json_view.hpp"

namespace bartizan::c {

constexpr const char* kApiOrigin = "c";  // of errors that begin here

// Stores `error` where the caller wants it and returns its number. Never throws: without memory for
// the error the number alone has to do, and *err stays as it was.
int32_t fail(const Error& error, bartizan_error** err) noexcept;

// The Error for the exception that is being handled.
Error error_of_exception() noexcept;

// Runs `work`, which returns Result<void>. No exception passes.
template <typename Work>
int32_t guarded(bartizan_error** err, Work&& work) noexcept {
  try {
    Result<void> result = work();
    return result.ok() ? BARTIZAN_OK : fail(result.error(), err);
  } catch (...) {
    return fail(error_of_exception(), err);
  }
}

Error missing(const char* what);  // invalid_argument: "<what> is NULL"

struct FreeHandle {
  void operator()(bartizan_string* string) const { bartizan_string_free(string); }
  void operator()(bartizan_secret* secret) const { bartizan_secret_free(secret); }
};

// Handles for a caller, who frees them. std::bad_alloc without memory.
std::unique_ptr<bartizan_string, FreeHandle> make_string(std::string_view text);
std::unique_ptr<bartizan_secret, FreeHandle> make_secret(const SecretBytes& bytes);

template <typename T>
auto make_json(const T& value) {
  return make_string(view::to_text(view::to_json(value)));
}

// Gives the caller a handle with the JSON text.
template <typename T>
Result<void> give_json(Result<T>&& result, bartizan_string** to) {
  const T value = TRY(std::move(result));
  *to = make_json(value).release();
  return {};
}

// "" for NULL.
inline std::string text(const char* c_string) {
  return c_string ? std::string(c_string) : std::string();
}

}  // namespace bartizan::c
