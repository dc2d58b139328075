// Somebody between guest and broker: takes the guest's evidence for a key of its own, or answers in
// the broker's place.
#include "attacks/attack.hpp"

namespace bartizan::test {
namespace {

using Relay = Attack;

// The evidence is genuine and fresh; the key beside it is the thief's.
TEST_F(Relay, EvidenceForAnotherKey) {
  Guest one = guest(1);
  const auto thief = crypto::EcKey::generate(crypto::Curve::p256).value();
  const Session session = open();
  expect_status(attest(session, message(one, session, thief, &mine_).dump()), 401, "report_data");
  expect_audited("report_data");
  expect_status(get("Cookie: " + session.cookie), 401, "no session");
}

// The nonce goes to a guest elsewhere, whose evidence is about its own session.
TEST_F(Relay, EvidenceForAnotherSession) {
  Guest one = guest(1);
  const Session theirs = open(), ours = open();
  Json body = message(one, theirs, mine_);
  body["runtime-data"]["nonce"] = ours.nonce;
  expect_status(attest(ours, body.dump()), 401, "report_data");
  expect_audited("report_data");
}

// A certificate that all browsers believe is no certificate of the manifest's authority.
TEST_F(Relay, ManInTheMiddleWithAnotherAuthority) {
  BrokerOptions options;
  options.state = folder_ / "middle";
  options.port = 0;
  auto middle = Broker::start(std::move(options));
  ASSERT_TRUE(middle.ok()) << middle.error().describe();
  Guest one = guest(1);
  expect_refused(request_key({middle->url(), broker_->ca_pem(), kResource, 5000}, one), "tls");
  EXPECT_FALSE(one.last.has_value()) << "evidence went to the man in the middle";
  auto registered = register_workload({middle->url(), broker_->ca_pem(), token()}, workload(2));
  ASSERT_FALSE(registered.ok());
  EXPECT_EQ(registered.error().reason, "tls");
}

// A broker with the look-alike's registration and key: the guest asks under the manifest's
// authority, so that broker never hears of it; with the host's help alone it is another workload.
TEST_F(Relay, ABrokerThatAnswersForAnotherWorkload) {
  add(workload(2));
  Guest one = guest(1);
  auto other = request(one, "default/disk-key/workload-2");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::permission_denied);
  EXPECT_EQ(newest()["decision"], "refused");
}

}  // namespace
}  // namespace bartizan::test
