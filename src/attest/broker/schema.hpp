// The tables of the broker's store, version by version, and transactions on them.
#pragma once

#include "attest/broker/database.hpp"

namespace bartizan::attest::broker {

constexpr int64_t kSchemaVersion = 5;

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* database) : database_(database) {}
  Transaction(const Transaction&) = delete;
  ~Transaction() {
    if (open_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Result<void> begin() {
    TRY(execute(database_, "BEGIN IMMEDIATE"));
    open_ = true;
    return {};
  }
  Result<void> commit() {
    TRY(execute(database_, "COMMIT"));
    open_ = false;
    return {};
  }

 private:
  sqlite3* database_;
  bool open_ = false;
};

// unsupported: a store of a later version than this program knows.
Error too_new(int64_t version);
// Takes over a store of an older version, all of it or nothing of it.
Result<void> migrate_in_transaction(sqlite3* database, int64_t version);
// For serving from it: settings, and tables of kSchemaVersion. unsupported: of a later version.
Result<void> prepare_schema(sqlite3* database);

}  // namespace bartizan::attest::broker
