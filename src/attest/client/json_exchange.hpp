// Requests to a broker with JSON in and out. Errors name the broker's URL.
#pragma once

#include "attest/client/https_client.hpp"
#include "base/json.hpp"

namespace bartizan::attest::client {

Error protocol_error(const HttpsClient& client, std::string_view what);

// The answer if it is 200; else the error in it.
Result<HttpResponse> exchange(HttpsClient& client, HttpRequest request);

// `protocol` if the body is not a JSON object.
Result<Json> json_body(const HttpsClient& client, const HttpResponse& response);

HttpRequest json_post(std::string path, const Json& body);

}  // namespace bartizan::attest::client
