// What decides about peers before anything is spent on them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/broker/fair_table.hpp"
#include "attest/https/admission.hpp"
#include "attest/https/fair_share.hpp"
#include "attest/https/peer_address.hpp"
#include "attest/https/rate_limit.hpp"
#include "attest/https/request_reader.hpp"
#include "attest/https/worker_pool.hpp"

namespace bartizan::attest {
namespace {

using https::Admission;
using https::AdmissionLimits;
using https::parse_address_prefix;
using https::parse_peer_address;
using https::PeerAddress;
using https::RateLimit;
using ::testing::HasSubstr;
using Verdict = Admission::Verdict;

PeerAddress peer(std::string_view text) {
  return parse_peer_address(text).value();
}

TEST(PeerAddresses, AreReadAndWritten) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::1", "0.0.0.0"})
    EXPECT_EQ(peer(text).text(), text);
  EXPECT_EQ(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
  for (const char* text :
       {"", "localhost", "192.0.2", "192.0.2.256", "fe80::1%eth0", "1.2.3.4:5", "[::1]", " ::1",
        "0x7f.1", "0000:0000:0000:0000:0000:0000:0000:00000001"})
    EXPECT_FALSE(parse_peer_address(text)) << text;
}

TEST(PeerAddresses, ANetworkOfIpv6IsOnePeer) {
  EXPECT_EQ(peer("2001:db8:1:2:3::1").group(), peer("2001:db8:1:2:ffff::9").group());
  EXPECT_NE(peer("2001:db8:1:2::1").group(), peer("2001:db8:1:3::1").group());
  EXPECT_NE(peer("192.0.2.1").group(), peer("192.0.2.2").group());
  EXPECT_EQ(https::group_of("2001:db8:1:2:3::1"), "2001:db8:1:2::");
  EXPECT_EQ(https::group_of("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(https::group_of("somewhere"), "somewhere");
}

TEST(PeerAddresses, Prefixes) {
  EXPECT_TRUE(parse_address_prefix("10.0.0.0/8").value().contains(peer("10.9.9.9")));
  EXPECT_FALSE(parse_address_prefix("10.0.0.0/8").value().contains(peer("11.0.0.1")));
  EXPECT_TRUE(parse_address_prefix("fd00::/8").value().contains(peer("fdff::1")));
  EXPECT_TRUE(parse_address_prefix("192.0.2.1").value().contains(peer("192.0.2.1")));
  EXPECT_FALSE(parse_address_prefix("192.0.2.1").value().contains(peer("192.0.2.2")));
  EXPECT_FALSE(parse_address_prefix("0.0.0.0/0").value().contains(peer("::1")));
  EXPECT_TRUE(parse_address_prefix("::/0").value().contains(peer("::1")));
  for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                          "10.0.0.1/8", "fd00::1/8", "::/129", "proxy", "10.0.0.0/8/8"}) {
    auto prefix = parse_address_prefix(bad);
    ASSERT_FALSE(prefix.ok()) << bad;
    EXPECT_EQ(prefix.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(prefix.error().message, HasSubstr("\"" + std::string(bad) + "\""));
  }
}

TEST(RequestRate, EachAddressHasItsOwn) {
  RateLimit limit(10, 20);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(limit.allow(peer("192.0.2.1"), 0));
  EXPECT_FALSE(limit.allow(peer("192.0.2.1"), 0));
  EXPECT_TRUE(limit.allow(peer("192.0.2.2"), 0));
  EXPECT_TRUE(limit.allow(peer("192.0.2.1"), 100));  // a tenth of a second, a tenth of ten
  EXPECT_FALSE(limit.allow(peer("192.0.2.1"), 100));
  EXPECT_FALSE(limit.allow(peer("192.0.2.1"), 0));  // a clock that steps back gives nothing
}

TEST(RequestRate, ManyAddressesDoNotMakeItGrow) {
  RateLimit limit(1, 1);
  PeerAddress one = peer("2001:db8::");
  for (size_t i = 0; i < 2 * https::kMaxRatedGroups; ++i) {
    one.bytes[4] = static_cast<uint8_t>(i >> 8);
    one.bytes[5] = static_cast<uint8_t>(i);
    limit.allow(one, static_cast<int64_t>(i));
  }
  EXPECT_EQ(limit.group_count(), https::kMaxRatedGroups);
}

TEST(ConnectionAdmission, CountsEachAddressAndAll) {
  AdmissionLimits limits;
  limits.connections = 4;
  limits.connections_per_address = 2;
  limits.trusted_proxies = {parse_address_prefix("192.0.2.9").value()};
  Admission admission(limits);
  EXPECT_EQ(admission.enter(peer("2001:db8::1"), 0), Verdict::admitted);
  EXPECT_EQ(admission.enter(peer("2001:db8::2"), 0), Verdict::admitted);
  EXPECT_EQ(admission.enter(peer("2001:db8::3"), 0), Verdict::address_full);
  EXPECT_EQ(admission.enter(peer("192.0.2.9"), 0), Verdict::admitted);
  EXPECT_EQ(admission.enter(peer("192.0.2.9"), 0), Verdict::admitted);
  EXPECT_EQ(admission.enter(peer("192.0.2.9"), 0), Verdict::all_taken);  // a proxy too
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), Verdict::all_taken);
  admission.leave(peer("2001:db8::2"));
  EXPECT_EQ(admission.connections(), 3u);
  EXPECT_EQ(admission.enter(peer("2001:db8::3"), 0), Verdict::admitted);
}

TEST(ConnectionAdmission, AProxyIsBoundByAllAlone) {
  AdmissionLimits limits;
  limits.connections_per_address = 1;
  limits.burst = 1;
  limits.trusted_proxies = {parse_address_prefix("192.0.2.9").value()};
  Admission admission(limits);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(admission.enter(peer("192.0.2.9"), 0), Verdict::admitted);
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), Verdict::admitted);
  admission.leave(peer("192.0.2.1"));
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), Verdict::too_fast);
}

TEST(ConnectionAdmission, LargeBodiesAreFew) {
  AdmissionLimits limits;
  limits.large_bodies = 3;
  limits.large_bodies_per_address = 2;
  Admission admission(limits);
  for (const char* text : {"192.0.2.1", "192.0.2.2", "192.0.2.3"})
    ASSERT_EQ(admission.enter(peer(text), 0), Verdict::admitted);
  EXPECT_TRUE(admission.take_large_body(peer("192.0.2.1")));
  EXPECT_TRUE(admission.take_large_body(peer("192.0.2.1")));
  EXPECT_FALSE(admission.take_large_body(peer("192.0.2.1")));
  EXPECT_TRUE(admission.take_large_body(peer("192.0.2.2")));
  EXPECT_FALSE(admission.take_large_body(peer("192.0.2.3")));
  admission.give_large_body(peer("192.0.2.1"));
  EXPECT_TRUE(admission.take_large_body(peer("192.0.2.3")));
}

TEST(FairShare, LeavesRoomForWhoHoldsNone) {
  size_t used = 0;
  for (int owner = 0; owner < 100; ++owner) {
    size_t own = 0;
    while (https::within_fair_share(own, used, 10'000, 16)) {
      own += 1;
      used += 1;
    }
    EXPECT_GT(own, 0u);
  }
  EXPECT_LT(used, 10'000u);
  EXPECT_FALSE(https::within_fair_share(0, 10, 10, 16));
}

TEST(FairTables, WhoMakesManyPushesOutItsOwn) {
  broker::FairTable<int> table(4);
  table.put("a1", "a", 100, 1, 0);
  for (int i = 0; i < 50; ++i) table.put("b" + std::to_string(i), "b", 100 + i, i, 0);
  EXPECT_EQ(table.size(), 4u);
  ASSERT_NE(table.find("a1", 0), nullptr);
  EXPECT_EQ(*table.find("a1", 0), 1);
  EXPECT_NE(table.find("b49", 0), nullptr);
  EXPECT_EQ(table.find("b40", 0), nullptr);
  EXPECT_EQ(table.find("a1", 100), nullptr) << "expired";
  table.put("a1", "a", 300, 2, 250);  // all others have expired
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(*table.find("a1", 250), 2);
  table.erase("a1");
  table.erase("a1");
  EXPECT_EQ(table.size(), 0u);
}

TEST(Workers, TakeTurnsAmongThoseWhoWait) {
  auto pool = https::WorkerPool::start(1, 100).value();
  Mutex mutex;
  Condition changed;
  bool begun = false, go = false;
  std::string order;
  auto log = [&](char who) {
    return [&, who] {
      MutexLock lock(mutex);
      order += who;
      changed.notify_all();
    };
  };
  ASSERT_TRUE(pool->post(peer("192.0.2.1"), [&] {
    MutexLock lock(mutex);
    begun = true;
    changed.notify_all();
    while (!go) changed.wait(lock);
  }));
  {
    MutexLock lock(mutex);
    while (!begun) changed.wait(lock);
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pool->post(peer("192.0.2.1"), log('a')));
  ASSERT_TRUE(pool->post(peer("192.0.2.2"), [] { throw std::runtime_error("costs itself"); }));
  ASSERT_TRUE(pool->post(peer("192.0.2.2"), log('b')));
  EXPECT_EQ(pool->queued(), 22u);
  MutexLock lock(mutex);
  go = true;
  changed.notify_all();
  while (order.size() < 21) changed.wait(lock);
  EXPECT_EQ(order.substr(0, 3), "aab");  // after two of the other's, not after twenty
}

TEST(Workers, TheQueueIsBoundedForEach) {
  auto pool = https::WorkerPool::start(1, 8).value();
  Mutex mutex;
  Condition changed;
  bool begun = false, go = false;
  ASSERT_TRUE(pool->post(peer("192.0.2.1"), [&] {
    MutexLock lock(mutex);
    begun = true;
    changed.notify_all();
    while (!go) changed.wait(lock);
  }));
  {
    MutexLock lock(mutex);
    while (!begun) changed.wait(lock);
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(pool->post(peer("192.0.2.1"), [] {}));
  EXPECT_FALSE(pool->post(peer("192.0.2.1"), [] {}));
  EXPECT_TRUE(pool->post(peer("192.0.2.2"), [] {}));
  {
    MutexLock lock(mutex);
    go = true;
    changed.notify_all();
  }
  pool->stop();
  EXPECT_FALSE(pool->post(peer("192.0.2.2"), [] {}));
}

// Proxies in a row each add a line to a list; what frames a request or proves who sends it comes
// once.
TEST(RequestHeads, ListsMayComeInParts) {
  const auto read = [](const std::string& headers) {
    https::RequestReader reader;
    const std::string text = "GET / HTTP/1.1\r\n" + headers + "\r\n";
    Bytes input(text.begin(), text.end());
    auto step = reader.parse(input);
    return step.ok() && *step == https::RequestReader::Step::whole
               ? std::optional<https::ServedRequest>(reader.take())
               : std::nullopt;
  };
  auto joined = read(
      "Host: a\r\nVia: 1.1 x\r\nvia: 1.1 y\r\nCookie: a=b\r\nCookie: c=d\r\n"
      "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n");
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->header("via"), "1.1 x, 1.1 y");
  EXPECT_EQ(joined->header("cookie"), "a=b; c=d");
  EXPECT_EQ(joined->header("x-forwarded-for"), "192.0.2.1, 192.0.2.2");
  for (const char* twice : {"Content-Length: 0\r\n", "Host: a\r\n", "Authorization: Bearer x\r\n",
                            "Content-Type: text/plain\r\n", "Transfer-Encoding: chunked\r\n"})
    EXPECT_FALSE(read(std::string(twice) + twice)) << twice;
}

}  // namespace
}  // namespace bartizan::attest
