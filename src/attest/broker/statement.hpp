// Statement: one prepared SQLite statement. Text and blobs are bound by reference and must outlive
// the step.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::broker {

// The first word, as a rule: columns would read as if they were options.
constexpr size_t kShownOperation = 40;

inline Error sqlite_error(sqlite3* database, std::string_view operation) {
  int code = sqlite3_errcode(database);
  bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return make_error(damaged ? ErrorCode::corrupt : ErrorCode::io, "attest/broker",
                    "store: {}: {}{}", operation.substr(0, kShownOperation),
                    sqlite3_errmsg(database),
                    code == SQLITE_FULL ? "; free space on its file system" : "");
}

class Statement {
 public:
  static Result<Statement> prepare(sqlite3* database, std::string_view text) {
    sqlite3_stmt* handle = nullptr;
    if (sqlite3_prepare_v2(database, text.data(), static_cast<int>(text.size()), &handle,
                           nullptr) != SQLITE_OK) {
      return sqlite_error(database, text);
    }
    return Statement(database, handle);
  }
  Statement(Statement&& other) noexcept
      : database_(other.database_),
        handle_(std::exchange(other.handle_, nullptr)),
        next_(other.next_) {}
  Statement(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(handle_); }

  // Parameters in order.
  Statement& bind(std::string_view text) {
    sqlite3_bind_text(handle_, ++next_, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    return *this;
  }
  Statement& bind(ByteView bytes) {  // never NULL, even when empty
    static const uint8_t kNothing = 0;
    sqlite3_bind_blob(handle_, ++next_, bytes.empty() ? &kNothing : bytes.data(),
                      static_cast<int>(bytes.size()), SQLITE_STATIC);
    return *this;
  }
  Statement& bind(int64_t number) {
    sqlite3_bind_int64(handle_, ++next_, number);
    return *this;
  }

  Result<bool> step() {  // true: a row is there
    int result = sqlite3_step(handle_);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return sqlite_error(database_, sqlite3_sql(handle_));
  }
  Result<void> run() {
    TRY(step());
    return {};
  }

  int64_t number(int column) const { return sqlite3_column_int64(handle_, column); }
  std::string text(int column) const { return std::string(as_text(bytes(column))); }
  ByteView bytes(int column) const {  // until the next step
    const void* data = sqlite3_column_blob(handle_, column);
    return {static_cast<const uint8_t*>(data),
            static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
  }

 private:
  Statement(sqlite3* database, sqlite3_stmt* handle) : database_(database), handle_(handle) {}
  sqlite3* database_;
  sqlite3_stmt* handle_;
  int next_ = 0;
};

}  // namespace bartizan::attest::broker
