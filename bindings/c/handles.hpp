// What stands behind the handles of bartizan.h, and the guard around every function that can fail.
#pragma once

#include <concepts>
#include <memory>
#include <new>
#include <string>

#include "bartizan.h"
#include "bartizan/broker.hpp"
#include "bartizan/machine.hpp"
#include "base/errors.hpp"
#include "common/json_view.hpp"

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

struct bartizan_exit {
  bartizan::ExitReason reason;
  std::string description;
};

struct bartizan_context {
  bartizan::Context context;
};

struct bartizan_broker {
  bartizan::Broker broker;
  std::string url, ca_pem, admin_token_path;  // borrowed by the caller
};

namespace bartizan::c {

constexpr const char* kOrigin = "c";  // of errors that begin here

// Stores `error` where the caller wants it and returns its number. Never throws: without memory for
// the error the number alone has to do, and *err stays as it was.
int32_t fail(Error error, bartizan_error** err) noexcept;

// The Error for the exception that is being handled.
Error error_of_exception() noexcept;

// Runs `work`, which returns Result<void>. No exception passes.
template <typename Work>
int32_t guarded(bartizan_error** err, Work&& work) noexcept {
  try {
    Result<void> result = work();
    return result.ok() ? BARTIZAN_OK : fail(std::move(result).error(), err);
  } catch (...) {
    return fail(error_of_exception(), err);
  }
}

Error missing(const char* what);  // invalid_argument: "<what> is NULL"

// Gives the caller a handle with the JSON text.
template <typename T>
Result<void> give_json(Result<T>&& result, bartizan_string** to) {
  const T value = TRY(std::move(result));
  *to = new bartizan_string{view::to_text(view::to_json(value))};
  return {};
}

// "" for NULL.
inline std::string text(const char* c_string) {
  return c_string ? std::string(c_string) : std::string();
}

}  // namespace bartizan::c
