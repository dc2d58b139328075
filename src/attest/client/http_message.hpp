// HTTP/1.1 messages (RFC 9112) over a TlsStream, as the guest's small client reads them: with a
// bound on everything a peer may send.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/client/tls_stream.hpp"
#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::attest::client {

constexpr size_t kMaxHeadBytes = 16 * kKiB;  // a peer that never ends its headers wants our memory
constexpr size_t kMaxHeaderCount = 64;       // each costs a map node
// evidence JSON is below 64 KiB; more is an attempt to fill memory
constexpr size_t kMaxBodyBytes = kMiB;
constexpr size_t kMaxChunkLine = 128;

// Start line and headers. Names are lower case. A header that comes twice is one list (RFC 9110
// §5.3), as proxies make them; those that frame a message, address it or prove who sends it are
// refused then.
struct MessageHead {
  std::string start_line;
  std::map<std::string, std::string, std::less<>> headers;
  std::vector<std::string> set_cookies;  // no list: their values hold commas (RFC 6265 §3)
  std::string_view header(std::string_view name) const;  // empty when absent
  bool wants_close() const;                              // Connection: close
};

// Pure, for hostile bytes: `text` without the empty line that ends it. protocol: malformed.
Result<MessageHead> parse_head(std::string_view text);
// protocol: neither or both of Content-Length and chunked where that is ambiguous (request
// smuggling), or no number; resource_exhausted: above max_body. Nothing: chunked.
Result<std::optional<size_t>> body_length(const MessageHead& head, size_t max_body = kMaxBodyBytes);

// Reads messages one after the other from a stream; keeps what came too early for the next one.
class MessageReader {
 public:
  explicit MessageReader(TlsStream& stream, size_t max_body = kMaxBodyBytes)
      : stream_(stream), max_body_(max_body) {}
  // Nothing: the peer closed before the first byte.
  Result<std::optional<MessageHead>> read_head(Deadline deadline);
  Result<Bytes> read_body(const MessageHead& head, Deadline deadline);

 private:
  Result<bool> fill(Deadline deadline);  // false: closed
  Result<void> require(size_t count, Deadline deadline);
  Result<std::string> read_chunk_line(Deadline deadline);
  Result<Bytes> read_chunks(Deadline deadline);
  Bytes take(size_t count);

  TlsStream& stream_;
  size_t max_body_;
  Bytes buffer_;
};

}  // namespace bartizan::attest::client
