#include "attest/broker/store.hpp"

#include <fcntl.h>

#include <tuple>

#include "attest/broker/statement.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/mutex.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr int64_t kSchemaVersion = 2;
constexpr std::string_view kSchema =
    "CREATE TABLE workloads(id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, measurements TEXT "
    "NOT NULL,"
    "  allow_simulated INTEGER NOT NULL, allow_debug INTEGER NOT NULL, minimum_tcb INTEGER NOT "
    "NULL,"
    "  resource TEXT NOT NULL UNIQUE);"
    "CREATE TABLE resources(path TEXT PRIMARY KEY, content BLOB NOT NULL);"
    "CREATE TABLE audit(number INTEGER PRIMARY KEY AUTOINCREMENT, workload TEXT NOT NULL, time "
    "INTEGER NOT NULL,"
    "  released INTEGER NOT NULL, reason TEXT NOT NULL, expected TEXT NOT NULL, got TEXT NOT NULL,"
    "  evidence TEXT NOT NULL);"
    "CREATE INDEX audit_of_workload ON audit(workload, number);"
    "PRAGMA user_version = 1;";
// Since version 2: which TEE the measurements are of, as kbs_tee_name() spells it.
constexpr std::string_view kAddTee =
    "ALTER TABLE workloads ADD COLUMN tee TEXT NOT NULL DEFAULT 'snp'; PRAGMA user_version = 2;";
constexpr std::string_view kSelectWorkload =
    "SELECT id, digest, measurements, allow_simulated, allow_debug, minimum_tcb, resource, tee "
    "FROM workloads WHERE ";

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

std::string measurements_text(const std::vector<Bytes>& measurements) {
  Json list = Json::array();
  for (const Bytes& one : measurements) list.push_back(to_hex(one));
  return list.dump();
}

Result<std::vector<Bytes>> measurements_of(const std::string& text) {
  Json list = TRY(parse_json(text, "store: measurements"));
  std::vector<Bytes> measurements;
  for (const Json& one : list) {
    if (!one.is_string())
      return make_error(ErrorCode::corrupt, "attest/broker", "store: measurement is not text");
    measurements.push_back(TRY(from_hex(one.get<std::string>())));
  }
  return measurements;
}

Result<std::optional<Workload>> read_workload(Statement& statement) {
  if (!TRY(statement.step())) return std::optional<Workload>();
  Workload workload;
  workload.id = statement.text(0);
  ByteView digest = statement.bytes(1);
  workload.workload_digest.assign(digest.begin(), digest.end());
  workload.measurements = TRY(measurements_of(statement.text(2)));
  workload.allow_simulated = statement.number(3) != 0;
  workload.allow_debug = statement.number(4) != 0;
  workload.minimum_tcb = static_cast<uint64_t>(statement.number(5));
  workload.resource = statement.text(6);
  auto tee = evidence::tee_of_kbs_name(statement.text(7));
  if (!tee) return make_error(ErrorCode::corrupt, "attest/broker", "store: unknown TEE");
  workload.tee = *tee;
  return std::optional<Workload>(std::move(workload));
}

// All but the key, of two of the same id.
bool same_values(const Workload& a, const Workload& b) {
  return std::tie(a.workload_digest, a.measurements, a.allow_simulated, a.allow_debug,
                  a.minimum_tcb, a.resource, a.tee) == std::tie(b.workload_digest, b.measurements,
                                                                b.allow_simulated, b.allow_debug,
                                                                b.minimum_tcb, b.resource, b.tee);
}

Error is_registered(const Workload& workload) {
  return make_error(ErrorCode::already_exists, "attest/broker",
                    "workload \"{}\" is registered with other values (digest {}); `replace` puts "
                    "this one in its place, and launches of that one get no key any more",
                    workload.id, to_hex(workload.workload_digest));
}

Result<void> execute(sqlite3* database, std::string_view text) {
  if (sqlite3_exec(database, std::string(text).c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return {};
  return sqlite_error(database, text.substr(0, text.find('(')));
}

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

Result<void> prepare_schema(sqlite3* database) {
  // secure_delete: a replaced key is overwritten in the file.
  TRY(execute(database, "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;"));
  Statement query = TRY(Statement::prepare(database, "PRAGMA user_version"));
  TRY(query.step());
  int64_t version = query.number(0);
  if (version > kSchemaVersion) {
    return make_error(ErrorCode::unsupported, "attest/broker",
                      "store: version {}; this program knows up to {}", version, kSchemaVersion);
  }
  if (version == kSchemaVersion) return {};
  Transaction transaction(database);
  TRY(transaction.begin());
  if (version < 1) TRY(execute(database, kSchema));
  TRY(execute(database, kAddTee));
  return transaction.commit();
}

}  // namespace

Decision decision_of(const Error* refusal, int64_t time, std::string evidence) {
  Decision decision{time, refusal == nullptr, {}, {}, {}, std::move(evidence)};
  if (refusal == nullptr) return decision;
  decision.reason =
      refusal->reason.empty() ? std::string(to_string(refusal->code)) : refusal->reason;
  decision.expected = refusal->expected;
  decision.got = refusal->got;
  return decision;
}

struct Store::State {
  Mutex mutex;
  Database database BARTIZAN_PT_GUARDED_BY(mutex);

  sqlite3* handle() const { return database.get(); }

  Result<void> check_free(const Workload& workload) {
    Statement query = TRY(Statement::prepare(
        handle(), "SELECT id FROM workloads WHERE id <> ? AND (digest = ? OR resource = ?)"));
    query.bind(workload.id).bind(workload.workload_digest).bind(workload.resource);
    if (!TRY(query.step())) return {};
    return make_error(ErrorCode::already_exists, "attest/broker",
                      "workload \"{}\": workload \"{}\" has the same digest or resource",
                      workload.id, query.text(0));
  }

  Result<std::optional<Workload>> by_id(const std::string& id) {
    Statement query = TRY(Statement::prepare(handle(), std::string(kSelectWorkload) + "id = ?"));
    return read_workload(query.bind(id));
  }

  Result<std::optional<SecretBytes>> resource(const std::string& path) {
    Statement query =
        TRY(Statement::prepare(handle(), "SELECT content FROM resources WHERE path = ?"));
    if (!TRY(query.bind(path).step())) return std::optional<SecretBytes>();
    return std::optional<SecretBytes>(SecretBytes(query.bytes(0)));
  }

  // What a registration of this id would put an end to; nothing if it has the same values.
  Result<std::optional<Workload>> replaced_by(const Workload& workload) {
    std::optional<Workload> before = TRY(by_id(workload.id));
    if (!before) return before;
    std::optional<SecretBytes> key = TRY(resource(before->resource));
    const bool same = key && key->equals(workload.disk_key) && same_values(*before, workload);
    return same ? std::optional<Workload>() : std::move(before);
  }

  Result<void> remove(const Workload& workload) {
    Statement row = TRY(Statement::prepare(handle(), "DELETE FROM workloads WHERE id = ?"));
    TRY(row.bind(workload.id).run());
    Statement key = TRY(Statement::prepare(handle(), "DELETE FROM resources WHERE path = ?"));
    return key.bind(workload.resource).run();
  }

  Result<void> put_row(const Workload& workload) {
    Statement row = TRY(Statement::prepare(
        handle(), "INSERT OR REPLACE INTO workloads VALUES(?, ?, ?, ?, ?, ?, ?, ?)"));
    std::string measurements = measurements_text(workload.measurements);
    row.bind(workload.id).bind(workload.workload_digest).bind(measurements);
    row.bind(int64_t{workload.allow_simulated}).bind(int64_t{workload.allow_debug});
    row.bind(static_cast<int64_t>(workload.minimum_tcb)).bind(workload.resource);
    return row.bind(evidence::kbs_tee_name(workload.tee)).run();
  }

  Result<void> put_resource(const std::string& path, ByteView content) {
    Statement row =
        TRY(Statement::prepare(handle(), "INSERT OR REPLACE INTO resources VALUES(?, ?)"));
    return row.bind(path).bind(content).run();
  }
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::filesystem::path& path) {
  TRY(open_file(path, O_RDWR | O_CREAT, 0600));  // SQLite would make it readable by others
  sqlite3* handle = nullptr;
  int result =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  auto state = std::make_unique<State>();
  state->database.reset(handle);
  if (result != SQLITE_OK) return sqlite_error(handle, "open " + path.string());
  TRY(prepare_schema(handle));
  return Store(std::move(state));
}

Result<bool> Store::put_workload(const Workload& workload, bool replace) {
  MutexLock lock(state_->mutex);
  Transaction transaction(state_->handle());
  TRY(transaction.begin());
  TRY(state_->check_free(workload));
  std::optional<Workload> before = TRY(state_->replaced_by(workload));
  if (before && !replace) return is_registered(*before);
  if (before) TRY(state_->remove(*before));
  TRY(state_->put_row(workload));
  TRY(state_->put_resource(workload.resource, workload.disk_key.bytes()));
  TRY(transaction.commit());
  return before.has_value();
}

Result<void> Store::remove_workload(const std::string& id) {
  MutexLock lock(state_->mutex);
  Transaction transaction(state_->handle());
  TRY(transaction.begin());
  std::optional<Workload> workload = TRY(state_->by_id(id));
  if (!workload)
    return make_error(ErrorCode::not_found, "attest/broker", "workload \"{}\" is not registered",
                      id);
  TRY(state_->remove(*workload));
  return transaction.commit();
}

Result<std::vector<Workload>> Store::workloads() {
  MutexLock lock(state_->mutex);
  Statement query =
      TRY(Statement::prepare(state_->handle(), std::string(kSelectWorkload) + "TRUE ORDER BY id"));
  std::vector<Workload> all;
  while (auto workload = TRY(read_workload(query))) all.push_back(std::move(*workload));
  return all;
}

Result<std::optional<Workload>> Store::workload_by_digest(ByteView digest) {
  MutexLock lock(state_->mutex);
  Statement query =
      TRY(Statement::prepare(state_->handle(), std::string(kSelectWorkload) + "digest = ?"));
  return read_workload(query.bind(digest));
}

Result<Workload> Store::registered_workload(ByteView digest) {
  std::optional<Workload> workload = TRY(workload_by_digest(digest));
  if (workload) return std::move(*workload);
  return refused("attest/broker", "host_data", "the digest of a registered workload",
                 to_hex(digest), "no workload with this digest is registered");
}

Result<std::optional<Workload>> Store::workload_by_id(const std::string& id) {
  MutexLock lock(state_->mutex);
  return state_->by_id(id);
}

Result<void> Store::put_resource(const std::string& path, ByteView content) {
  MutexLock lock(state_->mutex);
  return state_->put_resource(path, content);
}

Result<std::optional<SecretBytes>> Store::resource(const std::string& path) {
  MutexLock lock(state_->mutex);
  return state_->resource(path);
}

Result<void> Store::add_decision(const std::string& workload_id, const Decision& decision) {
  MutexLock lock(state_->mutex);
  Statement row = TRY(Statement::prepare(state_->handle(),
                                         "INSERT INTO audit(workload, time, released, reason, "
                                         "expected, got, evidence) VALUES(?,?,?,?,?,?,?)"));
  row.bind(workload_id).bind(decision.time).bind(int64_t{decision.released});
  TRY(row.bind(decision.reason)
          .bind(decision.expected)
          .bind(decision.got)
          .bind(decision.evidence)
          .run());
  Statement trim = TRY(Statement::prepare(
      state_->handle(),
      "DELETE FROM audit WHERE workload = ?1 AND number NOT IN"
      " (SELECT number FROM audit WHERE workload = ?1 ORDER BY number DESC LIMIT ?2)"));
  return trim.bind(workload_id).bind(int64_t{kMaxAuditEntries}).run();
}

Result<std::string> Store::decisions(const std::string& workload_id) {
  MutexLock lock(state_->mutex);
  Statement query =
      TRY(Statement::prepare(state_->handle(),
                             "SELECT time, released, reason, expected, got, evidence FROM audit"
                             " WHERE workload = ? ORDER BY number DESC"));
  query.bind(workload_id);
  Json list = Json::array();
  while (TRY(query.step())) {
    Json evidence = TRY(parse_json(query.text(5), "store: evidence"));
    list.push_back({{"time", query.number(0)},
                    {"decision", query.number(1) ? "allowed" : "refused"},
                    {"reason", query.text(2)},
                    {"expected", query.text(3)},
                    {"got", query.text(4)},
                    {"evidence", std::move(evidence)}});
  }
  return list.dump();
}

}  // namespace bartizan::attest::broker
