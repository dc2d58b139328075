// What went wrong, in a form that a program can act on and a person can read at 3 a.m.
//
// An Error is a value. `code` determines what the caller can do about it (errors.def), `os_errno`
// is the errno behind it or 0, `origin` names the part that noticed ("kvm", "image/oci", "broker"),
// `message` is one impersonal line that names the object and the value: `machine "web":
// KVM_CREATE_VCPU 3: ENOSPC`. For `verification_failed`, `reason` is a stable machine-readable word
// ("measurement", "nonce", "host_data" ...) and `expected` and `got` hold the public values that
// differ. No field ever holds a secret.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bartizan {

// Frozen numbers, the same in C (BARTIZAN_ERROR_*), Python (Error.number) and the command
// line's --json.
enum class ErrorCode : int32_t {
#define BARTIZAN_ERROR(name, number, advice) name = number,
#include "bartizan/errors.def"
#undef BARTIZAN_ERROR
};

// "verification_failed" for ErrorCode::verification_failed; "unknown" for a number that is not in
// the list.
std::string_view to_string(ErrorCode code);

// The one-sentence advice of errors.def.
std::string_view advice(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  int os_errno = 0;           // errno behind the failure, or 0
  std::string origin = {};    // part that noticed it, "component/part"
  std::string message = {};   // one line, names the object and the value
  std::string reason = {};    // verification_failed only: stable word for programs
  std::string expected = {};  // verification_failed only: public value that was required
  std::string got = {};       // verification_failed only: public value that was found

  // "origin: message (ENOENT)", and for verification failures "[reason] expected … got …".
  std::string describe() const;
};

}  // namespace bartizan
