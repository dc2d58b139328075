#include "attest/https/request_reader.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>

#include "base/errors.hpp"

namespace bartizan::attest::https {
namespace {

namespace http = boost::beast::http;

constexpr const char* kOrigin = "attest/https";
constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr size_t kMaxChunkLine = 16 * kKiB;
constexpr size_t kMaxChunkOverhead = 8;  // times the largest body, so that chunks of a byte end

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Error malformed_request(std::string_view what) {
  return make_error(ErrorCode::protocol, kOrigin, "HTTP: {}", what);
}

Error too_large(std::string_view what, size_t limit) {
  return make_error(ErrorCode::resource_exhausted, kOrigin, "HTTP: {} above {} bytes", what, limit);
}

Error error_of_parser(const boost::system::error_code& error, size_t max_body) {
  if (error == http::error::body_limit) return too_large("body", max_body);
  if (error == http::error::header_limit) return too_large("head", kMaxRequestHead);
  return malformed_request(error.message());
}

bool only_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Beast joins lines that were folded (RFC 9112 §5.2); a proxy in front may not.
bool has_folded_line(std::string_view head) {
  return head.find("\r\n ") != std::string_view::npos ||
         head.find("\r\n\t") != std::string_view::npos;
}

Result<void> check_framing(const ServedRequest& request, unsigned version) {
  const bool has_length = request.headers.contains("content-length");
  if (request.headers.contains("transfer-encoding")) {
    if (has_length) return malformed_request("both Content-Length and Transfer-Encoding");
    if (version < 11 || lower_case(request.header("transfer-encoding")) != "chunked")
      return malformed_request("transfer encoding is not chunked");
  }
  if (has_length && !only_digits(request.header("content-length")))
    return malformed_request("length is not a number");
  return {};
}

// Those that frame a message, address it or prove who sends it: two readers may each take another
// one of two.
bool is_single(std::string_view name) {
  for (std::string_view single : {"content-length", "transfer-encoding", "host", "authorization",
                                  "expect", "content-type", "content-encoding"}) {
    if (name == single) return true;
  }
  return false;
}

void drop_front(Bytes& input, size_t count) {
  input.erase(input.begin(), input.begin() + static_cast<ptrdiff_t>(count));
}

}  // namespace

struct RequestReader::Parser {
  http::request_parser<http::vector_body<uint8_t>> parser;

  size_t count_fields() const {
    const auto& message = parser.get();
    return static_cast<size_t>(std::distance(message.begin(), message.end()));
  }
  // Without its body.
  Result<ServedRequest> request() const {
    const auto& message = parser.get();
    ServedRequest request;
    request.method = std::string(message.method_string());
    std::string_view target = message.target();
    if (!target.starts_with('/')) return malformed_request("request target is not a path");
    request.path = std::string(target.substr(0, target.find('?')));
    if (count_fields() > kMaxRequestHeaders) return malformed_request("too many headers");
    for (const auto& field : message) {
      std::string name = lower_case(field.name_string());
      auto [place, first] = request.headers.emplace(name, std::string(field.value()));
      if (first) continue;
      if (is_single(name)) return malformed_request("header \"" + name + "\" comes twice");
      // A list that came in parts (RFC 9110 §5.3), as proxies in a row make them.
      place->second += (name == "cookie" ? "; " : ", ") + std::string(field.value());
    }
    TRY(check_framing(request, message.version()));
    return request;
  }
};

RequestReader::RequestReader(size_t max_body) : max_body_(max_body) {}
RequestReader::~RequestReader() = default;

Result<RequestReader::Step> RequestReader::parse(Bytes& input) {
  if (!parser_) {
    parser_ = std::make_unique<Parser>();
    parser_->parser.header_limit(static_cast<uint32_t>(kMaxRequestHead));
    parser_->parser.body_limit(max_body_);
    body_input_ = 0;
    told_large_ = told_expectation_ = false;
  }
  auto& parser = parser_->parser;
  if (!parser.is_header_done()) TRY(take_head(input));
  if (!parser.is_header_done()) return Step::needs_more;
  // Not before it is allowed: a body is never read that its peer has only announced.
  auto is_large = [&] {
    return !told_large_ && (parser.content_length().value_or(0) > kSmallBodyBytes ||
                            parser.get().body().size() > kSmallBodyBytes);
  };
  if (is_large()) {
    told_large_ = true;
    return Step::large_body;
  }
  const bool waits = !parser.is_done() && input.empty() && parser.get().version() >= 11;
  if (!std::exchange(told_expectation_, true) && waits && !request_.header("expect").empty())
    return Step::wants_continue;
  TRY(take_body(input));
  if (is_large()) {
    told_large_ = true;
    return Step::large_body;
  }
  return parser.is_done() ? Step::whole : Step::needs_more;
}

Result<void> RequestReader::take_head(Bytes& input) {
  std::string_view text = as_text(input);
  size_t end = text.find(kEndOfHead);
  if (end == std::string_view::npos && text.size() <= kMaxRequestHead) return {};
  if (end == std::string_view::npos || end > kMaxRequestHead)
    return too_large("head", kMaxRequestHead);
  if (has_folded_line(text.substr(0, end))) return malformed_request("header line is folded");
  auto& parser = parser_->parser;
  boost::system::error_code error;
  drop_front(input, parser.put(boost::asio::buffer(input), error));
  if (error) return error_of_parser(error, max_body_);
  request_ = TRY(parser_->request());
  keeps_alive_ = parser.keep_alive();
  field_count_ = parser_->count_fields();
  parser.eager(true);
  std::string expected = lower_case(request_.header("expect"));
  if (expected.empty() || expected == "100-continue") return {};
  return make_error(ErrorCode::unsupported, kOrigin, "HTTP: expectation is not 100-continue");
}

Result<void> RequestReader::take_body(Bytes& input) {
  auto& parser = parser_->parser;
  while (!parser.is_done() && !input.empty()) {
    boost::system::error_code error;
    size_t used = parser.put(boost::asio::buffer(input), error);
    drop_front(input, used);
    body_input_ += used;
    if (error && error != http::error::need_more) return error_of_parser(error, max_body_);
    if (body_input_ > kMaxChunkOverhead * max_body_)
      return malformed_request("chunks are too small");
    if (used == 0 && input.size() > kMaxChunkLine) return malformed_request("chunk line too long");
    if (used == 0 || error) break;
  }
  if (parser.is_done() && parser_->count_fields() != field_count_)
    return malformed_request("trailers");
  return {};
}

ServedRequest RequestReader::take() {
  request_.body = std::move(parser_->parser.get().body());
  parser_.reset();
  return std::exchange(request_, {});
}

std::string_view ServedRequest::header(std::string_view name) const {
  auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace bartizan::attest::https
