// The stage of every story: a broker with workload 1, its rightful guest, and messages of the KBS
// protocol (0.4.0) that an adversary may send one by one.
#pragma once

#include <gmock/gmock.h>

#include "attest/client/kbs_protocol.hpp"
#include "attest/exchange.hpp"
#include "attest/raw_client.hpp"
#include "base/json.hpp"
#include "crypto/ec.hpp"
#include "crypto/jwe.hpp"

namespace bartizan::test {

// A session of the KBS protocol, by hand.
struct Session {
  std::string nonce, cookie;  // "kbs-session-id=…"
};

class Attack : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    if (!HasFatalFailure()) add(workload(1));
  }
  // Whatever happened, who has a right to the key gets it.
  void TearDown() override {
    if (broker_) {
      Guest rightful = guest(1);
      auto key = request(rightful, kResource);
      EXPECT_TRUE(key.ok()) << key.error().describe();
    }
    BrokerTest::TearDown();
  }

  Session open(const std::string& tee = "bartizan-simulated",
               const std::string& from = "127.0.0.1") {
    RawClient client(broker_->port(), from);
    auto answer = client.post(
        "/kbs/v0/auth", Json{{"version", "0.4.0"}, {"tee", tee}, {"extra-params", ""}}.dump());
    EXPECT_EQ(answer.status, 200) << answer.body;
    const size_t at = answer.head.find("kbs-session-id=");
    return {Json::parse(answer.body)["nonce"],
            answer.head.substr(at, answer.head.find(';', at) - at)};
  }
  // What a guest with `key` sends; `reported` is the key that its evidence is about.
  Json message(Guest& guest, const Session& session, const crypto::EcKey& key,
               const crypto::EcKey* reported = nullptr) {
    const Json jwk = crypto::ec_public_jwk(key);
    const Json about = crypto::ec_public_jwk(reported ? *reported : key);
    auto data = attest::client::report_data(session.nonce, about, "").value();
    Evidence evidence = guest.evidence(data).value();
    return {{"init-data", nullptr},
            {"runtime-data", {{"nonce", session.nonce}, {"tee-pubkey", jwk}}},
            {"tee-evidence",
             {{"primary_evidence", Json::parse(evidence_to_json(evidence).value())},
              {"additional_evidence", ""}}}};
  }
  RawClient::Answer attest(const Session& session, const std::string& body,
                           const std::string& from = "127.0.0.1") {
    RawClient client(broker_->port(), from);
    return client.post("/kbs/v0/attest", body, "Cookie: " + session.cookie + "\r\n");
  }
  RawClient::Answer get(const std::string& header, const std::string& resource = kResource,
                        const std::string& from = "127.0.0.1") {
    RawClient client(broker_->port(), from);
    return client.get("/kbs/v0/resource/" + resource, header + "\r\n");
  }

  // The newest entry that is no change of the owner's.
  Json newest(const std::string& id = "workload-1") {
    auto text = broker_audit(access(), id);
    EXPECT_TRUE(text.ok()) << text.error().describe();
    const Json audit = text.ok() ? Json::parse(*text) : Json::array();
    for (const Json& entry : audit) {
      if (entry["decision"] == "refused" || entry["decision"] == "allowed") return entry;
    }
    return {};
  }
  void expect_audited(const std::string& reason, const std::string& id = "workload-1") {
    const Json entry = newest(id);
    ASSERT_TRUE(entry.is_object());
    EXPECT_EQ(entry["decision"], "refused");
    EXPECT_EQ(entry["reason"], reason);
  }

  static inline const std::string kResource = "default/disk-key/workload-1";
  crypto::EcKey mine_ = crypto::EcKey::generate(crypto::Curve::p256).value();
};

inline void expect_status(const RawClient::Answer& answer, int status, std::string_view words) {
  EXPECT_EQ(answer.status, status) << answer.body;
  EXPECT_THAT(answer.body, ::testing::HasSubstr(std::string(words)));
  EXPECT_THAT(answer.body, ::testing::Not(::testing::HasSubstr("ciphertext")));
}

}  // namespace bartizan::test
