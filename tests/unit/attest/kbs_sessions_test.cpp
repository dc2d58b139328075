// Sessions that the broker does not remember, and nonces that serve once all the same.
#include "attest/broker/kbs_sessions.hpp"

#include <gtest/gtest.h>

#include <set>

namespace bartizan::attest::broker {
namespace {

KbsSession attest_as(KbsSessions& sessions, const std::string& id, int64_t now,
                     const std::string& workload) {
  KbsSession session = sessions.consume(id, now).value().value();
  session.workload_id = workload;
  sessions.bind(id, session);
  return session;
}

// A stranger may open as many as it likes.
TEST(KbsSessionsTest, NobodyCanPushOutASession) {
  KbsSessions sessions = KbsSessions::create(4, 64).value();
  auto first = sessions.open(Tee::snp, 0).value();
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) ids.insert(sessions.open(Tee::snp, 1).value().id);
  EXPECT_EQ(ids.size(), 10'000u);
  auto session = sessions.consume(first.id, 2).value();
  ASSERT_TRUE(session.has_value());
  EXPECT_EQ(session->nonce, first.nonce);
  EXPECT_EQ(session->tee, Tee::snp);
  EXPECT_EQ(first.nonce.size(), 44u);
}

TEST(KbsSessionsTest, ANonceServesOnceAndNotForEver) {
  KbsSessions sessions = KbsSessions::create().value();
  auto one = sessions.open(Tee::simulated, 100).value();
  EXPECT_FALSE(sessions.attested(one.id, 100).has_value());
  EXPECT_TRUE(sessions.consume(one.id, 100).value().has_value());
  EXPECT_FALSE(sessions.consume(one.id, 100).value().has_value());
  auto late = sessions.open(Tee::simulated, 100).value();
  EXPECT_FALSE(sessions.consume(late.id, 100 + kKbsSessionSeconds).value().has_value());
  EXPECT_TRUE(sessions.consume(late.id, 99 + kKbsSessionSeconds).value().has_value());
  EXPECT_FALSE(sessions.attested(late.id, 100).has_value()) << "it has not attested";
}

TEST(KbsSessionsTest, OnlyOurOwnCookiesCount) {
  KbsSessions sessions = KbsSessions::create().value();
  KbsSessions other = KbsSessions::create().value();
  auto one = sessions.open(Tee::simulated, 0).value();
  EXPECT_FALSE(other.consume(one.id, 0).value().has_value());
  for (size_t i = 0; i < one.id.size(); ++i) {
    std::string bent = one.id;
    bent[i] = bent[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(sessions.consume(bent, 0).value().has_value()) << i;
    EXPECT_FALSE(sessions.attested(bent, 0).has_value()) << i;
  }
  for (const char* text : {"", "A", "%%%%"})
    EXPECT_FALSE(sessions.consume(text, 0).value().has_value());
  EXPECT_FALSE(sessions.consume(one.id + "AAAA", 0).value().has_value());
  EXPECT_TRUE(sessions.consume(one.id, 0).value().has_value());
}

TEST(KbsSessionsTest, AnAddressHasAShareOfAttemptsAndNoneIsForgotten) {
  KbsSessions sessions = KbsSessions::create(16, 64).value();
  std::vector<std::string> used;
  while (true) {
    auto one = sessions.open(Tee::simulated, 0).value();
    auto session = sessions.consume(one.id, 0, "192.0.2.1");
    if (!session.ok()) {
      EXPECT_EQ(session.error().code, ErrorCode::resource_exhausted);
      break;
    }
    used.push_back(one.id);
  }
  EXPECT_EQ(used.size(), 4u);  // a 16th of 64
  auto other = sessions.open(Tee::simulated, 0).value();
  EXPECT_TRUE(sessions.consume(other.id, 0, "192.0.2.2").value().has_value());
  for (const std::string& id : used)
    EXPECT_FALSE(sessions.consume(id, 0, "192.0.2.3").value().has_value());
  auto later = sessions.open(Tee::simulated, kKbsSessionSeconds).value();
  EXPECT_TRUE(sessions.consume(later.id, kKbsSessionSeconds, "192.0.2.1").value().has_value());
}

TEST(KbsSessionsTest, AnAttestedSessionLivesFromThenOn) {
  KbsSessions sessions = KbsSessions::create().value();
  auto one = sessions.open(Tee::simulated, 0).value();
  KbsSession session = attest_as(sessions, one.id, 200, "one");
  EXPECT_TRUE(sessions.attested(one.id, 200 + kKbsSessionSeconds - 1).has_value());
  EXPECT_TRUE(sessions.attested_by_token(session.token_id, 200).has_value());
  EXPECT_FALSE(sessions.attested(one.id, 200 + kKbsSessionSeconds).has_value());
  EXPECT_FALSE(sessions.attested(session.token_id, 200).has_value()) << "no cookie";
}

TEST(KbsSessionsTest, AWorkloadWithManyGuestsPushesOutItsOwn) {
  KbsSessions sessions = KbsSessions::create(4).value();
  auto quiet = sessions.open(Tee::simulated, 0).value();
  attest_as(sessions, quiet.id, 0, "quiet");
  auto first = sessions.open(Tee::simulated, 0).value();
  attest_as(sessions, first.id, 0, "busy");
  for (int i = 0; i < 20; ++i) {
    auto more = sessions.open(Tee::simulated, 1).value();
    attest_as(sessions, more.id, 1, "busy");
    EXPECT_TRUE(sessions.attested(more.id, 1).has_value());
  }
  EXPECT_TRUE(sessions.attested(quiet.id, 1).has_value());
  EXPECT_FALSE(sessions.attested(first.id, 1).has_value());
}

}  // namespace
}  // namespace bartizan::attest::broker
