// Requests to a broker: first line "METHOD path cookie", the rest is the body; a cookie that begins
// with "Bearer " is a token. Without the admin token and without good evidence no answer may hold
// the key.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "attest/broker/messages.hpp"
#include "attest/broker/service.hpp"
#include "base/json.hpp"
#include "crypto/jwe.hpp"

namespace {

using namespace bartizan;  // NOLINT: a test program

std::unique_ptr<attest::broker::Service> make_service() {
  auto file =
      std::filesystem::temp_directory_path() / ("bartizan-fuzz-" + std::to_string(::getpid()));
  attest::broker::Store store = attest::broker::Store::open(file).value();
  std::filesystem::remove(file);
  attest::broker::Service::Options options;
  options.clock = [now = int64_t{0}]() mutable { return ++now; };  // never runs into the rate limit
  return attest::broker::Service::create(std::move(store), options).value();
}

attest::broker::BrokerRequest request_of(std::string_view text) {
  attest::broker::BrokerRequest request;
  size_t line = std::min(text.find('\n'), text.size());
  std::string_view head = text.substr(0, line);
  size_t first = std::min(head.find(' '), head.size());
  request.method = head.substr(0, first);
  head.remove_prefix(std::min(first + 1, head.size()));
  size_t second = std::min(head.find(' '), head.size());
  request.path = head.substr(0, second);
  head.remove_prefix(std::min(second + 1, head.size()));
  (head.starts_with("Bearer ") ? request.authorization : request.cookie) = head;
  ByteView body = as_bytes(text.substr(std::min(line + 1, text.size())));
  request.body.assign(body.begin(), body.end());
  request.address = "192.0.2.1";
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<attest::broker::Service> service = make_service();
  std::string_view text = as_text({data, size});
  attest::broker::BrokerReply reply = service->answer(request_of(text));
  if (reply.status == 500) std::abort();
  if (reply.status == 200 && reply.content_type != "application/json")
    std::abort();  // an admin's answer
  if (!reply.body.empty() && !parse_json(reply.body.view(), "reply").ok()) std::abort();
  // What stands behind a session or the token is parsed all the same.
  ByteView body = as_bytes(text.substr(std::min(text.find('\n') + 1, text.size())));
  auto message = attest::broker::parse_attest(body);
  if (message.ok() && !crypto::normalize_jwk(message->tee_public_key).ok()) std::abort();
  auto registration = attest::broker::parse_registration(body);
  if (registration.ok() &&
      (registration->workload.measurements.empty() || registration->workload.disk_key.empty()))
    std::abort();
  return 0;
}
