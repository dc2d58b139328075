// The broker's store alone: what it keeps, forgets and takes over.
#include "attest/broker/store.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json.hpp"

namespace bartizan::attest::broker {
namespace {

using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-store-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Store open() { return Store::open(folder_ / "store").value(); }
  void sql(const std::string& text) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder_ / "store").c_str(), &database), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(database, text.c_str(), nullptr, nullptr, &message), SQLITE_OK)
        << message;
    sqlite3_close(database);
  }
  static Store::Who by(int64_t now) { return {"192.0.2.2", now}; }
  static AuditEntry entry(int64_t time, std::string kind, std::string got = "b") {
    return {"one", Bytes(32, 0xaa), time,        std::move(kind), "measurement",
            "a",   std::move(got),  "192.0.2.1", R"({"time": 1})"};
  }
  static Json audit(Store& store) {
    return parse_json(store.audit_of("one").value(), "audit").value();
  }
  static Workload workload(uint8_t digest) {
    Workload one;
    one.id = "one";
    one.workload_digest.assign(32, digest);
    one.measurements = {Bytes(48, 0xbb)};
    one.resource = "default/disk-key/one";
    one.disk_key = SecretBytes::from_string("secret");
    return one;
  }

  // Version 2.
  void make_old_store() {
    sql("CREATE TABLE workloads(id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, measurements "
        "TEXT "
        "NOT NULL, allow_simulated INTEGER NOT NULL, allow_debug INTEGER NOT NULL, minimum_tcb "
        "INTEGER "
        "NOT NULL, resource TEXT NOT NULL UNIQUE, tee TEXT NOT NULL DEFAULT 'snp');"
        "CREATE TABLE resources(path TEXT PRIMARY KEY, content BLOB NOT NULL);"
        "CREATE TABLE audit(number INTEGER PRIMARY KEY AUTOINCREMENT, workload TEXT NOT NULL, time "
        "INTEGER NOT NULL, released INTEGER NOT NULL, reason TEXT NOT NULL, expected TEXT NOT "
        "NULL, got "
        "TEXT NOT NULL, evidence TEXT NOT NULL);"
        "CREATE INDEX audit_of_workload ON audit(workload, number);"
        "INSERT INTO workloads VALUES('one', zeroblob(32), '[]', 1, 0, 5, 'a/b/c', 'snp');"
        "INSERT INTO resources VALUES('a/b/c', x'6b6579');"
        "INSERT INTO audit VALUES(7, 'one', 3, 1, '', '', '', '{}');"
        "PRAGMA user_version = 2;");
  }

  std::filesystem::path folder_;
};

TEST_F(StoreTest, RefusalsDisplaceNeitherKeysNorChanges) {
  Store store = open();
  ASSERT_TRUE(store.add_to_audit(entry(1, "allowed")).ok());
  for (int i = 0; i < kMaxRefusals + 5; ++i)
    ASSERT_TRUE(store.add_to_audit(entry(10 + i, "refused", std::to_string(i))).ok());
  Json list = audit(store);
  ASSERT_EQ(list.size(), static_cast<size_t>(kMaxRefusals) + 1);
  EXPECT_EQ(list[0]["time"], kMaxRefusals + 14);
  EXPECT_EQ(list.back()["decision"], "allowed");
}

TEST_F(StoreTest, TheSameRefusalAgainIsCounted) {
  Store store = open();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(store.add_to_audit(entry(i, "refused")).ok());
  Json list = audit(store);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["times"], 20);
  EXPECT_EQ(list[0]["first"], 0);
  EXPECT_EQ(list[0]["time"], 19);
}

TEST_F(StoreTest, AllKeysThatWereAllowedStayButNotTheirEvidence) {
  Store store = open();
  for (int i = 0; i < kMaxKeptEvidence + 5; ++i)
    ASSERT_TRUE(store.add_to_audit(entry(i, "allowed")).ok());
  Json list = audit(store);
  ASSERT_EQ(list.size(), static_cast<size_t>(kMaxKeptEvidence) + 5);
  EXPECT_EQ(list[0]["evidence"], (Json{{"time", 1}}));
  EXPECT_TRUE(list.back()["evidence"].is_null());
  EXPECT_EQ(store.verify_audit().value().entries, kMaxKeptEvidence + 5);
}

TEST_F(StoreTest, AChangedAuditIsNoticed) {
  const char* const changes[] = {
      "UPDATE audit SET got = 'c' WHERE number = 2",
      "UPDATE audit SET time = 9 WHERE number = 3",
      "DELETE FROM audit WHERE number = 2",
      "UPDATE audit SET evidence = '{}' WHERE number = 1",
      "UPDATE audit SET kind = 'removed' WHERE number = 1",
      "UPDATE audit SET times = 7 WHERE number = 1",
      "UPDATE audit SET first = 0 WHERE number = 2",
      "UPDATE audit SET evidence = NULL WHERE number = 4",
      "UPDATE audit SET evidence = '' WHERE number = 4",
      "UPDATE audit SET workload = CAST(workload AS BLOB) WHERE number = 2",
      "INSERT INTO audit SELECT 9, workload, digest, time, first, times, kind, reason, expected, "
      "got, address, evidence, evidence_hash, chain, token FROM audit WHERE number = 4",
      "UPDATE audit SET token = 'other' WHERE number = 1"};
  for (const char* change : changes) {
    std::filesystem::remove(folder_ / "store");
    {
      Store store = open();
      for (int i = 1; i <= 4; ++i) ASSERT_TRUE(store.add_to_audit(entry(i, "allowed")).ok());
      ASSERT_TRUE(store.add_to_audit(entry(5, "refused")).ok());
      EXPECT_EQ(store.verify_audit().value().entries, 4);
    }
    sql(change);
    auto verified = open().verify_audit();
    ASSERT_FALSE(verified.ok()) << change;
    EXPECT_EQ(verified.error().code, ErrorCode::corrupt);
    EXPECT_THAT(verified.error().message, HasSubstr("entry "));
  }
}

TEST_F(StoreTest, WhatIsPutInBesideTheChainIsCountedAndShown) {
  {
    Store store = open();
    ASSERT_TRUE(store.add_to_audit(entry(1, "allowed")).ok());
  }
  sql("INSERT INTO audit(workload, digest, time, first, times, kind, reason, expected, got, "
      "address, "
      "evidence_hash) VALUES('one', x'', 2, 2, 1, 'key rotated', '', '', '', '', x'')");
  Store store = open();
  const AuditChain chain = store.verify_audit().value();
  EXPECT_EQ(chain.entries, 1);
  EXPECT_EQ(chain.outside, 1);
  EXPECT_EQ(audit(store)[0]["decision"], "key rotated (outside of the chain)");
}

TEST_F(StoreTest, ANotedHeadStaysInTheChain) {
  Store store = open();
  ASSERT_TRUE(store.add_to_audit(entry(1, "allowed")).ok());
  const Bytes noted = store.verify_audit().value().head;
  ASSERT_TRUE(store.add_to_audit(entry(2, "allowed")).ok());
  EXPECT_TRUE(store.verify_audit(noted).ok());
  sql("DELETE FROM audit");
  EXPECT_TRUE(store.verify_audit().ok());
  EXPECT_EQ(store.verify_audit(noted).error().code, ErrorCode::corrupt);
}

// Strangers choose how large their evidence is, and how often they come.
TEST_F(StoreTest, StrangersFillNoAudit) {
  Store store = open();
  for (int i = 0; i < kMaxRefusals + 20; ++i) {
    AuditEntry one = entry(i, "refused", std::to_string(i));
    one.evidence = "\"" + std::string(60'000, 'x') + "\"";
    ASSERT_TRUE(store.add_to_audit(one).ok());
  }
  AuditEntry huge = entry(500, "refused", "huge");
  huge.evidence = "\"" + std::string(300'000, 'x') + "\"";
  ASSERT_TRUE(store.add_to_audit(huge).ok());
  EXPECT_LT(store.audit_of("one").value().size(), size_t{kMaxRefusedEvidence} * 64 * kKiB);
  EXPECT_TRUE(audit(store)[0]["evidence"].is_null());
}

// What is in force is in the audit: both or neither.
TEST_F(StoreTest, AChangeThatTheAuditCannotHoldIsNotMade) {
  {
    Store store = open();
    ASSERT_TRUE(store.put_workload(workload(1), false, by(10)).ok());
  }
  sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no space'); END");
  Store store = open();
  EXPECT_FALSE(store.put_workload(workload(2), false, by(11)).ok());
  EXPECT_FALSE(store.rotate_key("one", SecretBytes::from_string("x"), by(11)).ok());
  EXPECT_FALSE(store.set_expiry("one", 5, by(11)).ok());
  EXPECT_FALSE(store.remove("one", by(11)).ok());
  const auto all = store.registrations().value();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].expires, 0);
  EXPECT_EQ(store.release(judged_by(all[0]), "default/disk-key/one", 12).value().view(), "secret");
}

TEST_F(StoreTest, AFifoIsNoStore) {
  ASSERT_EQ(::mkfifo((folder_ / "store").c_str(), 0600), 0);
  EXPECT_EQ(Store::open(folder_ / "store").error().code, ErrorCode::invalid_argument);
}

TEST_F(StoreTest, ReadingChangesNothing) {
  std::ofstream(folder_ / "store").close();
  EXPECT_EQ(Store::open_as_it_is(folder_ / "store").error().code, ErrorCode::corrupt);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "store"), 0u);
}

// What a peer chose is kept as text that every reader takes.
TEST_F(StoreTest, PoisonIsKeptAsText) {
  Store store = open();
  AuditEntry poison = entry(1, "refused", "\xff\xfe\x1b[31m" + std::string(100'000, 'x'));
  poison.reason = std::string("a\0b", 3);
  poison.evidence = "{not json";
  ASSERT_TRUE(store.add_to_audit(poison).ok());
  Json list = audit(store);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_LE(list[0]["got"].get<std::string>().size(), kMaxAuditText + 8);
  EXPECT_TRUE(list[0]["evidence"].is_null());
}

TEST_F(StoreTest, ReleasesWhatWasJudgedAndNothingElse) {
  Store store = open();
  ASSERT_TRUE(store.put_workload(workload(1), false, by(10)).value().changed);
  EXPECT_FALSE(store.put_workload(workload(1), false, by(11)).value().changed);
  const JudgedBy first = judged_by(store.find("one").value());
  EXPECT_EQ(store.release(first, "default/disk-key/one", 11).value().view(), "secret");
  EXPECT_EQ(store.release(first, "default/disk-key/two", 11).error().code,
            ErrorCode::permission_denied);
  EXPECT_FALSE(
      store.release({first.digest, first.generation + 1}, "default/disk-key/one", 11).ok());
  ASSERT_TRUE(store.remove("one", by(12)).ok());
  ASSERT_TRUE(store.put_workload(workload(1), false, by(10)).value().changed);
  EXPECT_FALSE(store.put_workload(workload(1), false, by(11)).value().changed);
  EXPECT_EQ(store.release(first, "default/disk-key/one", 11).error().reason, "registration");
}

TEST_F(StoreTest, ReplacesAllOfItsId) {
  Store store = open();
  for (uint8_t digest : {1, 2, 3})
    ASSERT_EQ(store.put_workload(workload(digest), false, by(10)).value().replaced, 0u);
  EXPECT_EQ(store.put_workload(workload(2), true, by(10)).value().replaced, 2u);
  EXPECT_EQ(store.registrations().value().size(), 1u);
}

// One of the forms before had no evidence policies.
TEST_F(StoreTest, TakesOverRegistrationsWithoutPolicies) {
  Workload strict = workload(2);
  strict.policy = R"({"version":1})";
  {
    Store store = open();
    ASSERT_TRUE(store.put_workload(workload(1), false, by(10)).ok());
    ASSERT_TRUE(store.add_to_audit(entry(1, "allowed")).ok());
  }
  sql("ALTER TABLE workloads DROP COLUMN policy; ALTER TABLE workloads DROP COLUMN signer;"
      "ALTER TABLE workloads DROP COLUMN minimum_version;"
      "ALTER TABLE audit DROP COLUMN token; DROP TABLE tokens; DROP TABLE floors; PRAGMA "
      "user_version = 3;");
  Store store = open();
  const Registration one = store.find("one").value();
  EXPECT_EQ(one.workload.policy, "");
  EXPECT_EQ(store.release(judged_by(one), "default/disk-key/one", 1).value().view(), "secret");
  EXPECT_EQ(store.verify_audit().value().entries, 2);
  ASSERT_TRUE(store.put_workload(strict, true, by(11)).ok());
  EXPECT_EQ(store.find("one").value().workload.policy, strict.policy);
}

// Neither in the file nor in the log beside it, while the broker still serves.
TEST_F(StoreTest, KeysThatAreGoneAreInNoFile) {
  const auto found = [&](std::string_view key) {
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      std::ifstream content(file.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(content), {}};
      if (text.find(key) != std::string::npos) return true;
    }
    return false;
  };
  Store store = open();
  Workload one = workload(1);
  one.disk_key = SecretBytes::from_string("the-first-key-of-all");
  ASSERT_TRUE(store.put_workload(one, false, by(10)).ok());
  EXPECT_TRUE(found("the-first-key-of-all"));
  ASSERT_TRUE(store.rotate_key("one", SecretBytes::from_string("the-second-of-them"), by(12)).ok());
  EXPECT_FALSE(found("the-first-key-of-all"));
  one.disk_key = SecretBytes::from_string("third-one");
  ASSERT_TRUE(store.put_workload(one, true, by(10)).ok());
  EXPECT_FALSE(found("the-second-of-them"));
  ASSERT_TRUE(store.remove("one", by(12)).ok());
  EXPECT_FALSE(found("third-one"));
}

// The form before this one had no tokens; its audit holds as it was.
TEST_F(StoreTest, TakesOverAnAuditWithoutTokens) {
  Bytes head;
  {
    Store store = open();
    ASSERT_TRUE(store.put_workload(workload(1), false, by(0)).ok());
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(store.add_to_audit(entry(i, "allowed")).ok());
    head = store.verify_audit().value().head;
  }
  sql("ALTER TABLE workloads DROP COLUMN signer; ALTER TABLE workloads DROP COLUMN minimum_version;"
      "ALTER TABLE audit DROP COLUMN token; DROP TABLE tokens; DROP TABLE floors; PRAGMA "
      "user_version = 4;");
  Store store = open();
  EXPECT_EQ(store.verify_audit().value().head, head);
  EXPECT_EQ(store.tokens().value().size(), 0u);
  AuditEntry change = entry(4, "removed");
  change.token = "ci";
  ASSERT_TRUE(store.add_to_audit(change).ok());
  EXPECT_EQ(store.verify_audit().value().entries, 5);
  EXPECT_EQ(audit(store)[0]["token"], "ci");
  EXPECT_EQ(audit(store)[1]["token"], "");
}

// The forms before that: an id for each registration, keys apart; the first without a TEE.
TEST_F(StoreTest, TakesOverOlderVersions) {
  for (int version : {1, 2}) {
    SCOPED_TRACE(version);
    std::filesystem::remove(folder_ / "store");
    make_old_store();
    if (version == 1) sql("ALTER TABLE workloads DROP COLUMN tee; PRAGMA user_version = 1;");
    Store store = open();
    const Registration one = store.find("one").value();
    EXPECT_EQ(one.workload.minimum_tcb, 5u);
    EXPECT_EQ(one.workload.tee, Tee::snp);
    EXPECT_EQ(store.release(judged_by(one), "a/b/c", 1).value().view(), "key");
    EXPECT_EQ(audit(store)[0]["decision"], "allowed (outside of the chain)");
    ASSERT_TRUE(store.add_to_audit(entry(8, "allowed")).ok());
    EXPECT_EQ(store.verify_audit().value().entries, 1);
    EXPECT_GT(store.rotate_key("one", SecretBytes::from_string("x"), by(12)).value().generation,
              one.generation);
  }
}

}  // namespace
}  // namespace bartizan::attest::broker
