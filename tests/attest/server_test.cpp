// The HTTPS server by itself, under peers that are slow, silent, many or wrong: none of them keeps
// another waiting.
#include "attest/https/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

#include "attest/https/listener.hpp"
#include "attest/raw_client.hpp"
#include "base/errors.hpp"

namespace bartizan::test {
namespace {

using attest::https::HttpsServer;
using attest::https::HttpsServerOptions;
using attest::https::ServedReply;
using attest::https::ServedRequest;
using ::testing::HasSubstr;
using Milliseconds = std::chrono::milliseconds;

// Of what must not be delayed. Alone it takes milliseconds; whoever waited for the others would wait
// for their deadlines, which are a minute where a test does not say otherwise.
constexpr auto kSoon = std::chrono::seconds(30);
HttpsServerOptions patient() {
  HttpsServerOptions options;
  options.handshake = options.request = options.idle = options.linger = std::chrono::minutes(1);
  return options;
}

// "/echo" answers with the body, "/who" with the client's address; "/wait" keeps a worker until
// release(); "/throw" throws.
class Handler : public attest::https::RequestHandler {
 public:
  std::optional<ServedReply> answer_at_once(const ServedRequest& request) override {
    if (request.path == "/healthz") return reply(200, "ok");
    return std::nullopt;
  }
  ServedReply answer(ServedRequest request) override {
    if (request.path == "/throw") throw std::runtime_error("thrown");
    if (request.path == "/wait") {
      std::unique_lock lock(mutex_);
      waiting += 1;
      changed_.wait(lock, [&] { return released_; });
    }
    if (request.path == "/who") return reply(200, request.client.text());
    return reply(200, std::string(as_text(request.body)));
  }
  ServedReply refuse(int status, const Error& error) override {
    return reply(status, error.message);
  }
  void release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::atomic<int> waiting = 0;

 private:
  static ServedReply reply(int status, const std::string& text) {
    return {status, "text/plain", {}, SecretBytes::from_string(text)};
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
};

class HttpsServerTest : public ::testing::Test {
 protected:
  void start(HttpsServerOptions options = patient()) {
    crypto::EcKey key = crypto::EcKey::generate(crypto::Curve::p256).value();
    crypto::CertificateRequest request{
        "test",       std::time(nullptr) - 60, std::time(nullptr) + 3600,
        std::nullopt, {"127.0.0.1"},           {}};
    crypto::Certificate certificate = request.sign(key, nullptr, key).value();
    server_ = HttpsServer::start(attest::https::listen_at("127.0.0.1", 0).value(), certificate, key,
                                 handler_, options)
                  .value();
  }
  void TearDown() override {
    handler_.release();
    server_.reset();
  }
  RawClient client(const std::string& from = "127.0.0.1") { return RawClient(port(), from); }
  uint16_t port() const { return server_->port(); }

  // A whole connection of another address, to the loop and to a worker.
  void expect_prompt() {
    auto start = std::chrono::steady_clock::now();
    RawClient other = client("127.0.0.2");
    ASSERT_TRUE(other.open());
    EXPECT_EQ(other.get("/healthz").status, 200);
    EXPECT_EQ(other.post("/echo", "still here").body, "still here");
    EXPECT_LT(std::chrono::steady_clock::now() - start, kSoon);
  }
  template <typename Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(Milliseconds(10));
    return condition();
  }

  Handler handler_;
  std::unique_ptr<HttpsServer> server_;
};

TEST_F(HttpsServerTest, SpeaksTls13Alone) {
  start();
  RawClient good = client();
  ASSERT_TRUE(good.open());
  EXPECT_EQ(good.version(), TLS1_3_VERSION);
  UniqueFd fd = raw_connect(port());
  std::shared_ptr<SSL_CTX> old(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_max_proto_version(old.get(), TLS1_2_VERSION);
  std::shared_ptr<SSL> session(SSL_new(old.get()), SSL_free);
  SSL_set_fd(session.get(), fd.get());
  EXPECT_NE(SSL_connect(session.get()), 1);
  EXPECT_TRUE(eventually([&] { return server_->counters().failed_handshakes == 1; }));
}

TEST_F(HttpsServerTest, SilentConnectionsKeepNobodyWaiting) {
  start();
  for (int count : {16, 300}) {
    std::vector<UniqueFd> silent;
    for (int i = 0; i < count; ++i) silent.push_back(raw_connect(port()));
    expect_prompt();
  }
}

TEST_F(HttpsServerTest, IdleTlsConnectionsKeepNobodyWaiting) {
  start();
  std::vector<RawClient> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(client());
  for (const RawClient& one : idle) EXPECT_TRUE(one.open());
  expect_prompt();
}

TEST_F(HttpsServerTest, SlowSendersEndAtTheirDeadline) {
  HttpsServerOptions options = patient();
  options.request = Milliseconds(500);
  start(options);
  std::vector<RawClient> slow;
  for (int i = 0; i < 32; ++i) slow.push_back(client());
  for (RawClient& one : slow)
    ASSERT_TRUE(one.send("POST /echo HTTP/1.1\r\nContent-Length: 100\r\n"));
  expect_prompt();
  // A byte now and then prolongs nothing: the time is for the request as a whole.
  for (int i = 0; i < 10; ++i) {
    slow.front().send("x");
    std::this_thread::sleep_for(Milliseconds(100));
  }
  EXPECT_TRUE(slow.front().ended());
  EXPECT_TRUE(eventually([&] { return server_->counters().timed_out == 32; }));
}

TEST_F(HttpsServerTest, HandshakesAndIdleTimeEnd) {
  HttpsServerOptions options = patient();
  options.handshake = Milliseconds(300);
  options.idle = Milliseconds(300);
  start(options);
  UniqueFd silent = raw_connect(port());
  RawClient idle = client();
  ASSERT_EQ(idle.get("/healthz").status, 200);
  EXPECT_TRUE(is_closed(silent));
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(eventually([&] { return server_->counters().connections == 0; }));
}

TEST_F(HttpsServerTest, AFloodOfConnectionsIsItsAddressOwn) {
  HttpsServerOptions options = patient();
  options.connections = 64;
  options.connections_per_address = 8;
  start(options);
  std::vector<UniqueFd> flood;
  for (int i = 0; i < 200; ++i) flood.push_back(raw_connect(port()));
  EXPECT_TRUE(eventually([&] { return server_->counters().refused_address >= 192; }));
  EXPECT_LE(server_->counters().connections, 8u);
  expect_prompt();
}

TEST_F(HttpsServerTest, NewConnectionsOfAnAddressHaveARate) {
  HttpsServerOptions options = patient();
  options.requests_per_second = 1;
  options.request_burst = 10;
  start(options);
  std::vector<UniqueFd> flood;
  for (int i = 0; i < 100; ++i) flood.push_back(raw_connect(port()));
  EXPECT_TRUE(eventually([&] { return server_->counters().refused_rate >= 80; }));
  expect_prompt();
}

TEST_F(HttpsServerTest, TheLongestIdleMakesRoomAndNoActiveOne) {
  HttpsServerOptions options = patient();
  options.connections = 4;
  options.connections_per_address = 4;
  start(options);
  RawClient active = client("127.0.0.3");  // two: half of all
  ASSERT_TRUE(active.send("GET /wait HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return handler_.waiting == 1; }));
  RawClient oldest = client("127.0.0.4");
  ASSERT_EQ(oldest.get("/healthz").status, 200);
  RawClient younger = client("127.0.0.5"), youngest = client("127.0.0.6");
  ASSERT_EQ(younger.get("/healthz").status, 200);
  ASSERT_EQ(youngest.get("/healthz").status, 200);
  RawClient fresh = client("127.0.0.7");
  EXPECT_EQ(fresh.get("/healthz").status, 200);
  EXPECT_TRUE(oldest.ended());
  EXPECT_EQ(younger.get("/healthz").status, 200);
  handler_.release();
  EXPECT_EQ(active.receive().status, 200);
  EXPECT_EQ(server_->counters().made_room, 1u);
}

TEST_F(HttpsServerTest, RequestsOfAnAddressHaveARate) {
  HttpsServerOptions options = patient();
  options.requests_per_second = 0.001;
  options.request_burst = 5;
  start(options);
  RawClient one = client();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(one.get("/healthz").status, 200);
  RawClient::Answer limited = one.get("/healthz");
  EXPECT_EQ(limited.status, 429);
  EXPECT_TRUE(limited.has("Retry-After: 1\r\n"));
  expect_prompt();
  EXPECT_EQ(server_->counters().limited, 1u);
}

TEST_F(HttpsServerTest, ABusyAddressDelaysItselfAlone) {
  HttpsServerOptions options = patient();
  options.workers = 2;
  options.queue = 8;
  start(options);
  RawClient blocked = client("127.0.0.9");
  ASSERT_TRUE(blocked.send("GET /wait HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return handler_.waiting == 1; }));
  RawClient second = client("127.0.0.9");
  ASSERT_TRUE(second.send("GET /wait HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return handler_.waiting == 2; }));
  // Half of the queue is one address's at most; the next is told to come again.
  std::vector<RawClient> more;
  for (int i = 0; i < 4; ++i) {
    more.push_back(client());
    ASSERT_TRUE(more.back().send("GET /echo HTTP/1.1\r\n\r\n"));
  }
  ASSERT_TRUE(eventually([&] { return server_->counters().queued == 4; }));
  RawClient::Answer refused = client().get("/echo");
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.has("Retry-After: 1\r\n"));
  RawClient other = client("127.0.0.2");
  EXPECT_EQ(other.get("/healthz").status, 200);  // needs no worker
  ASSERT_TRUE(other.send("GET /echo HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return server_->counters().queued == 5; }));
  handler_.release();
  EXPECT_EQ(other.receive().status, 200);
  for (RawClient& one : more) EXPECT_EQ(one.receive().status, 200);
}

TEST_F(HttpsServerTest, BodiesAboveTheLimitGetTheirAnswer) {
  HttpsServerOptions options = patient();
  options.max_body = 100'000;
  start(options);
  const std::string large(3'000'000, 'x');
  RawClient::Answer told = client().post("/echo", large);  // all of it is sent before it reads
  EXPECT_EQ(told.status, 413);
  EXPECT_TRUE(told.has("Connection: close\r\n"));
  EXPECT_THAT(told.body, HasSubstr("100000"));
  RawClient chunked = client();
  std::string chunks = "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunks += "2710\r\n" + std::string(10'000, 'x') + "\r\n";
  EXPECT_EQ(chunked.ask(chunks + "0\r\n\r\n").status, 413);
  EXPECT_EQ(client().post("/echo", std::string(100'000, 'y')).body, std::string(100'000, 'y'));
}

TEST_F(HttpsServerTest, LargeBodiesAreFewAtOnce) {
  start();
  std::vector<RawClient> large;
  for (int i = 0; i < 8; ++i) {
    large.push_back(client());
    ASSERT_TRUE(large.back().send("POST /echo HTTP/1.1\r\nContent-Length: 200000\r\n\r\nx"));
  }
  ASSERT_TRUE(eventually([&] { return server_->counters().connections == 8; }));
  std::this_thread::sleep_for(Milliseconds(100));
  EXPECT_EQ(client().post("/echo", std::string(200'000, 'y')).status, 503);
  EXPECT_EQ(client().post("/echo", std::string(60'000, 'y')).status, 200);
  EXPECT_EQ(client("127.0.0.2").post("/echo", std::string(200'000, 'y')).status, 200);
}

TEST_F(HttpsServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  RawClient one = client();
  std::string requests;
  for (int i = 0; i < 50; ++i)
    requests += "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  ASSERT_TRUE(one.send(requests));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(one.receive().body, std::to_string(10 + i));
}

TEST_F(HttpsServerTest, HalfClosedPeersGetTheirAnswer) {
  start();
  RawClient one = client();
  ASSERT_TRUE(one.send("POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"));
  one.half_close();
  EXPECT_EQ(one.receive().body, "hi");
  EXPECT_TRUE(one.ended());
  RawClient cut = client();
  ASSERT_TRUE(cut.send("POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nh"));
  cut.half_close();
  EXPECT_EQ(cut.receive().status, 400);
}

TEST_F(HttpsServerTest, RefusesWhatTwoReadersMayReadDifferently) {
  start();
  for (const char* head : {"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
                           "GET / HTTP/1.1\r\nAuthorization: b\r\nauthorization: b",
                           "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1",
                           "POST / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 2",
                           "POST / HTTP/1.1\r\nContent-Length: 1, 1",
                           "POST / HTTP/1.1\r\nContent-Length: +1",
                           "POST / HTTP/1.1\r\nContent-Length: -1",
                           "POST / HTTP/1.1\r\nContent-Length: 0x1",
                           "POST / HTTP/1.1\r\nContent-Length: ",
                           "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999",
                           "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
                           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1",
                           "POST / HTTP/1.1\r\nTransfer-Encoding: gzip",
                           "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
                           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked",
                           "POST / HTTP/1.0\r\nTransfer-Encoding: chunked",
                           "GET / HTTP/1.1\r\nA: b\r\n c: d",
                           "GET / HTTP/1.1\r\nA: b\r\n\tc",
                           "GET / HTTP/1.1\r\nA : b",
                           "GET / HTTP/1.1\r\n: b",
                           "GET / HTTP/1.1\r\nA",
                           "GET / HTTP/1.1\r\nA: \x01",
                           "GET / HTTP/1.1\nA: b",
                           "GET / HTTP/2.0",
                           "GET /",
                           "GET  / HTTP/1.1",
                           "GET / / HTTP/1.1",
                           "GET x HTTP/1.1",
                           "GET https://a/ HTTP/1.1",
                           "OPTIONS * HTTP/1.1",
                           "\r\nGET / HTTP/1.1",
                           ""}) {
    RawClient::Answer answer = client().ask(std::string(head) + "\r\n\r\n");
    EXPECT_EQ(answer.status, 400) << head;
    EXPECT_TRUE(answer.has("Connection: close\r\n")) << head;
  }
  RawClient trailers = client();
  EXPECT_EQ(trailers
                .ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "1\r\nx\r\n0\r\nA: b\r\n\r\n")
                .status,
            400);
  EXPECT_EQ(
      client()
          .ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n")
          .status,
      400);
}

TEST_F(HttpsServerTest, HeadsHaveLimits) {
  start();
  EXPECT_EQ(client().get("/echo", "A: " + std::string(20'000, 'b') + "\r\n").status, 413);
  EXPECT_EQ(client().ask("GET /" + std::string(20'000, 'b') + " HTTP/1.1\r\n\r\n").status, 413);
  std::string many;
  for (size_t i = 0; i <= attest::https::kMaxRequestHeaders; ++i)
    many += "h" + std::to_string(i) + ": x\r\n";
  EXPECT_EQ(client().get("/echo", many).status, 400);
  RawClient endless = client();
  ASSERT_TRUE(endless.send("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;"));
  EXPECT_EQ(endless.ask(std::string(100'000, 'x')).status, 400);
}

TEST_F(HttpsServerTest, ChunksExpectationsAndHead) {
  start();
  RawClient one = client();
  EXPECT_EQ(one.ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
                    "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
                .body,
            "abcde");
  RawClient::Answer goes_on =
      one.ask("POST /echo HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(goes_on.status, 100);
  EXPECT_EQ(one.ask("abc").body, "abc");
  ASSERT_TRUE(one.send("HEAD /healthz HTTP/1.1\r\n\r\n"));
  RawClient::Answer head = one.receive(false);
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.has("Content-Length: 2\r\n"));
  EXPECT_EQ(one.get("/healthz").body, "ok");  // no body of HEAD was in between
  EXPECT_EQ(one.ask("POST /echo HTTP/1.1\r\nContent-Length: 3\r\nExpect: more\r\n\r\n").status,
            417);
  // Too large is said before the body is asked for.
  EXPECT_EQ(
      client()
          .ask("POST /echo HTTP/1.1\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n")
          .status,
      413);
}

TEST_F(HttpsServerTest, ConnectionsStayOpenAsHttpSays) {
  start();
  RawClient one = client();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(one.get("/healthz").status, 200);
  EXPECT_TRUE(one.get("/healthz", "Connection: close\r\n").has("Connection: close\r\n"));
  EXPECT_TRUE(one.ended());
  RawClient old = client();
  EXPECT_EQ(old.ask("GET /healthz HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.ended());
}

TEST_F(HttpsServerTest, WhatAnAnswerThrowsCostsItsRequest) {
  start();
  EXPECT_EQ(client().get("/throw").status, 500);
  EXPECT_EQ(client().get("/echo").status, 200);
}

TEST_F(HttpsServerTest, TrustedProxiesNameTheirClients) {
  HttpsServerOptions options = patient();
  options.trusted_proxies = {attest::https::parse_address_prefix("127.0.0.8/31").value()};
  options.requests_per_second = 0.001;
  options.request_burst = 2;
  start(options);
  RawClient proxy = client("127.0.0.8");
  for (int i = 0; i < 4; ++i) {  // each has a bucket of its own
    std::string address = "192.0.2." + std::to_string(i);
    EXPECT_EQ(proxy.get("/who", "X-Forwarded-For: 203.0.113.7, " + address + "\r\n").body, address);
  }
  EXPECT_EQ(client("127.0.0.9").get("/who", "X-Forwarded-For: 2001:db8::1\r\n").body,
            "2001:db8::1");
  EXPECT_EQ(client("127.0.0.8").get("/who", "X-Forwarded-For: nobody\r\n").body, "127.0.0.8");
  EXPECT_EQ(client("127.0.0.10").get("/who", "X-Forwarded-For: 192.0.2.1\r\n").body, "127.0.0.10");
}

TEST_F(HttpsServerTest, StopLetsRunningAnswersEnd) {
  start();
  RawClient busy = client(), idle = client();
  ASSERT_EQ(idle.get("/healthz").status, 200);
  ASSERT_TRUE(busy.send("POST /wait HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"));
  ASSERT_TRUE(eventually([&] { return handler_.waiting == 1; }));
  std::thread stopping([&] { server_->stop(); });
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(raw_connect(port()).valid());
  handler_.release();
  RawClient::Answer answer = busy.receive();
  EXPECT_EQ(answer.body, "hi");
  EXPECT_TRUE(answer.has("Connection: close\r\n"));
  stopping.join();
  server_->stop();  // again
}

TEST_F(HttpsServerTest, StopWaitsNoLongerThanItSays) {
  HttpsServerOptions options = patient();
  options.stop = Milliseconds(300);
  start(options);
  RawClient busy = client();
  ASSERT_TRUE(busy.send("GET /wait HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return handler_.waiting == 1; }));
  std::thread stopping([&] { server_->stop(); });
  EXPECT_TRUE(busy.ended());  // although its answer has not come
  handler_.release();
  stopping.join();
}

TEST_F(HttpsServerTest, ManyClientsAtOnce) {
  start();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::string from = "127.0.1." + std::to_string(t + 1);
      for (int i = 0; i < 10; ++i) {
        RawClient one = client(from);
        for (int k = 0; k < 5; ++k) good += one.post("/echo", from).body == from;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
}

// A minute and 20,000 files: `scripts/test soak`. All of them are served at the end.
TEST_F(HttpsServerTest, TenThousandIdleConnections) {
  const char* level = std::getenv("BARTIZAN_TEST_LEVEL");
  if (level == nullptr || std::string_view(level) != "soak") GTEST_SKIP() << "scripts/test soak";
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_cur < 21'000) GTEST_SKIP() << "RLIMIT_NOFILE is " << files.rlim_cur;
  HttpsServerOptions options = patient();
  options.connections = 12'000;
  options.idle = std::chrono::minutes(30);
  start(options);
  std::vector<RawClient> idle;
  for (int i = 0; i < 10'000; ++i) {
    idle.push_back(client("127.0.3." + std::to_string(1 + i / 200)));
    ASSERT_TRUE(idle.back().open()) << i;
  }
  expect_prompt();
  for (RawClient& one : idle) ASSERT_EQ(one.get("/healthz").status, 200);
  EXPECT_EQ(server_->counters().made_room, 0u);
}

}  // namespace
}  // namespace bartizan::test
