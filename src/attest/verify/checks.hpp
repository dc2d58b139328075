// The checks of one verdict, in the order in which they are made. A check that fails does not end
// the work: later ones are made as far as they can be, and the first failure is the reason.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bartizan/attest.hpp"
#include "base/bytes.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::verify {

class Checks {
 public:
  // What a refusal says: its stable reason, and a sentence with the next step where there is one.
  struct Refusal {
    std::string_view reason;
    std::string message;
  };

  // Returns `passed`.
  bool add(std::string_view name, bool passed, std::string expected, std::string found,
           const Refusal& refusal);
  // A check of something that evidence of this kind, or this policy, does not have.
  void not_applicable(std::string_view name, std::string why);
  // A check that an earlier failure has made impossible.
  void not_reached(std::string_view name);
  // Fails with an error that a parser gave.
  void fail(std::string_view name, std::string expected, const Error& error,
            std::string_view reason);

  bool accepted() const { return !first_; }
  const std::optional<Error>& first_failure() const { return first_; }
  std::vector<EvidenceCheck> take() { return std::move(checks_); }

 private:
  std::vector<EvidenceCheck> checks_;
  std::optional<Error> first_;
};

// One of `allowed` lists after the other: each must have the value. Without lists: not applicable.
void check_one_of(Checks& checks, std::string_view name, std::string_view reason,
                  const std::vector<std::vector<Bytes>>& lists, ByteView found);
// All of `expected`, which must be equal.
void check_each(Checks& checks, std::string_view name, std::string_view reason,
                const std::vector<Bytes>& expected, ByteView found);
void check_date(Checks& checks, std::string_view name, int64_t from, int64_t to, int64_t now,
                const std::string& what);

}  // namespace bartizan::attest::verify
