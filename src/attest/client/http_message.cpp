#include "attest/client/http_message.hpp"

#include <algorithm>
#include <charconv>

#include "base/errors.hpp"

namespace bartizan::attest::client {
namespace {

constexpr std::string_view kOrigin = "attest/http";
constexpr std::string_view kEndOfHead = "\r\n\r\n";

Error malformed(std::string_view what) {
  return make_error(ErrorCode::protocol, std::string(kOrigin), "HTTP: {}", what);
}
Error too_large(std::string_view what, size_t limit) {
  return make_error(ErrorCode::resource_exhausted, std::string(kOrigin), "HTTP: {} above {} bytes",
                    what, limit);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trimmed(std::string_view text) {
  size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

// Control characters in a value are how one message is made to look like two.
bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kAllowed = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<size_t> number(std::string_view text, int base) {
  size_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return malformed("length is not a number");
  return value;
}

// Two of them would be two messages to two readers.
bool is_single(std::string_view name) {
  constexpr std::string_view kSingle[] = {"authorization", "content-length",   "content-type",
                                          "cookie",        "expect",           "host",
                                          "location",      "transfer-encoding"};
  return std::find(std::begin(kSingle), std::end(kSingle), name) != std::end(kSingle);
}

Result<void> add_header(MessageHead& head, std::string_view line) {
  size_t colon = line.find(':');
  std::string name = lower(line.substr(0, colon));
  if (colon == std::string_view::npos || !is_token(name) || !is_clean(line))
    return malformed("header line");
  std::string value(trimmed(line.substr(colon + 1)));
  if (name == "set-cookie") {
    head.set_cookies.push_back(std::move(value));
  } else if (auto [found, added] = head.headers.emplace(name, value); !added) {
    if (is_single(name)) return malformed("header \"" + name + "\" comes twice");
    found->second += ", " + value;
  }
  if (head.headers.size() + head.set_cookies.size() > kMaxHeaderCount)
    return malformed("too many headers");
  return {};
}

}  // namespace

std::string_view MessageHead::header(std::string_view name) const {
  auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

bool MessageHead::wants_close() const {
  const std::string options = "," + lower(header("connection")) + ",";
  for (size_t from = 1, end; (end = options.find(',', from)) != options.npos; from = end + 1) {
    if (trimmed(std::string_view(options).substr(from, end - from)) == "close") return true;
  }
  return false;
}

Result<MessageHead> parse_head(std::string_view text) {
  if (text.size() > kMaxHeadBytes) return too_large("head", kMaxHeadBytes);
  MessageHead head;
  size_t end = text.find("\r\n");
  head.start_line = text.substr(0, end);
  if (head.start_line.empty() || !is_clean(head.start_line)) return malformed("start line");
  while (end != std::string_view::npos) {
    size_t from = end + 2;
    end = text.find("\r\n", from);
    TRY(add_header(head, text.substr(from, end == std::string_view::npos ? end : end - from)));
  }
  return head;
}

Result<std::optional<size_t>> body_length(const MessageHead& head, size_t max_body) {
  std::string_view encoding = head.header("transfer-encoding"),
                   length = head.header("content-length");
  if (!encoding.empty() && !length.empty())
    return malformed("both Content-Length and Transfer-Encoding");
  if (!encoding.empty() && lower(encoding) != "chunked")
    return malformed("transfer encoding is not chunked");
  if (!encoding.empty()) return std::optional<size_t>();
  size_t value = length.empty() ? 0 : TRY(number(length, 10));
  if (value > max_body) return too_large("body", max_body);
  return std::optional<size_t>(value);
}

Result<bool> MessageReader::fill(Deadline deadline) {
  uint8_t block[8192];
  size_t got = TRY(stream_.read(block, deadline));
  buffer_.insert(buffer_.end(), block, block + got);
  return got > 0;
}

Bytes MessageReader::take(size_t count) {
  auto end = buffer_.begin() + static_cast<ptrdiff_t>(count);
  Bytes taken(buffer_.begin(), end);
  buffer_.erase(buffer_.begin(), end);
  return taken;
}

Result<void> MessageReader::require(size_t count, Deadline deadline) {
  while (buffer_.size() < count) {
    if (!TRY(fill(deadline))) return malformed("peer closed in the middle of a message");
  }
  return {};
}

Result<std::optional<MessageHead>> MessageReader::read_head(Deadline deadline) {
  size_t end;
  while ((end = as_text(buffer_).find(kEndOfHead)) == std::string_view::npos) {
    if (buffer_.size() > kMaxHeadBytes) return too_large("head", kMaxHeadBytes);
    bool first = buffer_.empty();
    if (TRY(fill(deadline))) continue;
    if (first) return std::optional<MessageHead>();
    return malformed("peer closed in the middle of a head");
  }
  Bytes text = take(end + kEndOfHead.size());
  return std::optional<MessageHead>(TRY(parse_head(as_text(text).substr(0, end))));
}

Result<std::string> MessageReader::read_chunk_line(Deadline deadline) {
  size_t end;
  while ((end = as_text(buffer_).find("\r\n")) == std::string_view::npos) {
    if (buffer_.size() > kMaxChunkLine) return malformed("chunk line too long");
    TRY(require(buffer_.size() + 1, deadline));
  }
  Bytes line = take(end + 2);
  return std::string(as_text(line).substr(0, std::min(end, as_text(line).find(';'))));
}

Result<Bytes> MessageReader::read_chunks(Deadline deadline) {
  Bytes body;
  while (true) {
    size_t size = TRY(number(TRY(read_chunk_line(deadline)), 16));
    if (size > max_body_ - body.size()) return too_large("body", max_body_);
    TRY(require(size + 2, deadline));
    Bytes chunk = take(size);
    body.insert(body.end(), chunk.begin(), chunk.end());
    Bytes line_end = take(2);
    if (as_text(line_end) != "\r\n")
      return malformed(size ? "chunk longer than announced" : "trailers");
    if (size == 0) return body;
  }
}

Result<Bytes> MessageReader::read_body(const MessageHead& head, Deadline deadline) {
  std::optional<size_t> length = TRY(body_length(head, max_body_));
  if (!length) return read_chunks(deadline);
  TRY(require(*length, deadline));
  return take(*length);
}

}  // namespace bartizan::attest::client
