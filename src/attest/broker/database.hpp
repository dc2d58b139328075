// The SQLite file as a whole: opened, copied, checked. What is in it is the Store's.
#pragma once

#include <filesystem>
#include <memory>

#include "attest/broker/statement.hpp"

namespace bartizan::attest::broker {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

// For reading and writing; it must be there. ":memory:" is empty and on no disk.
Result<Database> open_database(const std::filesystem::path& path);
// Statements without results, up to the first that fails.
Result<void> execute(sqlite3* database, std::string_view text);
// All of `from` as it is at one moment, in place of what `to` has. Whoever writes to `from` is not
// held up.
Result<void> copy_database(sqlite3* from, sqlite3* to);
// corrupt: SQLite's integrity_check finds something, and the error has the first of it.
Result<void> check_integrity(sqlite3* database);
// By a statement that has ended: a table cannot be renamed beside one.
Result<int64_t> schema_version(sqlite3* database);

}  // namespace bartizan::attest::broker
