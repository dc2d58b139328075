// What the commands of a broker's administrator have in common: where the broker is, and his token.
#pragma once

#include <string>

#include "bartizan/broker.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

struct AccessArguments {
  std::string url, ca, token_file;
};

void add_access(CLI::App& command, AccessArguments& to);
Result<BrokerAccess> admin_access(const AccessArguments& arguments);

// Seconds since the epoch of never (0), now, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ.
Result<int64_t> parse_end(const char* option, const std::string& text);

// protocol: the broker's answer is no JSON of this type.
Result<view::Json> parsed(const std::string& text, view::Json::value_t type);
std::string word(const view::Json& entry, const char* key);    // "": absent
int64_t seconds_of(const view::Json& entry, const char* key);  // 0: absent
std::string expiry_text(const view::Json& entry);              // of its "expires"

}  // namespace bartizan::cli
