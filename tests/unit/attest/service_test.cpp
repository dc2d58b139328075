// The broker's answers without sockets: wire shape, refusals, limits.
#include "attest/broker/service.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>

#include "attest/broker/token.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/simulated_signer.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/jwe.hpp"

namespace bartizan::attest::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr std::string_view kToken = "0123456789abcdef0123456789abcdef";

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-service-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    Service::Options options;
    options.clock = [this] { return now_; };
    options.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); };
    options.admin_token_hash = crypto::sha256(as_bytes(kToken));
    service_ = Service::create(Store::open(folder_ / "store").value(), options).value();
  }
  void TearDown() override {
    service_.reset();
    std::filesystem::remove_all(folder_);
  }

  BrokerReply send(std::string method, std::string path, const std::string& body,
                   std::string cookie = {}, bool admin = false) {
    BrokerRequest request{
        std::move(method), std::move(path), std::move(cookie), {}, "192.0.2.1", {}};
    request.body.assign(body.begin(), body.end());
    if (admin) request.authorization = "Bearer " + std::string(kToken);
    return service_->answer(request);
  }
  static Json json(const BrokerReply& reply) {
    return parse_json(reply.body.view(), "reply").value();
  }
  BrokerReply auth(const std::string& tee = "bartizan-simulated",
                   const std::string& version = "0.4.0") {
    return send("POST", "/kbs/v0/auth",
                Json{{"version", version}, {"tee", tee}, {"extra-params", Json::object()}}.dump());
  }
  static std::string cookie(const BrokerReply& reply) {
    return reply.set_cookie.substr(0, reply.set_cookie.find(';'));
  }

  static Json workload() {
    return {{"id", "one"},
            {"workload_digest", std::string(64, 'a')},
            {"measurements", {std::string(96, 'b')}},
            {"allow_simulated", true},
            {"resource", "default/disk-key/one"},
            {"disk_key", "c2VjcmV0"}};
  }
  BrokerReply add(const Json& workload) {
    return send("POST", "/bartizan/v1/workloads", workload.dump(), {}, true);
  }
  void add_workload() {
    BrokerReply reply = add(workload());
    ASSERT_EQ(reply.status, 200) << reply.body.view();
  }
  // The body of /attest for `nonce`, as a guest of workload "one" with key `jwk` sends it.
  std::string attest_body(const std::string& nonce, const Json& jwk,
                          std::string_view additional = "", std::string_view digest = "aa") {
    evidence::SimulatedSigner::Fields fields;
    fields.host_data.fill(from_hex(digest).value().front());
    fields.measurement.fill(0xbb);
    fields.report_data = client::report_data(nonce, jwk, additional).value();
    Evidence evidence = evidence::SimulatedSigner::create().value().sign(fields).value();
    Json primary = parse_json(evidence_to_json(evidence).value(), "evidence").value();
    return Json{
        {"init-data", nullptr},
        {"runtime-data", {{"nonce", nonce}, {"tee-pubkey", jwk}}},
        {"tee-evidence", {{"primary_evidence", primary}, {"additional_evidence", additional}}}}
        .dump();
  }

  // A session that attested.
  BrokerReply attested(std::string_view digest = "aa") {
    BrokerReply challenge = auth();
    BrokerReply reply =
        send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_, "", digest),
             cookie(challenge));
    EXPECT_EQ(reply.status, 200) << reply.body.view();
    return challenge;
  }
  // What a guest gets whose workload digest is all bytes `digest`.
  std::string key_of(std::string_view digest) {
    BrokerReply reply =
        send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(attested(digest)));
    EXPECT_EQ(reply.status, 200) << reply.body.view();
    auto key = crypto::jwe_decrypt(key_, reply.body.view());
    return key.ok() ? std::string(key->view()) : key.error().describe();
  }

  std::filesystem::path folder_;
  int64_t now_ = std::time(nullptr);
  std::vector<std::string> log_;
  std::unique_ptr<Service> service_;
  crypto::EcKey key_ = crypto::EcKey::generate(crypto::Curve::p256).value();
  Json jwk_ = crypto::ec_public_jwk(key_);
};

TEST_F(ServiceTest, ChallengeHasTheShapeOfKbs) {
  BrokerReply reply = auth();
  ASSERT_EQ(reply.status, 200);
  EXPECT_THAT(
      reply.set_cookie,
      MatchesRegex("kbs-session-id=[-_0-9A-Za-z]+; Expires=[A-Z][a-z][a-z], [0-9]+ [A-Z][a-z][a-z] "
                   "[0-9]+ [0-9]+:[0-9]+:[0-9]+ GMT"));
  EXPECT_EQ(json(reply)["nonce"].get<std::string>().size(), 44u);
  EXPECT_EQ(json(reply)["extra-params"], "");
}

TEST_F(ServiceTest, OtherVersionsAndTeesAreRefused) {
  BrokerReply old = auth("snp", "0.3.0");
  EXPECT_EQ(old.status, 400);
  EXPECT_EQ(json(old)["code"], "protocol");
  EXPECT_THAT(json(old)["detail"].get<std::string>(), HasSubstr("0.3.0"));
  EXPECT_THAT(json(old)["type"].get<std::string>(),
              HasSubstr("https://github.com/confidential-containers/kbs/errors/"));
  EXPECT_EQ(json(auth("sgx"))["code"], "unsupported");
  EXPECT_EQ(json(auth("sample"))["code"], "unsupported");
}

TEST_F(ServiceTest, APeerCannotMakeLogLines) {
  auth("snp", "0.3.0\nbroker: all is well");
  send("GET", "/" + std::string(10000, 'x'), "");
  for (const std::string& line : log_) {
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_LE(line.size(), 1024u);
  }
  EXPECT_EQ(log_.size(), 2u);
}

TEST_F(ServiceTest, BrokenRequests) {
  EXPECT_EQ(send("POST", "/kbs/v0/auth", "{").status, 400);
  EXPECT_EQ(send("POST", "/kbs/v0/auth", "[]").status, 400);
  EXPECT_EQ(send("POST", "/kbs/v0/auth", std::string(100000, '[')).status, 400);
  EXPECT_EQ(send("GET", "/kbs/v0/auth", "").status, 404);
  EXPECT_EQ(send("GET", "/", "").status, 404);
  EXPECT_EQ(send("GET", "/bartizan/v1/workloads/audit", "", {}, true).status, 404);
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/../one", "").status, 400);
  EXPECT_EQ(send("GET", "/healthz", "").status, 200);
}

TEST_F(ServiceTest, WholeExchangeAndToken) {
  add_workload();
  BrokerReply challenge = auth();
  BrokerReply attested = send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_),
                              cookie(challenge));
  ASSERT_EQ(attested.status, 200) << attested.body.view();
  EXPECT_EQ(cookie(attested), cookie(challenge));

  std::string token = json(attested)["token"];
  size_t first = token.find('.'), last = token.rfind('.');
  auto part = [](std::string_view text) { return from_base64(text, Base64::url).value(); };
  Json header = parse_json(as_text(part(token.substr(0, first))), "header").value();
  Json claims =
      parse_json(as_text(part(token.substr(first + 1, last - first - 1))), "claims").value();
  EXPECT_EQ(header["alg"], "ES256");
  EXPECT_EQ(claims["exp"].get<int64_t>(), now_ + 300);
  EXPECT_EQ(claims["submods"]["cpu0"]["ear.status"], "contraindicated");  // simulated
  EXPECT_EQ(claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"]
                  ["tee-pubkey"],
            jwk_);
  crypto::EcPoint point{part(header["jwk"]["x"].get<std::string>()),
                        part(header["jwk"]["y"].get<std::string>())};
  Bytes signature = part(token.substr(last + 1));
  ASSERT_EQ(signature.size(), 64u);
  auto signer = crypto::EcKey::from_public(crypto::Curve::p256, point).value();
  EXPECT_TRUE(signer.verify(crypto::HashKind::sha256, as_bytes(token.substr(0, last)),
                            {Bytes(signature.begin(), signature.begin() + 32),
                             Bytes(signature.begin() + 32, signature.end())}));

  BrokerReply resource =
      send("GET", "/kbs/v0/resource/default/disk-key/one", "", "a=b; " + cookie(challenge));
  ASSERT_EQ(resource.status, 200);
  EXPECT_EQ(crypto::jwe_decrypt(key_, resource.body.view()).value().view(), "secret");
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/disk-key/two", "", cookie(challenge)).status,
            403);
}

// As guests of Confidential Containers fetch: with the token alone. It leads to the session of its
// own /attest, so to the same registration as the cookie.
TEST_F(ServiceTest, ATokenIsAsGoodAsItsCookie) {
  add_workload();
  BrokerReply challenge = auth();
  BrokerReply attested = send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_),
                              cookie(challenge));
  ASSERT_EQ(attested.status, 200) << attested.body.view();
  const std::string token = json(attested)["token"];
  auto fetch = [&](const std::string& with, const std::string& path = "one",
                   const std::string& cookie = {}) {
    BrokerRequest request{"GET",       "/kbs/v0/resource/default/disk-key/" + path,
                          cookie,      "Bearer " + with,
                          "192.0.2.9", {}};
    return service_->answer(request);
  };
  BrokerReply resource = fetch(token);
  ASSERT_EQ(resource.status, 200) << resource.body.view();
  EXPECT_EQ(crypto::jwe_decrypt(key_, resource.body.view()).value().view(), "secret");
  EXPECT_EQ(fetch(token, "two").status, 403);
  EXPECT_EQ(fetch(token, "one", "kbs-session-id=AAAA").status, 401) << "a cookie comes first";

  size_t first = token.find('.'), last = token.rfind('.');
  auto url64 = [](std::string_view text) { return to_base64(as_bytes(text), Base64::url); };
  std::string bent = token;
  bent[first + 5] = bent[first + 5] == 'A' ? 'B' : 'A';
  std::string unsigned_token =
      url64(R"({"alg":"none","typ":"JWT"})") + token.substr(first, last - first) + ".";
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), bent,
        unsigned_token, token.substr(0, last), token + "AAAA", token.substr(first),
        std::string(kToken), std::string(100'000, 'a')})
    EXPECT_EQ(fetch(bad).status, 401) << bad.substr(0, 80);

  Json other = workload();  // what was judged is gone
  other["workload_digest"] = std::string(64, 'c');
  other["replace"] = true;
  ASSERT_EQ(add(other).status, 200);
  EXPECT_EQ(fetch(token).status, 401);
}

TEST_F(ServiceTest, ATokenExpires) {
  add_workload();
  BrokerReply challenge = auth();
  BrokerReply attested = send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_),
                              cookie(challenge));
  BrokerRequest request{"GET", "/kbs/v0/resource/default/disk-key/one", {}, {}, "192.0.2.9", {}};
  request.authorization = "Bearer " + json(attested)["token"].get<std::string>();
  now_ += kAttestationTokenSeconds - 1;
  EXPECT_EQ(service_->answer(request).status, 200);
  now_ += 1;
  EXPECT_EQ(service_->answer(request).status, 401);
}

TEST_F(ServiceTest, ANonceServesOnce) {
  add_workload();
  BrokerReply challenge = auth();
  std::string body = attest_body(json(challenge)["nonce"], jwk_);
  ASSERT_EQ(send("POST", "/kbs/v0/attest", body, cookie(challenge)).status, 200);
  BrokerReply again = send("POST", "/kbs/v0/attest", body, cookie(challenge));
  EXPECT_EQ(again.status, 401);
  EXPECT_EQ(json(again)["reason"], "nonce");

  challenge = auth();  // a failed try takes it too
  EXPECT_EQ(send("POST", "/kbs/v0/attest", "{}", cookie(challenge)).status, 400);
  again = send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_),
               cookie(challenge));
  EXPECT_EQ(json(again)["reason"], "nonce");
}

TEST_F(ServiceTest, NonceOfAnotherSession) {
  add_workload();
  BrokerReply first = auth(), second = auth();
  BrokerReply reply =
      send("POST", "/kbs/v0/attest", attest_body(json(first)["nonce"], jwk_), cookie(second));
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(json(reply)["reason"], "nonce");
}

TEST_F(ServiceTest, SessionsExpire) {
  add_workload();
  BrokerReply challenge = auth();
  std::string body = attest_body(json(challenge)["nonce"], jwk_);
  now_ += kKbsSessionSeconds;
  EXPECT_EQ(json(send("POST", "/kbs/v0/attest", body, cookie(challenge)))["reason"], "nonce");

  challenge = auth();
  ASSERT_EQ(
      send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_), cookie(challenge))
          .status,
      200);
  now_ += kKbsSessionSeconds;
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge)).status,
            401);
}

TEST_F(ServiceTest, NoResourceWithoutEvidence) {
  add_workload();
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/disk-key/one", "").status, 401);
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(auth())).status, 401);
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/disk-key/one", "", "kbs-session-id=").status,
            401);
}

TEST_F(ServiceTest, KeyIsBoundToTheEvidence) {
  add_workload();
  BrokerReply challenge = auth();
  Json body = parse_json(attest_body(json(challenge)["nonce"], jwk_), "body").value();
  body["runtime-data"]["tee-pubkey"] =
      crypto::ec_public_jwk(crypto::EcKey::generate(crypto::Curve::p256).value());
  BrokerReply reply = send("POST", "/kbs/v0/attest", body.dump(), cookie(challenge));
  EXPECT_EQ(json(reply)["reason"], "report_data");
}

TEST_F(ServiceTest, ExtraJwkMembersAreNotHashed) {
  add_workload();
  BrokerReply challenge = auth();
  Json body = parse_json(attest_body(json(challenge)["nonce"], jwk_), "body").value();
  body["runtime-data"]["tee-pubkey"]["kid"] = "1";
  EXPECT_EQ(send("POST", "/kbs/v0/attest", body.dump(), cookie(challenge)).status, 200);
}

TEST_F(ServiceTest, AdminCallsNeedTheToken) {
  EXPECT_EQ(send("POST", "/bartizan/v1/workloads", "{}").status, 403);
  EXPECT_EQ(send("GET", "/bartizan/v1/workloads/one/audit", "").status, 403);
  EXPECT_EQ(send("POST", "/kbs/v0/resource/default/disk-key/one", "x").status, 403);
  EXPECT_EQ(send("GET", "/bartizan/v1/workloads/one/audit", "", {}, true).status, 404);
}

// What each scope may, and that nothing more is; by each request that there is.
TEST_F(ServiceTest, TokensMayWhatTheirScopeIs) {
  add_workload();
  const auto with = [&](std::string_view token, const char* method, const char* path,
                        const std::string& body) {
    BrokerRequest request{method, path, {}, "Bearer " + std::string(token), "192.0.2.1", {}};
    request.body.assign(body.begin(), body.end());
    return service_->answer(request);
  };
  const auto make = [&](const char* name, const char* scope, int64_t expires) {
    BrokerReply made = with(kToken, "POST", "/bartizan/v1/tokens",
                            Json{{"name", name}, {"scope", scope}, {"expires", expires}}.dump());
    EXPECT_EQ(made.status, 200) << made.body.view();
    return json(made)["token"].get<std::string>();
  };
  const std::string tokens[] = {make("r", "read", 0), make("w", "register", now_ + 100),
                                make("a", "admin", 0)};
  struct Request {
    const char *method, *path;
    std::string body;
    size_t least;  // the first of `tokens` that may
  };
  Json again = workload();
  again["replace"] = true;
  const Request requests[] = {
      {"GET", "/bartizan/v1/workloads", "", 0},
      {"GET", "/bartizan/v1/workloads/one", "", 0},
      {"GET", "/bartizan/v1/workloads/one/audit", "", 0},
      {"POST", "/bartizan/v1/workloads", again.dump(), 1},
      {"PUT", "/bartizan/v1/workloads/one/key", "another", 1},
      {"PUT", "/bartizan/v1/workloads/one/expiry", R"({"expires":0})", 1},
      {"POST", "/kbs/v0/resource/default/disk-key/one", "third", 1},
      {"GET", "/bartizan/v1/tokens", "", 2},
      {"POST", "/bartizan/v1/tokens", R"({"name":"x","scope":"admin","expires":0})", 2},
      {"DELETE", "/bartizan/v1/tokens/x", "", 2},
      {"DELETE", "/bartizan/v1/workloads/one", "", 2},
  };
  const char* const scopes[] = {"read", "register", "admin"};
  for (const Request& one : requests) {
    for (size_t i = 0; i < std::size(tokens); ++i) {
      SCOPED_TRACE(fmt::format("{} {} by {}", one.method, one.path, scopes[i]));
      const BrokerReply reply = with(tokens[i], one.method, one.path, one.body);
      EXPECT_EQ(reply.status, i < one.least ? 403 : 200) << reply.body.view();
      if (i >= one.least) continue;
      EXPECT_THAT(json(reply)["detail"].get<std::string>(),
                  HasSubstr(fmt::format("this needs scope {}", scopes[one.least])));
    }
    EXPECT_EQ(with("wrong", one.method, one.path, one.body).status, 403);
  }
  now_ += 101;
  EXPECT_EQ(with(tokens[0], "GET", "/bartizan/v1/workloads", "").status, 200);
  const BrokerReply late = with(tokens[1], "GET", "/bartizan/v1/workloads", "");
  EXPECT_EQ(late.status, 403);
  EXPECT_THAT(std::string(late.body.view()), HasSubstr("has expired"));
}

TEST_F(ServiceTest, TokensAreInAuditAndLogByName) {
  const auto admin = [&](const char* method, const std::string& path, const Json& body) {
    return send(method, path, body.is_null() ? "" : body.dump(), {}, true);
  };
  const auto ask = [](const char* name, const char* scope, int64_t expires) {
    return Json{{"name", name}, {"scope", scope}, {"expires", expires}};
  };
  BrokerReply made = admin("POST", "/bartizan/v1/tokens", ask("ci", "register", 0));
  const std::string token = json(made)["token"].get<std::string>();
  EXPECT_EQ(token.size(), 64u);
  BrokerRequest request{"POST", "/bartizan/v1/workloads", {}, "Bearer " + token, "192.0.2.7", {}};
  const std::string body = workload().dump();
  request.body.assign(body.begin(), body.end());
  ASSERT_EQ(service_->answer(request).status, 200);
  request = {"GET", "/bartizan/v1/workloads", {}, "Bearer " + token, "192.0.2.7", {}};
  ASSERT_EQ(service_->answer(request).status, 200);
  EXPECT_EQ(json(admin("GET", "/bartizan/v1/workloads/one/audit", {}))[0]["token"], "ci");
  EXPECT_THAT(log_, ::testing::Contains(HasSubstr("registered (token \"ci\") from 192.0.2.7")));
  EXPECT_THAT(log_, ::testing::Contains(HasSubstr("read: /bartizan/v1/workloads (token \"ci\")")));
  for (const std::string& line : log_) {
    EXPECT_EQ(line.find(token), std::string::npos);
    EXPECT_EQ(line.find(kToken), std::string::npos);
  }
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    std::ifstream content(file.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(content), {}};
    EXPECT_EQ(text.find(token), std::string::npos) << file.path();
  }

  EXPECT_EQ(admin("POST", "/bartizan/v1/tokens", ask("ci", "read", 0)).status, 409);
  for (const char* name : {"", "admin", "a b", "../x", "\n"})
    EXPECT_EQ(admin("POST", "/bartizan/v1/tokens", ask(name, "read", 0)).status, 400) << name;
  EXPECT_EQ(admin("POST", "/bartizan/v1/tokens", ask("x", "all", 0)).status, 400);
  EXPECT_EQ(admin("POST", "/bartizan/v1/tokens", ask("x", "read", now_)).status, 400);
  const Json list = json(admin("GET", "/bartizan/v1/tokens", {}));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["name"], "ci");
  EXPECT_FALSE(list[0].contains("token"));
  EXPECT_FALSE(list[0].contains("hash"));
  EXPECT_EQ(admin("DELETE", "/bartizan/v1/tokens/ci", {}).status, 200);
  EXPECT_EQ(service_->answer(request).status, 403);
  EXPECT_EQ(admin("DELETE", "/bartizan/v1/tokens/ci", {}).status, 404);
  EXPECT_EQ(admin("DELETE", "/bartizan/v1/tokens/admin", {}).status, 400);
  for (size_t i = 0; i < kMaxTokens; ++i) {
    const std::string name = "t" + std::to_string(i);
    ASSERT_EQ(admin("POST", "/bartizan/v1/tokens", ask(name.c_str(), "read", 0)).status, 200);
  }
  EXPECT_EQ(admin("POST", "/bartizan/v1/tokens", ask("more", "read", 0)).status, 429);
}

TEST_F(ServiceTest, OtherValuesOfADigestWantReplace) {
  add_workload();
  EXPECT_EQ(add(workload()).status, 200) << "the same values";
  for (auto [member, value] : {std::pair<const char*, Json>{"id", "two"},
                               {"measurements", {std::string(96, 'd')}},
                               {"allow_simulated", false},
                               {"disk_key", "b3RoZXI="}}) {
    Json other = workload();
    other[member] = value;
    BrokerReply refused = add(other);
    EXPECT_EQ(refused.status, 409) << member;
    EXPECT_EQ(json(refused)["code"], "already_exists");
    EXPECT_THAT(json(refused)["detail"].get<std::string>(), HasSubstr(std::string(64, 'a')));
  }
  BrokerReply challenge = auth();
  ASSERT_EQ(
      send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_), cookie(challenge))
          .status,
      200);
  Json other = workload();
  other["workload_digest"] = std::string(64, 'c');
  other["disk_key"] = "b3RoZXI=";
  other["replace"] = true;
  BrokerReply replaced = add(other);
  EXPECT_EQ(replaced.status, 200) << replaced.body.view();
  EXPECT_EQ(json(replaced)["replaced"], true);
  // Who attested as the first must not get the second's key.
  BrokerReply late = send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge));
  EXPECT_EQ(json(late)["reason"], "registration") << late.status;
}

// A second image of the same source stands beside the first, and each guest gets its own key.
TEST_F(ServiceTest, BuildsOfOneSourceStandSideBySide) {
  add_workload();
  Json second = workload();
  second["workload_digest"] = std::string(64, 'c');
  second["disk_key"] = "b3RoZXI=";
  ASSERT_EQ(json(add(second))["replaced"], false);
  EXPECT_EQ(json(send("GET", "/bartizan/v1/workloads", "", {}, true)).size(), 2u);
  for (const char* method : {"GET", "DELETE"}) {
    BrokerReply which = send(method, "/bartizan/v1/workloads/one", "", {}, true);
    EXPECT_EQ(which.status, 409);
    EXPECT_THAT(json(which)["detail"].get<std::string>(), HasSubstr(std::string(64, 'c')));
  }
  EXPECT_EQ(key_of("aa"), "secret");
  EXPECT_EQ(key_of("cc"), "other");
  const std::string path = "/bartizan/v1/workloads/" + std::string(64, 'a');
  EXPECT_EQ(json(send("GET", path, "", {}, true))["workload_digest"], std::string(64, 'a'));
  EXPECT_EQ(send("DELETE", path, "", {}, true).status, 200);
  EXPECT_EQ(key_of("cc"), "other");
  EXPECT_EQ(json(send("GET", "/bartizan/v1/workloads/one", "", {}, true))["workload_digest"],
            std::string(64, 'c'));
  EXPECT_EQ(send("POST", "/kbs/v0/resource/default/disk-key/one", "x", {}, true).status, 200);
}

// Whoever was judged by one registration gets nothing by another.
TEST_F(ServiceTest, EveryChangeOfARegistrationEndsItsSessions) {
  const std::string one = "/bartizan/v1/workloads/one";
  Json strict = workload();
  strict["allow_simulated"] = false;
  strict["disk_key"] = "cHJvZHVjdGlvbg==";
  strict["replace"] = true;
  const std::pair<const char*, std::function<int()>> changes[] = {
      {"registered anew", [&] { return add(strict).status; }},
      {"removed and registered",
       [&] {
         const int gone = send("DELETE", one, "", {}, true).status;
         return gone == 200 ? add(workload()).status : gone;
       }},
      {"key rotated", [&] { return send("PUT", one + "/key", "new", {}, true).status; }},
      {"expiry set",
       [&] {
         return send("PUT", one + "/expiry", R"({"expires": 99999999999})", {}, true).status;
       }},
      {"resource put", [&] {
         return send("POST", "/kbs/v0/resource/default/disk-key/one", "new", {}, true).status;
       }}};
  for (const auto& [name, change] : changes) {
    SCOPED_TRACE(name);
    Json fresh = workload();
    fresh["replace"] = true;
    ASSERT_EQ(add(fresh).status, 200);
    BrokerReply challenge = attested();
    ASSERT_EQ(change(), 200);
    now_ += 1;
    BrokerReply late = send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge));
    EXPECT_EQ(json(late)["reason"], "registration") << late.status;
    Json audit = json(send("GET", one + "/audit", "", {}, true));
    EXPECT_EQ(audit[0]["reason"], "registration");
    EXPECT_EQ(audit[0]["address"], "192.0.2.1");
  }
  // The same values again are no change.
  Json fresh = workload();
  fresh["replace"] = true;
  ASSERT_EQ(add(fresh).status, 200);
  BrokerReply challenge = attested();
  EXPECT_EQ(json(add(workload()))["replaced"], false);
  EXPECT_EQ(send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge)).status,
            200);
}

TEST_F(ServiceTest, AnExpiredRegistrationReleasesNothing) {
  add_workload();
  const std::string expiry = "/bartizan/v1/workloads/one/expiry";
  EXPECT_EQ(send("PUT", expiry, "{}", {}, true).status, 400);
  EXPECT_EQ(send("PUT", expiry, R"({"expires": -1})", {}, true).status, 400);
  EXPECT_EQ(send("PUT", expiry, R"({"expires": 9999999999999})", {}, true).status, 400);
  EXPECT_EQ(send("PUT", expiry, R"({"expires": 0})").status, 403);
  BrokerReply set = send("PUT", expiry, Json{{"expires", now_ + 10}}.dump(), {}, true);
  EXPECT_EQ(json(set)["expires"], now_ + 10);
  EXPECT_EQ(key_of("aa"), "secret");
  BrokerReply challenge = attested();
  now_ += 10;
  BrokerReply late = send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge));
  EXPECT_EQ(json(late)["reason"], "registration");
  challenge = auth();
  late = send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_),
              cookie(challenge));
  EXPECT_EQ(json(late)["reason"], "expired");
  EXPECT_EQ(send("PUT", expiry, R"({"expires": 0})", {}, true).status, 200);
  EXPECT_EQ(key_of("aa"), "secret");
}

TEST_F(ServiceTest, RegistrationsAreListedAndRemoved) {
  EXPECT_EQ(json(send("GET", "/bartizan/v1/workloads", "", {}, true)), Json::array());
  add_workload();
  EXPECT_EQ(send("GET", "/bartizan/v1/workloads", "").status, 403);
  EXPECT_EQ(send("DELETE", "/bartizan/v1/workloads/one", "").status, 403);
  Json list = json(send("GET", "/bartizan/v1/workloads", "", {}, true));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["id"], "one");
  EXPECT_EQ(list[0]["workload_digest"], std::string(64, 'a'));
  EXPECT_FALSE(list[0].contains("disk_key"));
  BrokerReply challenge = auth();
  ASSERT_EQ(
      send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_), cookie(challenge))
          .status,
      200);
  EXPECT_EQ(send("DELETE", "/bartizan/v1/workloads/one", "", {}, true).status, 200);
  EXPECT_EQ(send("DELETE", "/bartizan/v1/workloads/one", "", {}, true).status, 404);
  EXPECT_EQ(json(send("GET", "/bartizan/v1/workloads", "", {}, true)), Json::array());
  EXPECT_NE(send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge)).status,
            200);
  // What was decided stays, and what the owner did: registered, allowed, removed, refused.
  const Json audit = json(send("GET", "/bartizan/v1/workloads/one/audit", "", {}, true));
  std::vector<std::string> kinds;
  for (const Json& entry : audit) kinds.push_back(entry["decision"]);
  EXPECT_THAT(kinds, ::testing::ElementsAre("refused", "removed", "allowed", "registered"));
  EXPECT_EQ(add(workload()).status, 200);
}

TEST_F(ServiceTest, EachDecisionIsOneLine) {
  add_workload();
  log_.clear();
  BrokerReply challenge = auth();
  ASSERT_EQ(
      send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_), cookie(challenge))
          .status,
      200);
  send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge));
  Json debug = workload();
  debug["allow_simulated"] = false;
  debug["replace"] = true;
  add(debug);
  challenge = auth();
  send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_), cookie(challenge));
  const std::string who = " from 192.0.2.1, workload \"one\", TEE bartizan-simulated";
  ASSERT_EQ(log_.size(), 4u);
  EXPECT_EQ(log_[0], "broker: allowed: POST /kbs/v0/attest" + who);
  EXPECT_EQ(log_[1], "broker: allowed: GET /kbs/v0/resource/default/disk-key/one" + who);
  EXPECT_EQ(log_[2], "broker: workload \"one\" (digest " + std::string(64, 'a') +
                         "): registered, replacing another (token \"admin\") from 192.0.2.1");
  EXPECT_THAT(log_[3], HasSubstr("broker: refused: POST /kbs/v0/attest" + who + ": "));
  EXPECT_THAT(log_[3], HasSubstr("simulated"));
}

TEST_F(ServiceTest, ResourceCanBeReplacedRaw) {
  add_workload();
  BrokerReply put = send("POST", "/kbs/v0/resource/default/disk-key/one", "new\n", {}, true);
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.content_type, "text/xml");
  BrokerReply challenge = auth();
  ASSERT_EQ(
      send("POST", "/kbs/v0/attest", attest_body(json(challenge)["nonce"], jwk_), cookie(challenge))
          .status,
      200);
  BrokerReply resource =
      send("GET", "/kbs/v0/resource/default/disk-key/one", "", cookie(challenge));
  EXPECT_EQ(crypto::jwe_decrypt(key_, resource.body.view()).value().view(), "new\n");
}

TEST_F(ServiceTest, WorkloadsAreChecked) {
  Json good = {{"id", "one"},
               {"workload_digest", std::string(64, 'a')},
               {"measurements", {std::string(96, 'b')}},
               {"resource", "default/disk-key/one"},
               {"disk_key", "c2VjcmV0"}};
  auto status = [&](const char* member, const Json& value) {
    Json bad = good;
    bad[member] = value;
    return send("POST", "/bartizan/v1/workloads", bad.dump(), {}, true).status;
  };
  EXPECT_EQ(status("id", "one"), 200);
  EXPECT_EQ(status("id", "../one"), 400);
  EXPECT_EQ(status("workload_digest", std::string(62, 'a')), 400);
  EXPECT_EQ(status("measurements", Json::array()), 400);  // any stack would do
  EXPECT_EQ(status("measurements", {std::string(94, 'b')}), 400);
  EXPECT_EQ(status("resource", "one"), 400);
  EXPECT_EQ(status("disk_key", ""), 400);
  EXPECT_EQ(status("disk_key", "***"), 400);
  EXPECT_EQ(status("minimum_tcb", 5), 400);
  EXPECT_EQ(status("allow_simulated", "yes"), 400);
}

}  // namespace
}  // namespace bartizan::attest::broker
