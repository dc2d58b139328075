#include "attest/broker/database.hpp"

namespace bartizan::attest::broker {

Result<Database> open_database(const std::filesystem::path& path) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (result != SQLITE_OK) return sqlite_error(handle, "open " + path.string());
  sqlite3_busy_timeout(handle, 5000);  // another process (check, backup) may hold it for a moment
  return database;
}

Result<void> execute(sqlite3* database, std::string_view text) {
  if (sqlite3_exec(database, std::string(text).c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return {};
  return sqlite_error(database, text.substr(0, text.find('(')));
}

// One step takes all pages under one read transaction.
Result<void> copy_database(sqlite3* from, sqlite3* to) {
  sqlite3_backup* copy = sqlite3_backup_init(to, "main", from, "main");
  if (copy == nullptr) return sqlite_error(to, "copy");
  sqlite3_backup_step(copy, -1);
  if (sqlite3_backup_finish(copy) == SQLITE_OK) return {};
  return sqlite_error(to, "copy");
}

Result<void> check_integrity(sqlite3* database) {
  Statement query = TRY(Statement::prepare(database, "PRAGMA integrity_check(1)"));
  TRY(query.step());
  const std::string found = query.text(0);
  if (found == "ok") return {};
  return make_error(ErrorCode::corrupt, "attest/broker", "store: {}", found);
}

Result<int64_t> schema_version(sqlite3* database) {
  Statement query = TRY(Statement::prepare(database, "PRAGMA user_version"));
  TRY(query.step());
  return query.number(0);
}

}  // namespace bartizan::attest::broker
