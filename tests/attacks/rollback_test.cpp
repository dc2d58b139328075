// Workloads that are registered by their owner's key: old versions, forged versions, and statements
// about another build.
#include <openssl/pem.h>

#include "attacks/attack.hpp"
#include "attest/evidence/workload_statement.hpp"

namespace bartizan::test {
namespace {

using attest::evidence::WorkloadStatement;

std::string public_pem(const crypto::EcKey& key);

class Rollback : public Attack {
 protected:
  void SetUp() override {
    Attack::SetUp();
    if (HasFatalFailure()) return;
    owner_ = crypto::EcKey::generate(crypto::Curve::p384).value();
    add_signed(2);
  }
  void add_signed(uint64_t minimum, bool replace = false) {
    Workload made = workload(1);
    made.id = "signed";
    made.workload_digest.clear();
    made.resource = kSigned;
    made.signer = public_pem(*owner_);
    made.minimum_version = minimum;
    add(made, replace);
  }
  // Of the build whose digest is all bytes `build`.
  std::string statement(uint64_t version, uint8_t build, const crypto::EcKey& key,
                        const std::string& id = "signed") {
    return attest::evidence::sign_statement(
               WorkloadStatement{id, version, std::vector<uint8_t>(32, build)},
               key.private_pem().value())
        .value();
  }
  Result<SecretBytes> launch(uint8_t build, const std::string& statement) {
    Guest one = guest(build);
    return request_key({broker_->url(), broker_->ca_pem(), kSigned, 60'000, statement}, one);
  }
  void expect_key(uint8_t build, uint64_t version) {
    auto key = launch(build, statement(version, build, *owner_));
    ASSERT_TRUE(key.ok()) << key.error().describe();
    EXPECT_EQ(key->view(), "the key of workload-1");
  }

  static inline const std::string kSigned = "default/disk-key/signed";
  std::optional<crypto::EcKey> owner_;
};

std::string public_pem(const crypto::EcKey& key) {
  std::unique_ptr<BIO, void (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_PUBKEY(bio.get(), key.handle());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

// Updates need no registration; what was there before gets nothing any more.
TEST_F(Rollback, VersionsGoForwardAlone) {
  expect_key(20, 2);
  expect_key(20, 2);
  expect_key(21, 7);
  expect_refused(launch(20, statement(2, 20, *owner_)), "version");
  expect_audited("version", "signed");
  add_signed(2, /*replace=*/true);  // a new registration is no way back
  expect_refused(launch(20, statement(6, 20, *owner_)), "version");
  Workload other = workload(30);  // nor is another kind of registration in between
  other.id = "signed";
  add(other, /*replace=*/true);
  add_signed(2, /*replace=*/true);
  expect_refused(launch(20, statement(6, 20, *owner_)), "version");
  ASSERT_TRUE(unregister_workload(access(), "signed").ok());
  add_signed(2);
  expect_refused(launch(20, statement(6, 20, *owner_)), "version");
  expect_key(21, 7);
  const Json shown = Json::parse(show_workload(access(), "signed").value());
  EXPECT_EQ(shown["released_version"], 7);
  EXPECT_TRUE(shown["workload_digest"].is_null());
}

TEST_F(Rollback, BelowTheMinimum) {
  expect_refused(launch(20, statement(1, 20, *owner_)), "version");
}

// Attested as version 2, held until version 3 had the key.
TEST_F(Rollback, ASessionFromBeforeTheUpdate) {
  Guest old = guest(20);
  const Session session = open();
  Json body = message(old, session, mine_);
  body["workload-statement"] = statement(2, 20, *owner_);
  ASSERT_EQ(attest(session, body.dump()).status, 200);
  expect_key(21, 3);
  expect_status(get("Cookie: " + session.cookie, kSigned), 401, "attest again");
}

TEST_F(Rollback, StatementsThatAreNotTheOwners) {
  const auto thief = crypto::EcKey::generate(crypto::Curve::p384).value();
  const auto other_curve = crypto::EcKey::generate(crypto::Curve::p256).value();
  expect_refused(launch(20, statement(9, 20, thief)), "statement");
  expect_audited("statement", "signed");
  expect_refused(launch(20, statement(9, 20, other_curve)), "statement");
  expect_refused(launch(20, statement(9, 21, *owner_)), "statement");  // about another build
  expect_refused(launch(20, statement(9, 20, *owner_, "workload-1")), "host_data");
  expect_refused(launch(20, ""), "host_data");
  std::string damaged = statement(9, 20, *owner_);
  damaged[damaged.find('.') + 12] ^= 1;
  EXPECT_FALSE(launch(20, damaged).ok());
  for (const char* junk : {"a", "a.b", "a.b.c", "....", "e30.e30.e30"})
    EXPECT_FALSE(launch(20, junk).ok()) << junk;
  EXPECT_FALSE(launch(20, std::string(100'000, 'a')).ok());
}

// Whoever may register a digest does not take the owner's builds away, or give them another key.
TEST_F(Rollback, ADigestOfSomebodyElse) {
  Workload other = workload(40);
  other.id = "other";
  other.resource = kSigned;
  other.disk_key = SecretBytes::from_string("another key");
  add(other);
  expect_key(40, 5);
}

// Whoever chooses HOST_DATA finds no registration of a signer by it.
TEST_F(Rollback, NoDigestStandsForASigner) {
  const auto row = crypto::sha256(as_bytes(std::string_view("bartizan: signed workload signed")));
  Guest chosen = guest(0);
  std::copy(row.begin(), row.end(), chosen.host_data.begin());
  expect_refused(request(chosen, kSigned), "host_data");
}

TEST_F(Rollback, RegistrationsThatAreNone) {
  Workload both = workload(4);
  both.signer = public_pem(*owner_);
  EXPECT_EQ(register_workload(access(), both).error().code, ErrorCode::invalid_argument);
  Workload junk = workload(4);
  junk.workload_digest.clear();
  junk.signer = "-----BEGIN PUBLIC KEY-----\n";
  EXPECT_EQ(register_workload(access(), junk).error().code, ErrorCode::invalid_argument);
  Workload alone = workload(4);
  alone.minimum_version = 1;
  EXPECT_EQ(register_workload(access(), alone).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace bartizan::test
