// The host recorded a launch and plays it again: evidence, nonce, token, cookie.
#include "attacks/attack.hpp"

namespace bartizan::test {
namespace {

using Replay = Attack;

TEST_F(Replay, EvidenceOfAnEarlierLaunch) {
  Guest recorded = guest(1);
  ASSERT_TRUE(request(recorded, kResource).ok());
  recorded.replay = true;
  expect_refused(request(recorded, kResource), "report_data");
  expect_audited("report_data");
}

TEST_F(Replay, AWholeMessageInItsOwnSession) {
  Guest one = guest(1);
  const Session session = open();
  const std::string body = message(one, session, mine_).dump();
  EXPECT_EQ(attest(session, body).status, 200);
  expect_status(attest(session, body), 401, "nonce was used");
}

TEST_F(Replay, ANonceOfAnotherSession) {
  Guest one = guest(1);
  const Session first = open(), second = open();
  expect_status(attest(second, message(one, first, mine_).dump()), 401, "nonce");
  expect_status(attest(second, message(one, second, mine_).dump()), 401, "nonce was used");
}

// A token is worth what its session is worth, and only the broker makes one.
TEST_F(Replay, TokensThatAreNone) {
  Guest one = guest(1);
  const Session session = open();
  const std::string token =
      Json::parse(attest(session, message(one, session, mine_).dump()).body)["token"];
  ASSERT_EQ(get("Authorization: Bearer " + token).status, 200);
  const size_t first = token.find('.'), last = token.rfind('.');
  const std::string none = to_base64(as_bytes(R"({"alg":"none","typ":"JWT"})"), Base64::url);
  std::string damaged = token;
  damaged[first + 5] = damaged[first + 5] == 'A' ? 'B' : 'A';
  for (const std::string& forged :
       {none + token.substr(first, last - first + 1), none + token.substr(first), damaged,
        token.substr(0, last), std::string("."), std::string("..")}) {
    SCOPED_TRACE(forged);
    expect_status(get("Authorization: Bearer " + forged), 401, "no session");
  }
  ASSERT_TRUE(unregister_workload(access(), "workload-1").ok());
  expect_status(get("Authorization: Bearer " + token), 401, "attest again");
  add(workload(1));
}

// The cookie opens the resource, sealed to the guest's key: whoever stole it holds a box.
TEST_F(Replay, AStolenCookieGivesASealedBox) {
  Guest one = guest(1);
  const Session session = open();
  ASSERT_EQ(attest(session, message(one, session, mine_).dump()).status, 200);
  auto stolen = get("Cookie: " + session.cookie, kResource, "127.0.0.9");
  EXPECT_EQ(stolen.status, 200);
  EXPECT_THAT(stolen.body, ::testing::Not(::testing::HasSubstr("the key of")));
  const auto thief = crypto::EcKey::generate(crypto::Curve::p256).value();
  EXPECT_FALSE(crypto::jwe_decrypt(thief, stolen.body).ok());
  EXPECT_EQ(crypto::jwe_decrypt(mine_, stolen.body).value().view(), "the key of workload-1");
}

}  // namespace
}  // namespace bartizan::test
