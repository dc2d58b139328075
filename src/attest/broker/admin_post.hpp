// What all ways to register have in common: one POST over verified TLS, and an error that repeats
// no secret, whatever the server answers.
#pragma once

#include <optional>

#include "attest/client/https_client.hpp"
#include "bartizan/broker.hpp"
#include "base/units.hpp"

namespace bartizan::attest::broker {

// Of a broker to its administrator: an audit with 20,000 entries, or a list with 10,000
// registrations.
constexpr size_t kMaxAnswer = 64 * kMiB;

// "https://host:port/some/path" in its two parts; the second has no '/' at its end and is empty for
// most. invalid_argument: a path of other characters than letters, digits and ". _ - ~ /".
struct Target {
  std::string origin, prefix;
};
Result<Target> parse_target(std::string_view url);

// "Bearer …". invalid_argument: a token with a line end in it would become a second header.
Result<std::string> bearer(const SecretBytes& token);

struct Post {
  std::string path;  // behind the prefix
  std::string content_type;
  SecretBytes body;
  std::optional<std::string> authorization;
};

// GET: the body; nothing at status 404.
Result<std::optional<Bytes>> fetch(const BrokerAccess& access, const std::string& path,
                                   const std::optional<std::string>& authorization);

// Success is a status from 200 to 299. `secrets` must not come out in an error.
Result<void> send_post(const BrokerAccess& access, Post post,
                       const std::vector<const SecretBytes*>& secrets);

}  // namespace bartizan::attest::broker
