// The host's side of a SEV launch that a broker owns: the two requests of attest/sev/launch.hpp.
#pragma once

#include "attest/client/https_client.hpp"
#include "attest/sev/launch.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::attest::client {

struct SevLaunchRequest {
  std::string url, ca_pem;
  Tee tee = Tee::sev_es;
  ByteView workload_digest;
  uint32_t policy = 0;
  attest::sev::Firmware firmware;
  ByteView certificates;
};

// One launch: open() before it, judge() once, between MEASURE and FINISH. Errors: as
// request_key()'s; the broker's refusals come through with reason, expected and got.
class SevLaunchClient {
 public:
  static Result<std::pair<SevLaunchClient, attest::sev::Start>> open(
      const SevLaunchRequest& request);
  Result<SevSecret> judge(const SevMeasurement& seen);

 private:
  SevLaunchClient(attest::client::HttpsClient client, std::string id)
      : client_(std::move(client)), id_(std::move(id)) {}
  attest::client::HttpsClient client_;
  std::string id_;
};

}  // namespace bartizan::attest::client
