// Platform certificates of real machines, the published session vectors, and the broker as the
// owner of SEV launches against the fake firmware's own half.
#include <gmock/gmock.h>
#include <sqlite3.h>

#include <ctime>

#include "attest/broker/service.hpp"
#include "attest/sev/owner_session.hpp"
#include "attest/sev/platform_chain.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "fakes/tee_kernel_chain.hpp"
#include "fakes/tee_kernel_digest.hpp"
#include "fakes/tee_kernel_sev.hpp"
#include "guest_abi/launch_secret.hpp"

namespace bartizan::attest::sev {

// Reaches the keys, to set those of published vectors.
struct OwnerSessionVector {
  static OwnerSession make(ByteView encryption, ByteView integrity, uint32_t policy) {
    return OwnerSession(SecretBytes(encryption), SecretBytes(integrity), policy);
  }
  static Bytes blob(const OwnerSession& session, ByteView shared, ByteView nonce, ByteView iv) {
    return session.session_blob(SecretBytes(shared), nonce, iv).value();
  }
};

namespace {

using ::testing::HasSubstr;

Bytes chain_file(const std::string& name) {
  auto folder = std::filesystem::path(BARTIZAN_SOURCE_DIR) / "tests/unit/attest/sev_chains";
  return read_file(folder / name, 1 << 20).value();
}

TEST(SevChain, RealPlatformsUpToAmd) {
  for (const char* name : {"naples.bin", "rome.bin"}) {
    auto platform = verify_platform_chain(chain_file(name), {});
    ASSERT_TRUE(platform.ok()) << name << ": " << platform.error().describe();
    EXPECT_EQ(platform->diffie_hellman.curve(), crypto::Curve::p384);
    EXPECT_EQ(platform->chip.size(), 32u);
  }
}

// Real root and signing keys of the later products, whose platform certificates nobody published.
TEST(SevChain, RootsOfTheOtherProductsAreKnown) {
  Bytes rome = chain_file("rome.bin");
  for (const char* name : {"milan.ask_ark.bin", "genoa.ask_ark.bin", "turin.ask_ark.bin"}) {
    Bytes mixed(rome.begin(), rome.begin() + 4 * 2084), amd = chain_file(name);
    mixed.insert(mixed.end(), amd.begin(), amd.end());
    auto error = verify_platform_chain(mixed, {}).error();
    EXPECT_THAT(error.message, HasSubstr("the CEK is not signed by the ASK")) << name;
  }
}

TEST(SevChain, AForeignRootOnlyByName) {
  const auto& fake = fakes::fake_chain();
  auto error = verify_platform_chain(fake.certificates, {}).error();
  EXPECT_EQ(error.code, ErrorCode::verification_failed);
  EXPECT_EQ(error.reason, "certificate_chain");
  EXPECT_THAT(error.message, HasSubstr("the ARK is not AMD's"));
  EXPECT_TRUE(verify_platform_chain(fake.certificates, {fake.root}).ok());
  Bytes unsigned_root(fake.root.begin(), fake.root.end() - 256);
  EXPECT_TRUE(verify_platform_chain(fake.certificates, {unsigned_root}).ok());
  Bytes other = fake.root;
  other[70] ^= 1;
  EXPECT_FALSE(verify_platform_chain(fake.certificates, {other}).ok());
  EXPECT_FALSE(verify_platform_chain(fake.certificates, {Bytes(10)}).ok());
}

// Every signed byte counts: one in each 61 is tried.
TEST(SevChain, OneChangedByteBreaksALink) {
  const Bytes good = chain_file("naples.bin");
  const size_t amd = 4 * 2084, ark = amd + 832;
  for (size_t at = 0; at < ark + 576; at += 61) {
    bool is_signed = at >= amd ? true : at % 2084 < 0x414;
    if (!is_signed) continue;
    Bytes bad = good;
    bad[at] ^= 0x40;
    auto refused = verify_platform_chain(bad, {});
    ASSERT_FALSE(refused.ok()) << "byte " << at;
    EXPECT_TRUE(refused.error().code == ErrorCode::corrupt ||
                refused.error().reason == "certificate_chain")
        << refused.error().describe();
  }
}

TEST(SevChain, LinksFromAnotherMachine) {
  const Bytes naples = chain_file("naples.bin"), rome = chain_file("rome.bin");
  const char* broken[] = {"the PDH is not signed by the PEK", "the PEK is not signed by the CEK",
                          "the PEK is not signed by the OCA", "the CEK is not signed by the ASK"};
  for (size_t i = 0; i < 4; ++i) {
    Bytes mixed = naples;
    std::copy_n(rome.begin() + static_cast<ptrdiff_t>(i * 2084), 2084,
                mixed.begin() + static_cast<ptrdiff_t>(i * 2084));
    EXPECT_THAT(verify_platform_chain(mixed, {}).error().message, HasSubstr(broken[i]));
  }
}

TEST(SevChain, WrongShapes) {
  const Bytes good = chain_file("naples.bin");
  for (size_t size : {size_t{0}, size_t{2084}, size_t{4 * 2084}, size_t{4 * 2084 + 63},
                      size_t{4 * 2084 + 832}, size_t{4 * 2084 + 832 + 575}}) {
    auto error = verify_platform_chain(ByteView(good).first(size), {}).error();
    EXPECT_EQ(error.code, ErrorCode::corrupt) << size;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(verify_platform_chain(longer, {}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(verify_platform_chain(Bytes(kMaxChainBytes + 1), {}).error().code, ErrorCode::corrupt);
  // AMD's root lacked its signature over itself for a while; it is known by its bytes.
  EXPECT_TRUE(verify_platform_chain(ByteView(good).first(good.size() - 256), {}).ok());
  EXPECT_TRUE(check_root(fakes::fake_chain().root).ok());
  EXPECT_EQ(check_root(Bytes(832)).error().code, ErrorCode::corrupt);
}

// Values published with the tests of virtee/sev: keys, nonce, IV and shared secret are zeros.
TEST(SevSession, PublishedBlob) {
  const Bytes zeros(16);
  auto session = OwnerSessionVector::make(zeros, zeros, 0);
  EXPECT_EQ(to_hex(OwnerSessionVector::blob(session, zeros, zeros, zeros)),
            std::string(32, '0') +
                "2137bc7f9bb8bd7c3e55a576a15d3454b3856b8ba27afadf46dcfee9f02c02c4" +
                std::string(32, '0') +
                "3176c0752738bd9d5e86689534020f528c088f16238826b000b327dee6aeed7d"
                "aa7855e13839dd767cd5da7c1ff5036540c9264b7a803029315e55375287b4af");
}

TEST(SevSession, PublishedMeasurement) {
  auto session =
      OwnerSessionVector::make(Bytes(16), from_hex("66320db73158a35a255d051758e95ed4").value(), 0);
  SevMeasurement seen;
  Bytes measure =
      from_hex("6faab2daae389bcd3405a05d6cafe33c0414f7bedd0bae19ba5f38b7fd1664ea").value();
  Bytes nonce = from_hex("4fbe0bedbad6c86ae8f68971d103e554").value();
  std::ranges::copy(measure, seen.measure.begin());
  std::ranges::copy(nonce, seen.nonce.begin());
  Bytes digest =
      from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").value();
  EXPECT_TRUE(session.is_launch_of(digest, {0, 0x12, 0x0f}, seen).value());
  EXPECT_FALSE(session.is_launch_of(digest, {0, 0x12, 0x10}, seen).value());
  digest[0] ^= 1;
  EXPECT_FALSE(session.is_launch_of(digest, {0, 0x12, 0x0f}, seen).value());
}

// ---- the broker

constexpr std::string_view kToken = "0123456789abcdef0123456789abcdef";
const Bytes kDigest(32, 0xaa);       // of the workload
const Bytes kMeasurement(32, 0xbb);  // of its launch

// The firmware's half: opens what the broker wrapped, and speaks with the keys in it.
struct FirmwareHalf {
  fakes::SevTransportKeys keys;
  uint32_t policy = 0xf;

  vmm::kvm::SevFirmwareError start(const Json& answer) {
    auto certificate = from_base64(answer["certificate"].get<std::string>()).value();
    auto session = from_base64(answer["session"].get<std::string>()).value();
    return fakes::unwrap_session(certificate, session, policy, keys);
  }
  Json measure(const Bytes& digest, uint8_t build = 21) const {
    Bytes nonce(16, 0x5a), said{4, 1, 55, build};
    for (int shift : {0, 8, 16, 24}) said.push_back(static_cast<uint8_t>(policy >> shift));
    said.insert(said.end(), digest.begin(), digest.end());
    said.insert(said.end(), nonce.begin(), nonce.end());
    return {{"measure", to_hex(fakes::fake_hmac_sha256(keys.integrity, said))},
            {"nonce", to_hex(nonce)}};
  }
  Bytes open(const Json& answer) const {
    auto header = from_base64(answer["header"].get<std::string>()).value();
    auto ciphertext = from_base64(answer["ciphertext"].get<std::string>()).value();
    Bytes plain(ciphertext.size());
    fakes::fake_aes128_ctr(keys.encryption, ByteView(header).subspan(4, 16), ciphertext, plain);
    return plain;
  }
};

class SevBroker : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-sev-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = std::make_unique<Unfinished>(name);
    broker::Service::Options options;
    options.clock = [this] { return now_; };
    options.admin_token_hash = crypto::sha256(as_bytes(kToken));
    options.sev_roots = {fakes::fake_chain().root};
    service_ = broker::Service::create(broker::Store::open(folder_->path() / "store").value(),
                                       std::move(options))
                   .value();
  }
  broker::BrokerReply post(const std::string& path, const Json& body) {
    broker::BrokerRequest request{"POST", path, {}, {}, "192.0.2.1", {}};
    request.authorization = "Bearer " + std::string(kToken);
    std::string text = body.dump();
    request.body.assign(text.begin(), text.end());
    return service_->answer(request);
  }
  static Json json(const broker::BrokerReply& reply) {
    return parse_json(reply.body.view(), "reply").value();
  }
  Json workload() {
    return {{"id", "one"},
            {"tee", "sev-es"},
            {"workload_digest", to_hex(kDigest)},
            {"measurements", {to_hex(Bytes(32, 1)), to_hex(kMeasurement)}},
            {"resource", "default/disk-key/one"},
            {"disk_key", to_base64(as_bytes("correct horse"))}};
  }
  broker::BrokerReply add(const Json& body) { return post("/bartizan/v1/workloads", body); }
  Json launch() {
    return {{"tee", "sev-es"},
            {"workload_digest", to_hex(kDigest)},
            {"policy", 0xf},
            {"firmware", {{"api_major", 1}, {"api_minor", 55}, {"build", 21}}},
            {"certificates", to_base64(fakes::fake_chain().certificates)}};
  }
  broker::BrokerReply open(const Json& body) { return post(std::string(kLaunchesPath), body); }
  broker::BrokerReply judge(const Json& opened, const Json& body) {
    return post(std::string(kLaunchesPath) + "/" + opened["id"].get<std::string>(), body);
  }
  Json audit() {
    broker::BrokerRequest request{"GET", "/bartizan/v1/workloads/one/audit", {}, {}, "192.0.2.1",
                                  {}};
    request.authorization = "Bearer " + std::string(kToken);
    return json(service_->answer(request));
  }

  std::unique_ptr<Unfinished> folder_;
  int64_t now_ = std::time(nullptr);
  std::unique_ptr<broker::Service> service_;
};

TEST_F(SevBroker, ReleasesTheKeyToTheLaunchThatItOwns) {
  ASSERT_EQ(add(workload()).status, 200);
  Json opened = json(open(launch()));
  FirmwareHalf firmware;
  ASSERT_EQ(firmware.start(opened), vmm::kvm::SevFirmwareError::success) << opened.dump();
  auto reply = judge(opened, firmware.measure(kMeasurement));
  ASSERT_EQ(reply.status, 200) << reply.body.view();
  auto secret = guest_abi::parse_launch_secret(firmware.open(json(reply))).value().value();
  EXPECT_EQ(secret.disk_key.view(), "correct horse");
  EXPECT_TRUE(std::ranges::equal(secret.workload_digest, kDigest));
  Json decision = audit().at(0);
  EXPECT_EQ(decision["decision"], "allowed");
  EXPECT_EQ(decision["evidence"]["tee"], "sev-es");
  EXPECT_EQ(decision["evidence"]["chip"].get<std::string>().size(), 64u);
}

TEST_F(SevBroker, JudgesALaunchOnce) {
  ASSERT_EQ(add(workload()).status, 200);
  Json opened = json(open(launch()));
  FirmwareHalf firmware;
  firmware.start(opened);
  auto first = judge(opened, firmware.measure(Bytes(32, 9)));
  EXPECT_EQ(json(first)["reason"], "measurement");
  EXPECT_THAT(json(first)["expected"].get<std::string>(), HasSubstr(to_hex(kMeasurement)));
  auto second = judge(opened, firmware.measure(kMeasurement));
  EXPECT_EQ(json(second)["reason"], "nonce");
  EXPECT_EQ(audit().at(0)["reason"], "measurement");
  Json late = json(open(launch()));
  now_ += broker::kKbsSessionSeconds;
  EXPECT_EQ(json(judge(late, firmware.measure(kMeasurement)))["reason"], "nonce");
  EXPECT_EQ(json(judge({{"id", "0"}}, firmware.measure(kMeasurement)))["reason"], "nonce");
}

// The measurement is under the launch's own key: another firmware build, another launch's HMAC.
TEST_F(SevBroker, AMeasurementOfSomethingElse) {
  ASSERT_EQ(add(workload()).status, 200);
  FirmwareHalf one, other;
  Json opened = json(open(launch()));
  one.start(opened);
  EXPECT_EQ(json(judge(opened, one.measure(kMeasurement, 20)))["reason"], "measurement");
  Json again = json(open(launch()));
  other.start(again);
  EXPECT_EQ(json(judge(again, one.measure(kMeasurement)))["reason"], "measurement");
}

TEST_F(SevBroker, RefusesBeforeTheLaunch) {
  EXPECT_EQ(json(open(launch()))["reason"], "host_data") << "not registered";
  ASSERT_EQ(add(workload()).status, 200);
  Json plain = launch(), weak = launch(), foreign = launch();
  plain["tee"] = "sev";
  EXPECT_EQ(json(open(plain))["reason"], "tee") << "without encrypted registers";
  EXPECT_EQ(json(open(plain))["expected"], "sev-es");
  for (uint32_t policy : {0xeu, 0xdu, 0xbu, 7u}) {
    weak["policy"] = policy;
    EXPECT_EQ(json(open(weak))["reason"], "policy") << policy;
  }
  foreign["certificates"] = to_base64(Bytes(10000));
  EXPECT_EQ(json(open(foreign))["code"], "corrupt");
  EXPECT_EQ(audit().at(0)["decision"], "refused");
  EXPECT_EQ(audit().at(0)["reason"], "corrupt");
}

TEST_F(SevBroker, DebuggingOnlyWhereTheOwnerAllowsIt) {
  Json lax = workload();
  lax["allow_debug"] = true;
  ASSERT_EQ(add(lax).status, 200);
  Json debugged = launch();
  debugged["policy"] = 0xe;
  EXPECT_EQ(open(debugged).status, 200);
}

TEST_F(SevBroker, BrokenRequests) {
  ASSERT_EQ(add(workload()).status, 200);
  auto with = [&](const char* member, Json value) {
    Json body = launch();
    body[member] = std::move(value);
    return json(open(body))["code"];
  };
  EXPECT_EQ(with("tee", "snp"), "unsupported");
  EXPECT_EQ(with("policy", -1), "corrupt");
  EXPECT_EQ(with("policy", 0x1'0000'0000), "corrupt");
  EXPECT_EQ(with("workload_digest", "aa"), "corrupt");
  EXPECT_EQ(with("certificates", to_base64(Bytes(kMaxChainBytes + 1))), "corrupt");
  EXPECT_EQ(with("firmware", {{"api_major", 1}, {"api_minor", 256}, {"build", 0}}), "corrupt");
  Json opened = json(open(launch()));
  EXPECT_EQ(json(judge(opened, {{"measure", "00"}, {"nonce", "00"}}))["code"], "corrupt");
}

// A session of a SEV launch is none of the KBS protocol.
TEST_F(SevBroker, ALaunchOpensNoResource) {
  ASSERT_EQ(add(workload()).status, 200);
  Json opened = json(open(launch()));
  broker::BrokerRequest request{"GET", "/kbs/v0/resource/default/disk-key/one", {}, {}, "192.0.2.1",
                                {}};
  request.cookie = "kbs-session-id=" + opened["id"].get<std::string>();
  EXPECT_EQ(service_->answer(request).status, 401);
}

TEST_F(SevBroker, RegistrationsMustFitTheTee) {
  Json body = workload();
  body["measurements"] = {std::string(96, 'b')};
  EXPECT_EQ(json(add(body))["code"], "invalid_argument");
  body = workload();
  body["tee"] = "tdx";
  EXPECT_EQ(json(add(body))["code"], "invalid_argument");
  body = workload();
  body["minimum_tcb"] = "0000000000000001";
  EXPECT_EQ(json(add(body))["code"], "invalid_argument");
  body = workload();
  body["disk_key"] = to_base64(Bytes(3749, 'k'));  // one more than a launch secret holds
  ASSERT_EQ(add(body).status, 200);
  Json opened = json(open(launch()));
  FirmwareHalf firmware;
  firmware.start(opened);
  EXPECT_EQ(json(judge(opened, firmware.measure(kMeasurement)))["code"], "resource_exhausted");
}

}  // namespace
}  // namespace bartizan::attest::sev
