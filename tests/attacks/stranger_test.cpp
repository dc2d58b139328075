// Strangers who want the broker to fall over, to forget, or to write what they choose.
#include "attacks/attack.hpp"

namespace bartizan::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using Stranger = Attack;

const char* const kPoison[] = {"'; DROP TABLE workloads; --",
                               "../../../etc/passwd",
                               "..%2f..%2fstore.sqlite",
                               "default/disk-key/workload-1'--",
                               "%00",
                               "\xff\xfe",
                               "\x1b[31mred",
                               "a\"b\\c",
                               "<script>alert(1)</script>",
                               "${jndi:ldap://x}"};

TEST_F(Stranger, SqlAndPathsInEveryParameter) {
  Guest one = guest(1);
  const Session good = open();
  ASSERT_EQ(attest(good, message(one, good, mine_).dump()).status, 200);
  for (std::string poison : kPoison) {
    SCOPED_TRACE(poison);
    // As a path: blanks and control characters are no part of one, and are refused as such.
    auto resource = get("Cookie: " + good.cookie, poison);
    EXPECT_TRUE(resource.status == 0 || (resource.status >= 400 && resource.status < 500))
        << resource.status;
    auto cookie = get("Cookie: kbs-session-id=" + poison);
    EXPECT_TRUE(cookie.status == 0 || cookie.status == 400 || cookie.status == 401);
    RawClient client(broker_->port());
    auto auth = client.post("/kbs/v0/auth",
                            R"({"version":"0.4.0","extra-params":"","tee":")" + poison + R"("})");
    EXPECT_EQ(auth.status / 100, 4);
    Guest again = guest(1);
    const Session session = open();
    Json body = message(again, session, mine_);
    std::string text = body.dump();
    const size_t at = text.find(session.nonce);
    text.replace(at, session.nonce.size(), poison);
    EXPECT_EQ(attest(session, text).status / 100, 4);
    auto shown = show_workload(access(), poison);
    EXPECT_FALSE(shown.ok());
    EXPECT_FALSE(unregister_workload(access(), poison).ok());
  }
  EXPECT_EQ(Json::parse(list_workloads(access()).value()).size(), 1u);
  std::lock_guard lock(mutex_);
  EXPECT_THAT(log_, Not(HasSubstr("\x1b")));
}

// A name that nobody would register, and an owner's list that still can be read.
TEST_F(Stranger, PoisonedNamesAreNotRegistered) {
  for (const char* poison : kPoison) {
    Workload named = workload(7);
    named.id = poison;
    auto added = register_workload(access(), named);
    ASSERT_FALSE(added.ok()) << poison;
    EXPECT_EQ(added.error().code, ErrorCode::invalid_argument) << poison;
  }
}

TEST_F(Stranger, MessagesThatAreCutOrTooLong) {
  Guest one = guest(1);
  const std::string whole = message(one, open(), mine_).dump();
  for (size_t size : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 1}) {
    const Session session = open();
    EXPECT_EQ(attest(session, whole.substr(0, size)).status / 100, 4) << size;
  }
  RawClient client(broker_->port());
  ASSERT_TRUE(
      client.send("POST /kbs/v0/attest HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n"));
  EXPECT_EQ(client.receive().status, 413);
  const Session session = open();
  EXPECT_EQ(attest(session, std::string(200'000, '[')).status / 100, 4);
}

// Whoever sends slowly holds its own connection.
TEST_F(Stranger, SlowSendersHoldNobody) {
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 40; ++i) {
    slow.push_back(std::make_unique<RawClient>(broker_->port(), "127.0.0.3"));
    ASSERT_TRUE(slow.back()->send("POST /kbs/v0/attest HTTP/1.1\r\nContent-Length: 500\r\n\r\n{"));
  }
  Guest one = guest(1);
  EXPECT_TRUE(request(one, kResource).ok());
}

TEST_F(Stranger, FiveAddressesThatOpenSessions) {
  const Session mine = open();
  for (int address = 2; address < 7; ++address) {
    for (int i = 0; i < 50; ++i) open("bartizan-simulated", "127.0.0." + std::to_string(address));
  }
  Guest one = guest(1);
  EXPECT_EQ(attest(mine, message(one, mine, mine_).dump()).status, 200);
}

// Refusals are counted, and displace neither releases nor what the owner did.
TEST_F(Stranger, FloodingTheAudit) {
  Guest one = guest(1);
  ASSERT_TRUE(request(one, kResource).ok());
  for (int i = 0; i < 30; ++i) {
    Guest bad = guest(1);
    bad.measurement.fill(static_cast<uint8_t>(i));
    if (i == 0x77) continue;
    ASSERT_FALSE(request(bad, kResource).ok());
  }
  const Json audit = Json::parse(broker_audit(access(), "workload-1").value());
  int allowed = 0, registered = 0;
  for (const Json& entry : audit) {
    allowed += entry["decision"] == "allowed";
    registered += entry["decision"] == "registered";
  }
  EXPECT_EQ(allowed, 1);
  EXPECT_EQ(registered, 1);
  EXPECT_TRUE(verify_audit(folder_ / "state").ok());
}

TEST_F(Stranger, TwoBrokersOnOneStore) {
  BrokerOptions options;
  options.state = folder_ / "state";
  options.port = 0;
  auto second = Broker::start(std::move(options));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
}

}  // namespace
}  // namespace bartizan::test
