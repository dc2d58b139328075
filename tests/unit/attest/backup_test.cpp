// Backup, restore and check of a state folder, beside a broker that serves from it.
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "attest/broker/identity.hpp"
#include "attest/broker/state_folder.hpp"
#include "attest/broker/store.hpp"
#include "base/file.hpp"
#include "base/json.hpp"

namespace bartizan::attest::broker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kNames[] = {"store.sqlite", "ca.pem",  "ca.key",
                                  "tls.pem",      "tls.key", "admin.token"};

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-backup-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    state_ = folder_ / "state";
    file_ = folder_ / "backup";
    make_broker();
  }
  void TearDown() override { fs::remove_all(folder_); }

  void make_broker() {
    BrokerOptions options;
    options.state = state_;
    options.port = 0;
    ASSERT_TRUE(Broker::start(std::move(options)).ok());
    for (uint8_t digest : {1, 2}) put(digest);
  }
  static Workload workload(uint8_t digest) {
    Workload one;
    one.id = "w" + std::to_string(digest);
    one.workload_digest.assign(32, digest);
    one.measurements = {Bytes(48, 0xbb)};
    one.resource = "default/disk-key/" + one.id;
    one.disk_key = SecretBytes::from_string("secret-" + one.id);
    return one;
  }
  void put(uint8_t digest) {
    Store store = Store::open(state_ / kStoreFile).value();
    ASSERT_TRUE(store.put_workload(workload(digest), false, Store::Who{"192.0.2.1", 10}).ok());
  }
  static std::string text(const fs::path& path) {
    return std::string(as_text(read_file(path, 1 << 24).value()));
  }
  static void sql(const fs::path& path, const char* statements) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(handle, statements, nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_free(error);
    sqlite3_close(handle);
  }
  // What `check` finds wrong, "" if nothing.
  std::string wrong() {
    const Json found = parse_json(check_broker(state_).value(), "check").value();
    std::string all;
    for (const Json& one : found["checks"])
      if (!one["good"])
        all += one["name"].get<std::string>() + ": " + one["found"].get<std::string>();
    EXPECT_EQ(found["good"].get<bool>(), all.empty());
    return all;
  }

  fs::path folder_, state_, file_;
};

TEST_F(BackupTest, BringsBackAll) {
  ASSERT_TRUE(backup_broker(state_, file_).ok());
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_FALSE(fs::exists(file_.string() + "-wal"));
  const fs::path other = folder_ / "other";
  auto restored = restore_broker(other, file_);
  ASSERT_TRUE(restored.ok()) << restored.error().describe();
  ASSERT_EQ(::stat(other.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  for (const char* name : kNames) {
    struct stat before {
    }, after{};
    ASSERT_EQ(::stat((state_ / name).c_str(), &before), 0) << name;
    ASSERT_EQ(::stat((other / name).c_str(), &after), 0) << name;
    EXPECT_EQ(before.st_mode, after.st_mode) << name;
    if (name == kNames[0]) continue;
    EXPECT_EQ(text(state_ / name), text(other / name)) << name;
  }
  EXPECT_EQ(text(other / kStoreFile).find("PRIVATE KEY"), std::string::npos);
  Store store = Store::open(other / kStoreFile).value();
  EXPECT_EQ(store.registrations().value().size(), 2u);
  const JudgedBy judged = judged_by(store.find("w2").value());
  EXPECT_EQ(store.release(judged, "default/disk-key/w2", 1).value().view(), "secret-w2");
  EXPECT_EQ(store.verify_audit().value().entries, 2);
}

// One moment of a broker that registers all the while.
TEST_F(BackupTest, IsOfOneMoment) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint8_t digest = 3; !stop && digest < 250; ++digest) put(digest);
  });
  for (int i = 0; i < 5; ++i) {
    const fs::path file = folder_ / std::to_string(i), other = folder_ / ("s" + std::to_string(i));
    auto made = backup_broker(state_, file);
    ASSERT_TRUE(made.ok()) << made.error().describe();
    auto restored = restore_broker(other, file);
    ASSERT_TRUE(restored.ok()) << restored.error().describe();
    Store store = Store::open(other / kStoreFile).value();
    const auto entries = store.verify_audit().value().entries;
    const auto registered = static_cast<int64_t>(store.registrations().value().size());
    EXPECT_TRUE(registered == entries || registered == entries + 1) << registered << entries;
  }
  stop = true;
  writer.join();
}

TEST_F(BackupTest, NothingIsOverwritten) {
  ASSERT_TRUE(backup_broker(state_, file_).ok());
  const std::string before = text(file_), token = text(state_ / "admin.token");
  EXPECT_EQ(backup_broker(state_, file_).error().code, ErrorCode::already_exists);
  EXPECT_EQ(text(file_), before);
  auto restored = restore_broker(state_, file_);
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code, ErrorCode::already_exists);
  EXPECT_EQ(text(state_ / "admin.token"), token);
  fs::create_directory(folder_ / "photos");
  std::ofstream(folder_ / "photos" / "one.jpeg") << "x";
  EXPECT_EQ(restore_broker(folder_ / "photos", file_).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(backup_broker(folder_ / "photos", folder_ / "b").error().code, ErrorCode::not_found);
  EXPECT_FALSE(fs::exists(folder_ / "b"));
  EXPECT_FALSE(backup_broker(state_, "/nonexistent/b").ok());
}

TEST_F(BackupTest, HalfABackupIsNone) {
  ASSERT_TRUE(backup_broker(state_, file_).ok());
  const std::string whole = text(file_);
  const fs::path other = folder_ / "other";
  const auto refused = [&](std::string_view content) {
    std::ofstream(file_, std::ios::binary) << content;
    auto restored = restore_broker(other, file_);
    EXPECT_FALSE(fs::exists(other / "ca.pem"));
    EXPECT_FALSE(fs::exists(other / kStoreFile));
    return restored.ok() ? "" : std::string(to_string(restored.error().code));
  };
  EXPECT_EQ(refused(""), "corrupt");
  EXPECT_EQ(refused("no backup at all, but some text that is long enough for a page"), "corrupt");
  EXPECT_EQ(refused(whole.substr(0, whole.size() / 2)), "corrupt");
  std::string damaged = whole;
  for (size_t i = 4096; i < damaged.size(); i += 50) damaged[i] = 'x';
  EXPECT_EQ(refused(damaged), "corrupt");
  std::ofstream(file_, std::ios::binary) << whole;
  sql(file_, "DELETE FROM backup_files WHERE name = 'tls.key'");
  EXPECT_EQ(restore_broker(other, file_).error().code, ErrorCode::corrupt);
  std::ofstream(file_, std::ios::binary) << whole;
  sql(file_, "UPDATE audit SET time = 99 WHERE number = 1");
  EXPECT_EQ(restore_broker(other, file_).error().code, ErrorCode::corrupt);
  EXPECT_FALSE(fs::exists(other / "admin.token"));
  std::ofstream(file_, std::ios::binary) << whole;
  EXPECT_TRUE(restore_broker(other, file_).ok());  // the folder is as empty as before
}

TEST_F(BackupTest, AnInterruptedRestoreIsRepeatedAndServesNobody) {
  ASSERT_TRUE(backup_broker(state_, file_).ok());
  std::ofstream(state_ / kRestoreMark) << "";
  fs::remove(state_ / "ca.pem");
  BrokerOptions options;
  options.state = state_;
  options.port = 0;
  auto broker = Broker::start(std::move(options));
  ASSERT_FALSE(broker.ok());
  EXPECT_EQ(broker.error().code, ErrorCode::invalid_state);
  EXPECT_FALSE(fs::exists(state_ / "ca.pem"));
  auto restored = restore_broker(state_, file_);
  ASSERT_TRUE(restored.ok()) << restored.error().describe();
  EXPECT_EQ(wrong(), "");
}

TEST_F(BackupTest, CheckFindsWhatIsWrong) {
  EXPECT_EQ(wrong(), "");
  fs::permissions(state_ / "admin.token", fs::perms(0640));
  EXPECT_THAT(wrong(), HasSubstr("files: "));
  EXPECT_THAT(wrong(), HasSubstr("admin.token: mode 0640"));
  fs::permissions(state_ / "admin.token", fs::perms(0600));
  fs::permissions(state_, fs::perms(0755));
  EXPECT_THAT(wrong(), HasSubstr("mode 0755"));
  fs::permissions(state_, fs::perms(0700));
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((state_ / "tls.key").c_str(), 12345, 12345), 0);
    EXPECT_THAT(wrong(), HasSubstr("owner 12345"));
    ASSERT_EQ(::chown((state_ / "tls.key").c_str(), 0, 0), 0);
  }
  fs::rename(state_ / "tls.key", state_ / "elsewhere");
  fs::create_symlink("elsewhere", state_ / "tls.key");
  EXPECT_THAT(wrong(), HasSubstr("tls.key: no regular file"));
  fs::rename(state_ / "elsewhere", state_ / "tls.key");
  EXPECT_EQ(wrong(), "");

  sql(state_ / kStoreFile, "UPDATE audit SET got = 'x' WHERE number = 1");
  EXPECT_THAT(wrong(), HasSubstr("audit: "));
  sql(state_ / kStoreFile, "UPDATE audit SET got = '' WHERE number = 1");
  EXPECT_EQ(wrong(), "");
  sql(state_ / kStoreFile, "UPDATE workloads SET measurements = '{' WHERE id = 'w1'");
  EXPECT_THAT(wrong(), HasSubstr("store: "));
  sql(state_ / kStoreFile, "UPDATE workloads SET measurements = '[]', disk_key = x''");
  EXPECT_THAT(wrong(), HasSubstr("its key is damaged"));
  sql(state_ / kStoreFile, "DELETE FROM workloads");
  EXPECT_EQ(wrong(), "");
  std::ofstream(state_ / "ca.key") << "x";
  EXPECT_THAT(wrong(), HasSubstr("certificates: "));
  fs::remove(state_ / "ca.key");
  EXPECT_EQ(wrong(), "");
  fs::resize_file(state_ / kStoreFile, 8192);
  EXPECT_THAT(wrong(), HasSubstr("store: "));
  EXPECT_EQ(check_broker(folder_).error().code, ErrorCode::not_found);
}

// A broker of the version before may be serving from it.
TEST_F(BackupTest, CheckTakesNothingOver) {
  sql(state_ / kStoreFile,
      "ALTER TABLE workloads DROP COLUMN policy; ALTER TABLE workloads DROP COLUMN signer;"
      "ALTER TABLE workloads DROP COLUMN minimum_version; ALTER TABLE audit DROP COLUMN token; "
      "DROP TABLE "
      "tokens; DROP TABLE floors; PRAGMA user_version = 3;");
  EXPECT_EQ(wrong(), "");
  EXPECT_EQ(parse_json(verify_audit(state_).value(), "chain").value()["entries"], 2);
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((state_ / kStoreFile).c_str(), &handle), SQLITE_OK);
  EXPECT_NE(sqlite3_exec(handle, "SELECT policy FROM workloads", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(handle);
  sql(state_ / kStoreFile, "PRAGMA user_version = 99;");
  EXPECT_THAT(wrong(), HasSubstr("version 99"));
}

}  // namespace
}  // namespace bartizan::attest::broker
