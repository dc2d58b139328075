// The owner's side of the admin API.

#include <algorithm>

#include "attest/broker/messages.hpp"
#include "attest/client/https_client.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "bartizan/broker.hpp"
#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr uint32_t kTimeoutMs = 30'000;
constexpr std::string_view kWorkloads = "/bartizan/v1/workloads";

// A token with a line end in it would become a second header.
Result<std::string> bearer(const SecretBytes& token) {
  std::string_view text = token.view();
  while (text.ends_with('\n')) text.remove_suffix(1);
  bool clean = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (clean && !text.empty()) return "Bearer " + std::string(text);
  return make_error(ErrorCode::invalid_argument, "attest/broker",
                    "admin token is empty or not printable");
}

Result<std::string> call(const BrokerAccess& access, net::HttpRequest request) {
  request.headers.emplace_back("Authorization", TRY(bearer(access.admin_token)));
  auto client =
      TRY(net::HttpsClient::create(access.url, access.ca_pem, net::Deadline::after_ms(kTimeoutMs)));
  net::HttpResponse response = TRY(client.send(request));
  if (response.status == 200) return std::string(as_text(response.body));
  return kbs::error_from_answer(response.status, as_text(response.body), client.endpoint().url);
}

bool is_path_segment(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

}  // namespace

Result<void> register_workload(const BrokerAccess& access, const Workload& workload) {
  SecretBytes body = TRY(broker::write_workload(workload));
  net::HttpRequest request{
      "POST", std::string(kWorkloads), {{"Content-Type", "application/json"}}, std::move(body)};
  TRY(call(access, std::move(request)));
  return {};
}

Result<std::string> broker_audit(const BrokerAccess& access, const std::string& workload_id) {
  if (!is_path_segment(workload_id)) {
    return make_error(ErrorCode::invalid_argument, "attest/broker",
                      "workload id is empty or has other characters than "
                      "letters, digits, '_', '-' and '.'");
  }
  return call(access, {"GET", fmt::format("{}/{}/audit", kWorkloads, workload_id), {}, {}});
}

}  // namespace bartizan
