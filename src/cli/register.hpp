// What `register` and `build --register-with` have in common.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bartizan/broker.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

// 10.0.2.2 in `url` is where guests find this host: an error of whoever asked there from here says
// so.
template <typename Value>
Result<Value> from_here(Result<Value> done, const std::string& url) {
  if (done.ok() || url.find("//10.0.2.2") == url.npos) return done;
  Error error = std::move(done).error();
  error.message += " (10.0.2.2 is the host as its guests see it: here it is 127.0.0.1)";
  return error;
}

// What was registered, for programs and for people.
view::Json registration_value(const Workload& workload);
std::vector<std::pair<std::string, std::string>> registration_lines(const Workload& workload);

}  // namespace bartizan::cli
