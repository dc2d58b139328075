#include "attest/client/json_exchange.hpp"

#include "attest/client/kbs_protocol.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::client {

Error protocol_error(const HttpsClient& client, std::string_view what) {
  return make_error(ErrorCode::protocol, "attest/client", "{}: {}", client.endpoint().url, what);
}

Result<HttpResponse> exchange(HttpsClient& client, HttpRequest request) {
  HttpResponse response = TRY(client.send(request));
  if (response.status == 200) return response;
  return client::error_from_answer(response.status, as_text(response.body), client.endpoint().url);
}

Result<Json> json_body(const HttpsClient& client, const HttpResponse& response) {
  auto json = parse_json(as_text(response.body), "broker's answer");
  if (!json.ok() || !json->is_object())
    return protocol_error(client, "answer is not a JSON object");
  return json;
}

HttpRequest json_post(std::string path, const Json& body) {
  return {"POST",
          std::move(path),
          {{"Content-Type", "application/json"}},
          SecretBytes::from_string(body.dump())};
}

}  // namespace bartizan::attest::client
