// The whole key release over loopback TLS, and everything that must stop it.
#include "attest/exchange.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "attest/raw_client.hpp"
#include "base/json.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Exchange : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    add(workload(1));
  }
  const std::string resource_ = "default/disk-key/workload-1";
};

TEST_F(Exchange, ReleasesTheKeyToTheRightWorkload) {
  Guest one = guest(1);
  auto key = request(one, resource_);
  ASSERT_TRUE(key.ok()) << key.error().describe();
  EXPECT_EQ(key->view(), "the key of workload-1");
  EXPECT_TRUE(request(one, resource_).ok());  // a second launch gets it too, with its own nonce
}

TEST_F(Exchange, ManyGuestsAtOnce) {
  std::atomic<int> released = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Guest one = guest(1);
      released += request(one, resource_).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(released, 8);
}

// What kept every guest waiting for ten seconds: connections that say nothing, before and after TLS,
// and one that sends its request byte by byte.
TEST_F(Exchange, SilentPeersKeepNoGuestWaiting) {
  const auto seconds_of_one = [&] {
    const auto start = std::chrono::steady_clock::now();
    Guest one = guest(1);
    auto key = request(one, resource_);
    EXPECT_TRUE(key.ok()) << key.error().describe();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const double undisturbed = seconds_of_one();
  std::vector<UniqueFd> silent;
  std::vector<RawClient> idle;
  for (int i = 0; i < 100; ++i) silent.push_back(raw_connect(broker_->port(), "127.0.0.2"));
  for (int i = 0; i < 50; ++i) idle.emplace_back(broker_->port(), "127.0.0.2");
  RawClient slow(broker_->port(), "127.0.0.2");
  ASSERT_TRUE(slow.send("POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{"));
  EXPECT_LT(seconds_of_one(), 9 + 10 * undisturbed);  // a busy machine is slow before, too
}

// Strangers may open sessions without end: the guest's nonce is still good.
TEST_F(Exchange, NobodyCanPushOutASession) {
  RawClient guest_client(broker_->port());
  const std::string auth = R"({"version":"0.4.0","tee":"bartizan-simulated","extra-params":""})";
  RawClient::Answer challenge = guest_client.post("/kbs/v0/auth", auth);
  ASSERT_EQ(challenge.status, 200);
  size_t from = challenge.head.find("kbs-session-id=");
  std::string cookie = challenge.head.substr(from, challenge.head.find(';', from) - from);
  for (int address = 2; address < 7; ++address) {
    RawClient stranger(broker_->port(), "127.0.0." + std::to_string(address));
    for (int i = 0; i < 900; ++i) ASSERT_EQ(stranger.post("/kbs/v0/auth", auth).status, 200);
  }
  // The nonce is taken, as by a guest; only then is the (empty) message refused.
  cookie = "Cookie: " + cookie + "\r\n";
  RawClient again(broker_->port());  // the other may have idled for too long by now
  RawClient::Answer attest = again.post("/kbs/v0/attest", "{}", cookie);
  EXPECT_EQ(attest.status, 401);
  EXPECT_THAT(attest.body, Not(HasSubstr("nonce was used")));
  attest = again.post("/kbs/v0/attest", "{}", cookie);
  EXPECT_THAT(attest.body, HasSubstr("nonce was used"));
}

TEST_F(Exchange, ASecondBrokerOnTheSameStateIsRefused) {
  BrokerOptions options;
  options.state = folder_ / "state";
  options.port = 0;
  auto second = Broker::start(options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().message, HasSubstr("another broker serves from it"));
  Guest one = guest(1);
  EXPECT_TRUE(request(one, resource_).ok());
}

TEST_F(Exchange, OldEvidenceIsRefused) {
  Guest one = guest(1);
  ASSERT_TRUE(request(one, resource_).ok());
  one.replay = true;
  auto again = request(one, resource_);
  expect_refused(again, "report_data");
  EXPECT_EQ(again.error().expected.size(), 128u);
  EXPECT_NE(again.error().expected, again.error().got);
}

TEST_F(Exchange, OtherMeasurementIsRefused) {
  Guest one = guest(1);
  one.measurement.fill(0x78);
  auto key = request(one, resource_);
  expect_refused(key, "measurement");
  EXPECT_THAT(key.error().expected, HasSubstr(std::string(96, '7')));
  EXPECT_THAT(key.error().got, HasSubstr("7878"));
}

TEST_F(Exchange, UnknownWorkloadDigestIsRefused) {
  Guest look_alike = guest(9);
  expect_refused(request(look_alike, resource_), "host_data");
}

TEST_F(Exchange, ResourceOfAnotherWorkloadIsRefused) {
  add(workload(2));
  Guest two = guest(2);
  ASSERT_TRUE(request(two, "default/disk-key/workload-2").ok());
  auto key = request(two, resource_);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().code, ErrorCode::permission_denied);
  EXPECT_THAT(key.error().describe(), Not(HasSubstr("the key of")));
}

TEST_F(Exchange, SimulatedEvidenceNeedsPermission) {
  Workload strict = workload(3);
  strict.allow_simulated = false;
  add(strict);
  Guest three = guest(3);
  expect_refused(request(three, strict.resource), "simulated");
  three.claimed = Tee::snp;  // the same, with a lie on top
  expect_refused(request(three, strict.resource), "simulated");
}

TEST_F(Exchange, RefusalsByContent) {
  struct Case {
    const char* reason;
    std::function<void(attest::evidence::SnpReport&)> bend;
  };
  const Case cases[] = {
      {"debug",
       [](attest::evidence::SnpReport& report) {
         report.policy |= attest::evidence::kPolicyDebug;
       }},
      {"policy",
       [](attest::evidence::SnpReport& report) {
         report.policy |= attest::evidence::kPolicyMigrationAgent;
       }},
      {"vmpl", [](attest::evidence::SnpReport& report) { report.vmpl = 1; }},
      {"tcb",
       [](attest::evidence::SnpReport& report) { report.reported_tcb -= uint64_t{1} << 56; }},
      {"certificate_chain", [](attest::evidence::SnpReport& report) { report.chip_id[0] ^= 1; }},
  };
  for (const Case& one : cases) {
    Guest bent = guest(1);
    bent.bend = one.bend;
    expect_refused(request(bent, resource_), one.reason);
  }
}

TEST_F(Exchange, MinimumTcbIsDemandedInEachComponent) {
  Workload strict = workload(4);
  attest::evidence::TcbVersion tcb = attest::evidence::TcbVersion::decode(
      signer_->report_template().reported_tcb, attest::evidence::Product::milan);
  strict.minimum_tcb = tcb.encode(attest::evidence::Product::milan);
  add(strict);
  Guest four = guest(4);
  EXPECT_TRUE(request(four, strict.resource).ok());
  tcb.bootloader += 1;
  tcb.microcode = 0;
  strict.minimum_tcb = tcb.encode(attest::evidence::Product::milan);
  add(strict, /*replace=*/true);
  expect_refused(request(four, strict.resource), "tcb");
}

TEST_F(Exchange, AuditTellsTheOwnerWhatWasDecided) {
  Guest one = guest(1);
  ASSERT_TRUE(request(one, resource_).ok());
  one.measurement.fill(0x11);
  ASSERT_FALSE(request(one, resource_).ok());
  auto text = broker_audit(access(), "workload-1");
  ASSERT_TRUE(text.ok()) << text.error().describe();
  EXPECT_THAT(*text, Not(HasSubstr("the key of")));
  auto audit = parse_json(*text, "audit");
  ASSERT_TRUE(audit.ok());
  ASSERT_EQ(audit->size(), 3u);
  EXPECT_EQ((*audit)[0]["decision"], "refused");
  EXPECT_EQ((*audit)[0]["reason"], "measurement");
  EXPECT_EQ((*audit)[1]["decision"], "allowed");
  EXPECT_EQ((*audit)[2]["decision"], "registered");
  auto evidence = evidence_from_json((*audit)[0]["evidence"].dump(), Tee::simulated);
  ASSERT_TRUE(evidence.ok());
  EXPECT_EQ(evidence->report, one.last->report);
}

TEST_F(Exchange, WrongAuthority) {
  char name[] = "/tmp/bartizan-other-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  std::string other_ca;
  {
    BrokerOptions options;
    options.state = name;
    options.port = 0;
    auto other = Broker::start(std::move(options));
    ASSERT_TRUE(other.ok()) << other.error().describe();
    other_ca = other->ca_pem();
  }
  std::filesystem::remove_all(name);
  Guest one = guest(1);
  expect_refused(request_key({broker_->url(), other_ca, resource_, 5000}, one), "tls");
  auto added = register_workload({broker_->url(), other_ca, token()}, workload(5));
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().reason, "tls");
  EXPECT_FALSE(one.last.has_value());  // no evidence went out
}

TEST_F(Exchange, CertificateForAnotherName) {
  BrokerOptions options;
  options.state = folder_ / "named";
  options.port = 0;
  options.address = "0.0.0.0";  // another one would be in the certificate
  options.tls_names = {"broker.example", "10.0.2.2"};
  auto named = Broker::start(std::move(options));
  ASSERT_TRUE(named.ok()) << named.error().describe();
  Guest one = guest(1);
  expect_refused(request_key({named->url(), named->ca_pem(), resource_, 5000}, one), "tls");
  std::string by_name = "https://localhost:" + std::to_string(named->port());
  expect_refused(request_key({by_name, named->ca_pem(), resource_, 5000}, one), "tls");
}

TEST_F(Exchange, NamesAreAsGoodAsAddresses) {
  Guest one = guest(1);
  std::string url = "https://localhost:" + std::to_string(broker_->port());
  auto key = request_key({url, broker_->ca_pem(), resource_, 5000}, one);
  EXPECT_TRUE(key.ok()) << key.error().describe();
}

TEST_F(Exchange, UnreachableNamesUrlAndErrno) {
  std::string url = broker_->url(), ca = broker_->ca_pem();
  broker_->stop();
  Guest one = guest(1);
  auto key = request_key({url, ca, resource_, 1000}, one);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().code, ErrorCode::io);
  EXPECT_THAT(key.error().message, HasSubstr("the last of 2 tries"));
  EXPECT_EQ(key.error().os_errno, ECONNREFUSED);
  EXPECT_THAT(key.error().message, HasSubstr(url));
}

TEST_F(Exchange, WrongAdminToken) {
  BrokerAccess wrong{broker_->url(), broker_->ca_pem(),
                     SecretBytes::from_string(std::string(64, '0'))};
  auto added = register_workload(wrong, workload(6));
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, ErrorCode::permission_denied);
  auto audit = broker_audit(wrong, "workload-1");
  ASSERT_FALSE(audit.ok());
  EXPECT_EQ(audit.error().code, ErrorCode::permission_denied);
}

TEST_F(Exchange, PortInUse) {
  BrokerOptions options;
  options.state = folder_ / "second";
  options.port = broker_->port();
  auto second = Broker::start(std::move(options));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_EQ(second.error().os_errno, EADDRINUSE);
}

TEST_F(Exchange, TlsNamesAreNamesOnly) {
  for (const char* name : {"", "a,DNS:b", "a b", "@section"}) {
    BrokerOptions options;
    options.state = folder_ / "named";
    options.port = 0;
    options.tls_names = {name};
    auto named = Broker::start(std::move(options));
    ASSERT_FALSE(named.ok()) << name;
    EXPECT_EQ(named.error().code, ErrorCode::invalid_argument) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "named"));
}

TEST_F(Exchange, RestartKeepsEverything) {
  std::string ca = broker_->ca_pem();
  broker_.reset();
  BrokerOptions options;
  options.state = folder_ / "state";
  options.port = 0;
  auto again = Broker::start(std::move(options));
  ASSERT_TRUE(again.ok()) << again.error().describe();
  broker_.emplace(std::move(*again));
  EXPECT_EQ(broker_->ca_pem(), ca);
  Guest one = guest(1);
  auto key = request(one, resource_);
  ASSERT_TRUE(key.ok()) << key.error().describe();
}

TEST_F(Exchange, StateIsForItsOwnerAlone) {
  namespace fs = std::filesystem;
  auto mode = [](const fs::path& path) { return fs::status(path).permissions() & fs::perms::all; };
  EXPECT_EQ(mode(folder_ / "state"), fs::perms::owner_all);
  for (const char* name : {"admin.token", "tls.key", "store.sqlite"}) {
    EXPECT_EQ(mode(folder_ / "state" / name), fs::perms::owner_read | fs::perms::owner_write)
        << name;
  }
}

TEST_F(Exchange, DamagedStoreIsCorrupt) {
  std::filesystem::path state = folder_ / "damaged";
  std::filesystem::create_directory(state);
  std::ofstream(state / "store.sqlite") << std::string(8192, 'x');
  BrokerOptions options;
  options.state = state;
  options.port = 0;
  auto damaged = Broker::start(std::move(options));
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::corrupt) << damaged.error().describe();
}

TEST_F(Exchange, AnotherIdMayNotTakeADigestOrResource) {
  Workload thief = workload(1);
  thief.id = "thief";
  auto added = register_workload(access(), thief);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, ErrorCode::already_exists);
}

// A server that says nothing: the time limit is for the whole exchange.
TEST_F(Exchange, SilentPeerTimesOut) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  socklen_t size = sizeof address;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  Guest one = guest(1);
  std::string url = "https://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  auto key = request_key({url, broker_->ca_pem(), resource_, 200}, one);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().code, ErrorCode::timed_out);
}

TEST_F(Exchange, LogNeverHoldsTheKey) {
  Guest one = guest(1);
  ASSERT_TRUE(request(one, resource_).ok());
  one.measurement.fill(3);
  ASSERT_FALSE(request(one, resource_).ok());
  std::lock_guard lock(mutex_);
  EXPECT_THAT(log_, HasSubstr("measurement"));
  EXPECT_THAT(log_, Not(HasSubstr("the key of")));
}

}  // namespace
}  // namespace bartizan::test
