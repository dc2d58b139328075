#include "attest/client/sev_launch.hpp"

#include <algorithm>

#include "attest/client/json_exchange.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::client {
namespace {

// Both requests and the launch between them: the firmware takes a millisecond a page, and a guest
// has few.
constexpr uint32_t kTimeoutMs = 120'000;
constexpr size_t kMaxId = 128;  // goes into a path

Result<Bytes> bytes_in(const attest::client::HttpsClient& client, const Json& answer,
                       std::string_view name) {
  auto text = json_string(answer, name, "broker's answer");
  auto bytes = text.ok() ? from_base64(*text) : Result<Bytes>(text.error());
  if (bytes.ok()) return bytes;
  return attest::client::protocol_error(client, fmt::format("answer has no {} in base64", name));
}

Result<std::string> id_in(const attest::client::HttpsClient& client, const Json& answer) {
  auto id = json_string(answer, "id", "broker's answer");
  bool plain =
      id.ok() && !id->empty() && id->size() <= kMaxId && std::ranges::all_of(*id, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-';
      });
  if (plain) return id;
  return attest::client::protocol_error(client, "answer has no id of letters and digits");
}

Result<Json> ask(attest::client::HttpsClient& client, std::string path, const Json& body) {
  auto response =
      TRY(attest::client::exchange(client, attest::client::json_post(std::move(path), body)));
  return attest::client::json_body(client, response);
}

}  // namespace

Result<std::pair<SevLaunchClient, attest::sev::Start>> SevLaunchClient::open(
    const SevLaunchRequest& request) {
  auto client = TRY(attest::client::HttpsClient::create(
      request.url, request.ca_pem, attest::client::Deadline::after_ms(kTimeoutMs)));
  const auto& firmware = request.firmware;
  Json body = {{"tee", attest::evidence::kbs_tee_name(request.tee)},
               {"workload_digest", to_hex(request.workload_digest)},
               {"policy", request.policy},
               {"firmware",
                {{"api_major", firmware.api_major},
                 {"api_minor", firmware.api_minor},
                 {"build", firmware.build}}},
               {"certificates", to_base64(request.certificates)}};
  Json answer = TRY(ask(client, std::string(attest::sev::kLaunchesPath), body));
  std::string id = TRY(id_in(client, answer));
  attest::sev::Start start;
  start.certificate = TRY(bytes_in(client, answer, "certificate"));
  start.session = TRY(bytes_in(client, answer, "session"));
  return std::pair(SevLaunchClient(std::move(client), std::move(id)), std::move(start));
}

Result<SevSecret> SevLaunchClient::judge(const SevMeasurement& seen) {
  Json body = {{"measure", to_hex(seen.measure)}, {"nonce", to_hex(seen.nonce)}};
  Json answer = TRY(ask(client_, fmt::format("{}/{}", attest::sev::kLaunchesPath, id_), body));
  SevSecret sealed;
  sealed.header = TRY(bytes_in(client_, answer, "header"));
  sealed.ciphertext = TRY(bytes_in(client_, answer, "ciphertext"));
  return sealed;
}

}  // namespace bartizan::attest::client
