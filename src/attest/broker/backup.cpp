// Backup and restore of a state folder. A backup is one SQLite file: the store, and a table with
// the folder's other files, which is written last, so that a file without it is no whole backup.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "attest/broker/database.hpp"
#include "attest/broker/state_folder.hpp"
#include "attest/broker/store.hpp"
#include "bartizan/broker.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan {
using namespace attest::broker;  // NOLINT: the public functions of this component
namespace {

namespace fs = std::filesystem;

constexpr const char* kOrigin = "attest/broker";
constexpr uint64_t kMaxFile = 64 * kKiB;

struct KeptFile {
  const char* name;
  mode_t mode;
  bool required;  // a folder from before ca.key was kept has none
};
constexpr std::array<KeptFile, 5> kKeptFiles = {{{"admin.token", 0600, true},
                                                 {"ca.key", 0600, false},
                                                 {"ca.pem", 0644, true},
                                                 {"tls.key", 0600, true},
                                                 {"tls.pem", 0644, true}}};
constexpr std::string_view kFilesTable =
    "CREATE TABLE backup_files(name TEXT PRIMARY KEY, content BLOB NOT NULL)";

Error no_broker(const fs::path& path) {
  return make_error(ErrorCode::not_found, kOrigin, "{}: no store of a broker is there",
                    path.string());
}

SecretBytes taken(Bytes content) {
  SecretBytes secret{ByteView(content)};
  std::fill(content.begin(), content.end(), 0);
  return secret;
}

Result<void> keep_file(sqlite3* to, const fs::path& state, const KeptFile& file) {
  auto read = read_file(state / file.name, kMaxFile);
  if (!read.ok() && read.error().code == ErrorCode::not_found && !file.required) return {};
  const SecretBytes content = taken(TRY(std::move(read)));
  Statement row = TRY(Statement::prepare(to, "INSERT INTO backup_files VALUES(?, ?)"));
  const std::string_view name = file.name;
  return row.bind(name).bind(content.bytes()).run();
}

// In one file: with a log beside it, half of it would be copied.
Result<void> write_backup(sqlite3* from, const fs::path& state, const fs::path& output) {
  const Database to = TRY(open_database(output));
  TRY(copy_database(from, to.get()));
  TRY(execute(to.get(), "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; BEGIN"));
  TRY(execute(to.get(), kFilesTable));
  for (const KeptFile& file : kKeptFiles) TRY(keep_file(to.get(), state, file));
  return execute(to.get(), "COMMIT");
}

struct RestoredFile {
  const KeptFile* file;
  SecretBytes content;
};

Result<std::vector<RestoredFile>> kept_files(sqlite3* backup, const fs::path& path) {
  std::vector<RestoredFile> files;
  for (const KeptFile& file : kKeptFiles) {
    auto query = Statement::prepare(backup, "SELECT content FROM backup_files WHERE name = ?");
    if (!query.ok()) {
      return make_error(ErrorCode::corrupt, kOrigin, "{}: no backup of a broker, or not all of one",
                        path.string());
    }
    const std::string_view name = file.name;
    if (TRY(query->bind(name).step()) && query->bytes(0).size() <= kMaxFile) {
      files.push_back({&file, SecretBytes(query->bytes(0))});
    } else if (file.required) {
      return make_error(ErrorCode::corrupt, kOrigin, "{}: the backup has no {}", path.string(),
                        file.name);
    }
  }
  return files;
}

Result<void> restore_store(sqlite3* backup, const fs::path& path) {
  TRY(open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
  {
    const Database to = TRY(open_database(path));
    TRY(copy_database(backup, to.get()));
    TRY(execute(to.get(), "PRAGMA secure_delete = ON; DROP TABLE backup_files"));
  }
  Store restored = TRY(Store::open_as_it_is(path));
  TRY(restored.check_all());
  TRY(restored.verify_audit());
  return {};
}

// The mark is removed last: with it no broker starts, and the next restore begins anew.
Result<void> restore_into(const fs::path& state, sqlite3* backup,
                          const std::vector<RestoredFile>& files) {
  TRY(write_file(state / kRestoreMark, {}, 0600));
  TRY(remove_broker_files(state));
  TRY(restore_store(backup, state / kStoreFile));
  for (const RestoredFile& each : files)
    TRY(write_file(state / each.file->name, each.content.bytes(), each.file->mode));
  std::error_code error;
  fs::remove(state / kRestoreMark, error);
  if (!error) return {};
  return errno_error(error.value(), kOrigin, (state / kRestoreMark).string() + ": remove");
}

// SQLite takes what is not there, or no file, for an empty store.
Result<void> require_file(const fs::path& path) {
  std::error_code failure;
  if (fs::is_regular_file(path, failure)) return {};
  return make_error(ErrorCode::not_found, kOrigin, "{}: no such file", path.string());
}

}  // namespace

Result<void> backup_broker(const fs::path& state, const fs::path& output) {
  if (!require_file(state / kStoreFile).ok()) return no_broker(state / kStoreFile);
  const Database from = TRY(open_database(state / kStoreFile));
  TRY(schema_version(from.get()));  // that it is a database
  TRY(require_parent("backup", output));
  TRY(open_file(output, O_RDWR | O_CREAT | O_EXCL, 0600));
  Unfinished unfinished(output);
  TRY(write_backup(from.get(), state, output));
  unfinished.commit();
  return {};
}

Result<void> restore_broker(const fs::path& state, const fs::path& file) {
  TRY(require_file(file));
  const Database backup = TRY(open_database(file));
  TRY(execute(backup.get(), "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF"));
  TRY(check_integrity(backup.get()));
  const auto files = TRY(kept_files(backup.get(), file));
  TRY(check_restore_folder(state));
  TRY(make_state_folder(state));
  const UniqueFd lock = TRY(lock_state_folder(state));
  TRY(check_restore_folder(state));  // nothing has begun in the meantime
  auto restored = restore_into(state, backup.get(), files);
  if (!restored.ok() && remove_broker_files(state).ok()) {
    std::error_code ignored;
    fs::remove(state / kRestoreMark, ignored);
  }
  return restored;
}

}  // namespace bartizan
