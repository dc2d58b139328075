// RequestReader: HTTP/1.1 requests (RFC 9112) out of bytes as they arrive, one after the other.
// What two readers might understand differently is refused, and all that a peer may send is
// bounded. Without a socket, so that it can be fuzzed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "attest/https/peer_address.hpp"
#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::attest::https {

constexpr size_t kMaxRequestHead = 16 * kKiB;
constexpr size_t kMaxRequestHeaders = 64;
constexpr size_t kMaxRequestBody = kMiB;
// Bodies above this need one of a few permits (Admission), so that memory is bounded by these and
// by the number of connections. Evidence is below it.
constexpr size_t kSmallBodyBytes = 64 * kKiB;

struct ServedRequest {
  std::string method;
  std::string path;  // "/a/b": without a query
  // Names in lower case, each once.
  std::map<std::string, std::string, std::less<>> headers;
  PeerAddress client;  // the peer, or whom a trusted proxy names
  Bytes body;
  std::string_view header(std::string_view name) const;  // empty when absent
};

class RequestReader {
 public:
  enum class Step {
    needs_more,
    large_body,      // it is, or will be, above kSmallBodyBytes; said once, then parse on
    wants_continue,  // the peer waits for "100 Continue"; said once, then parse on
    whole            // take() it
  };

  explicit RequestReader(size_t max_body = kMaxRequestBody);
  ~RequestReader();

  // Takes from the front of `input` what it has read. protocol: malformed; resource_exhausted: too
  // large; unsupported: an expectation. After an error nothing more can be read.
  Result<Step> parse(Bytes& input);
  // After `whole`; the next parse() reads the next request.
  ServedRequest take();
  bool keeps_alive() const { return keeps_alive_; }  // of the last request

 private:
  struct Parser;  // Beast's
  Result<void> take_head(Bytes& input);
  Result<void> take_body(Bytes& input);

  const size_t max_body_;
  std::unique_ptr<Parser> parser_;  // of a request that has begun
  ServedRequest request_;
  size_t field_count_ = 0, body_input_ = 0;
  bool keeps_alive_ = false, told_large_ = false, told_expectation_ = false;
};

}  // namespace bartizan::attest::https
