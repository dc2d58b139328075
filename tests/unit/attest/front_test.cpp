// The broker behind its server: methods, statuses, health and metrics, without sockets; and the
// state folder that it serves from.
#include "attest/broker/front.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "attest/broker/state_folder.hpp"
#include "bartizan/broker.hpp"
#include "base/json.hpp"

namespace bartizan::attest::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

class FrontTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-front-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    service_ = Service::create(Store::open(folder_ / "store").value(), {}).value();
    front_.emplace(*service_);
  }
  void TearDown() override {
    front_.reset();
    service_.reset();
    fs::remove_all(folder_);
  }
  https::ServedReply send(const std::string& method, const std::string& path,
                          const std::string& body = {}) {
    https::ServedRequest request;
    request.method = method;
    request.path = path;
    request.client = https::parse_peer_address("192.0.2.1").value();
    request.body.assign(body.begin(), body.end());
    if (auto reply = front_->answer_at_once(request)) return std::move(*reply);
    return front_->answer(std::move(request));
  }
  static std::string header(const https::ServedReply& reply, std::string_view name) {
    for (const auto& [one, value] : reply.headers) {
      if (one == name) return value;
    }
    return {};
  }

  fs::path folder_;
  std::unique_ptr<Service> service_;
  std::optional<Front> front_;
};

// A client of the protocol reads the reason of a 401 or 404, and calls all else a broken server.
TEST_F(FrontTest, KbsPathsAnswerAsTheirClientsExpect) {
  struct Case {
    const char *method, *path, *body;
    int status;
    const char* type;
  };
  for (const Case& one : {
           Case{"POST", "/kbs/v0/auth", "{", 401, "InvalidRequest"},
           Case{"POST", "/kbs/v0/auth", R"({"version":"0.1.0","tee":"snp","extra-params":""})", 401,
                "InvalidRequest"},
           Case{"POST", "/kbs/v0/auth", R"({"version":"0.4.0","tee":"sample","extra-params":""})",
                401, "AttestationError"},
           Case{"POST", "/kbs/v0/attest", "{}", 401, "AttestationError"},
           Case{"GET", "/kbs/v0/resource/a/b/c", "", 401, "AttestationError"},
           Case{"GET", "/kbs/v0/resource/a/../c", "", 401, "InvalidRequest"},
           Case{"POST", "/kbs/v0/resource/a/b/c", "x", 401, "PolicyDeny"},
           Case{"GET", "/kbs/v0/nothing", "", 404, "InvalidRequestPath"},
           Case{"GET", "/kbs/v0/auth", "", 404, "InvalidRequestPath"},
           Case{"POST", "/bartizan/v1/workloads", "{}", 403, "PolicyDeny"},
       }) {
    https::ServedReply reply = send(one.method, one.path, one.body);
    EXPECT_EQ(reply.status, one.status) << one.path;
    Json body = parse_json(reply.body.view(), "reply").value();
    EXPECT_THAT(body["type"].get<std::string>(), HasSubstr(one.type)) << one.path;
    EXPECT_TRUE(body["detail"].is_string());
    EXPECT_TRUE(body["code"].is_string());
  }
  for (int status : {200, 404, 413, 429, 500, 503})
    EXPECT_EQ(status_for_path("/kbs/v0/attest", status), status);
  EXPECT_EQ(status_for_path("/bartizan/v1/workloads", 409), 409);
}

TEST_F(FrontTest, WrongMethodsAreToldTheRightOnes) {
  https::ServedReply reply = send("DELETE", "/healthz");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(header(reply, "Allow"), "GET, HEAD");
  reply = send("PATCH", "/bartizan/v1/workloads");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(header(reply, "Allow"), "GET, HEAD, POST");
  EXPECT_EQ(send("GET", "/bartizan/v1/sev/launches").status, 405);
  EXPECT_EQ(send("GE", "/metrics").status, 405);
}

TEST_F(FrontTest, HealthNeedsNoWorkerAndReadinessTheStore) {
  https::ServedRequest request;
  request.method = "GET";
  request.path = "/healthz";
  EXPECT_TRUE(front_->answer_at_once(request).has_value());
  request.path = "/readyz";
  EXPECT_FALSE(front_->answer_at_once(request).has_value());
  EXPECT_EQ(send("GET", "/readyz").status, 200);
}

TEST_F(FrontTest, MetricsCountDecisionsAndNameNobody) {
  send("POST", "/kbs/v0/attest", "{}");
  send("POST", "/kbs/v0/attest", "{}");
  send("POST", "/bartizan/v1/sev/launches/123456", "{}");
  https::ServedReply reply = send("GET", "/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.content_type, HasSubstr("text/plain"));
  std::string text(reply.body.view());
  EXPECT_THAT(text,
              HasSubstr("bartizan_attestations_total{decision=\"refused\",reason=\"nonce\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE bartizan_attestations_total counter\n"));
  EXPECT_THAT(text, Not(HasSubstr("123456")));
  EXPECT_THAT(text, Not(HasSubstr("192.0.2.1")));
}

TEST_F(FrontTest, TheCookieGoesOut) {
  https::ServedReply reply =
      send("POST", "/kbs/v0/auth",
           R"({"version":"0.4.0","tee":"bartizan-simulated","extra-params":""})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(header(reply, "Set-Cookie"), HasSubstr("kbs-session-id="));
}

// The id of a launch is no cookie, and a cookie no launch: they are kept apart.
TEST_F(FrontTest, ALaunchIsNoSession) {
  Json opened = parse_json(send("POST", "/kbs/v0/auth",
                                R"({"version":"0.4.0","tee":"snp","extra-params":""})")
                               .body.view(),
                           "reply")
                    .value();
  EXPECT_TRUE(opened.contains("nonce"));
  https::ServedReply reply =
      send("POST", "/bartizan/v1/sev/launches/" + std::string(76, 'A'), "{}");
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(parse_json(reply.body.view(), "reply").value()["reason"], "nonce");
}

class StateFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-state-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  void touch(const char* name) { std::ofstream(folder_ / name) << "x"; }
  fs::path folder_;
};

TEST_F(StateFolderTest, AFolderOfSomethingElseIsRefused) {
  EXPECT_TRUE(check_state_folder(folder_ / "missing").ok());
  EXPECT_TRUE(check_state_folder(folder_).ok());
  touch("lost+found");
  EXPECT_TRUE(check_state_folder(folder_).ok());
  touch("photo.jpeg");
  auto checked = check_state_folder(folder_);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(checked.error().message, HasSubstr(folder_.string()));
  EXPECT_THAT(checked.error().message, HasSubstr("photo.jpeg"));
  BrokerOptions options;
  options.state = folder_;
  options.port = 0;
  auto broker = Broker::start(std::move(options));
  ASSERT_FALSE(broker.ok());
  EXPECT_FALSE(fs::exists(folder_ / "store.sqlite"));
  touch("tls.key");  // laid there by its operator
  EXPECT_TRUE(check_state_folder(folder_).ok());
}

TEST_F(StateFolderTest, OneBrokerAtATime) {
  auto held = lock_state_folder(folder_);
  ASSERT_TRUE(held.ok());
  auto second = lock_state_folder(folder_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().message, HasSubstr(folder_.string()));
  held->reset();
  EXPECT_TRUE(lock_state_folder(folder_).ok());
}

TEST(BrokerOptionsTest, ValuesAreRefusedByName) {
  auto message = [](auto set) {
    BrokerOptions options;
    options.state = "/nonexistent/state";
    options.port = 0;
    set(options);
    auto broker = Broker::start(std::move(options));
    return broker.ok() ? std::string() : broker.error().message;
  };
  EXPECT_THAT(message([](auto& options) { options.requests_per_second = 0; }),
              HasSubstr("requests_per_second: 0 is not 1 to 1000000"));
  EXPECT_THAT(message([](auto& options) { options.request_burst = 1'000'001; }),
              HasSubstr("request_burst: 1000001"));
  EXPECT_THAT(message([](auto& options) { options.trusted_proxies = {"10.0.0.1/8"}; }),
              HasSubstr("trusted_proxies: \"10.0.0.1/8\""));
}

}  // namespace
}  // namespace bartizan::attest::broker
