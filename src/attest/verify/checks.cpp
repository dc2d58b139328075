#include "attest/verify/checks.hpp"

#include <algorithm>

#include "base/timestamp.hpp"

namespace bartizan::attest::verify {

bool Checks::add(std::string_view name, bool passed, std::string expected, std::string found,
                 const Refusal& refusal) {
  checks_.push_back(
      {std::string(name), passed ? CheckOutcome::passed : CheckOutcome::failed, expected, found});
  if (!passed && !first_) {
    first_ = refused("attest/verify", std::string(refusal.reason), std::move(expected),
                     std::move(found), "{}", refusal.message);
  }
  return passed;
}

void Checks::not_applicable(std::string_view name, std::string why) {
  checks_.push_back({std::string(name), CheckOutcome::not_applicable, "", std::move(why)});
}

void Checks::not_reached(std::string_view name) {
  not_applicable(name, "an earlier check failed, without which this one means nothing");
}

void Checks::fail(std::string_view name, std::string expected, const Error& error,
                  std::string_view reason) {
  add(name, false, std::move(expected), error.message, {reason, error.message});
}

void check_one_of(Checks& checks, std::string_view name, std::string_view reason,
                  const std::vector<std::vector<Bytes>>& lists, ByteView found) {
  if (lists.empty()) return checks.not_applicable(name, to_hex(found) + "; nothing is demanded");
  for (const std::vector<Bytes>& list : lists) {
    bool matches = std::any_of(list.begin(), list.end(), [found](const Bytes& one) {
      return std::equal(one.begin(), one.end(), found.begin(), found.end());
    });
    std::string expected;
    for (const Bytes& one : list) expected += (expected.empty() ? "" : " or ") + to_hex(one);
    checks.add(name, matches, std::move(expected), to_hex(found),
               {reason, std::string(name) + " differs"});
  }
}

void check_each(Checks& checks, std::string_view name, std::string_view reason,
                const std::vector<Bytes>& expected, ByteView found) {
  std::vector<std::vector<Bytes>> lists;
  for (const Bytes& one : expected) lists.push_back({one});
  check_one_of(checks, name, reason, lists, found);
}

void check_date(Checks& checks, std::string_view name, int64_t from, int64_t to, int64_t now,
                const std::string& what) {
  checks.add(name, now >= from && now <= to, rfc3339(from) + " to " + rfc3339(to), rfc3339(now),
             {"date", what + " is not valid at this time"});
}

}  // namespace bartizan::attest::verify
