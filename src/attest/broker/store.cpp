#include "attest/broker/store.hpp"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "attest/broker/database.hpp"
#include "attest/broker/messages.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/mutex.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr const char* kOrigin = "attest/broker";
constexpr size_t kDigestDigits = 64;
constexpr int64_t kSchemaVersion = 5;
// `generation` counts all changes of registrations; a number is never used again.
constexpr std::string_view kSchema =
    "CREATE TABLE workloads(digest BLOB PRIMARY KEY, id TEXT NOT NULL, generation INTEGER NOT NULL "
    "UNIQUE,"
    "  measurements TEXT NOT NULL, allow_simulated INTEGER NOT NULL, allow_debug INTEGER NOT NULL,"
    "  minimum_tcb INTEGER NOT NULL, resource TEXT NOT NULL, tee TEXT NOT NULL,"
    "  registered INTEGER NOT NULL, expires INTEGER NOT NULL, disk_key BLOB NOT NULL,"
    "  policy TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX workloads_of_id ON workloads(id);"
    "CREATE TABLE counter(generation INTEGER NOT NULL); INSERT INTO counter VALUES(0);"
    "CREATE TABLE audit(number INTEGER PRIMARY KEY AUTOINCREMENT, workload TEXT NOT NULL,"
    "  digest BLOB NOT NULL, time INTEGER NOT NULL, first INTEGER NOT NULL, times INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, reason TEXT NOT NULL, expected TEXT NOT NULL, got TEXT NOT NULL,"
    "  address TEXT NOT NULL, evidence TEXT, evidence_hash BLOB NOT NULL, chain BLOB,"
    "  token TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX audit_of_workload ON audit(workload, number);"
    "CREATE INDEX audit_of_digest ON audit(digest, number);"
    "CREATE TABLE tokens(name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, scope TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL);"
    "PRAGMA user_version = 5;";
// Version 2 had one registration for an id, and keys in a table of their own. Its audit could be
// emptied by strangers; what is left of it is kept as refusals are, outside of the chain.
constexpr std::string_view kSetAside =
    "ALTER TABLE workloads RENAME TO old_workloads; ALTER TABLE audit RENAME TO old_audit;"
    "DROP INDEX audit_of_workload;";
constexpr std::string_view kTakeOver =
    "INSERT INTO workloads SELECT digest, id, old_workloads.rowid, measurements, allow_simulated,"
    "  allow_debug, minimum_tcb, resource, tee, 0, 0, content, '' FROM old_workloads"
    "  JOIN resources ON path = resource;"
    "UPDATE counter SET generation = (SELECT IFNULL(MAX(generation), 0) FROM workloads);"
    "INSERT INTO audit SELECT number, workload, x'', time, time, 1,"
    "  CASE released WHEN 0 THEN 'refused' ELSE 'allowed' END, reason, expected, got, '', evidence,"
    "  x'', NULL, '' FROM old_audit;"
    "DROP TABLE old_workloads; DROP TABLE old_audit; DROP TABLE resources;";
// Since version 2: which TEE the measurements are of, as kbs_tee_name() spells it.
constexpr std::string_view kAddTee =
    "ALTER TABLE workloads ADD COLUMN tee TEXT NOT NULL DEFAULT 'snp'; PRAGMA user_version = 2;";
// Since version 4: EvidencePolicy::json.
constexpr std::string_view kAddPolicy =
    "ALTER TABLE workloads ADD COLUMN policy TEXT NOT NULL DEFAULT ''; PRAGMA user_version = 4;";
// Since version 5: AdminToken, and in the audit the name of the one that was used.
constexpr std::string_view kAddTokens =
    "ALTER TABLE audit ADD COLUMN token TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE tokens(name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, scope TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL);"
    "PRAGMA user_version = 5;";
constexpr std::string_view kSelectRegistration =
    "SELECT id, digest, measurements, allow_simulated, allow_debug, minimum_tcb, resource, tee, "
    "generation, registered, expires, policy FROM workloads WHERE ";

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
      return make_error(ErrorCode::corrupt, kOrigin, "store: measurement is not text");
    measurements.push_back(TRY(from_hex(one.get<std::string>())));
  }
  return measurements;
}

Result<std::optional<Registration>> read_registration(Statement& statement) {
  if (!TRY(statement.step())) return std::optional<Registration>();
  Registration registration;
  Workload& workload = registration.workload;
  workload.id = statement.text(0);
  ByteView digest = statement.bytes(1);
  workload.workload_digest.assign(digest.begin(), digest.end());
  workload.measurements = TRY(measurements_of(statement.text(2)));
  workload.allow_simulated = statement.number(3) != 0;
  workload.allow_debug = statement.number(4) != 0;
  workload.minimum_tcb = static_cast<uint64_t>(statement.number(5));
  workload.resource = statement.text(6);
  auto tee = evidence::tee_of_kbs_name(statement.text(7));
  if (!tee) return make_error(ErrorCode::corrupt, kOrigin, "store: unknown TEE");
  workload.tee = *tee;
  registration.generation = statement.number(8);
  registration.registered = statement.number(9);
  registration.expires = statement.number(10);
  workload.policy = statement.text(11);
  return std::optional<Registration>(std::move(registration));
}

// All but the key, of two of the same digest.
bool same_values(const Workload& a, const Workload& b) {
  return std::tie(a.id, a.measurements, a.allow_simulated, a.allow_debug, a.minimum_tcb, a.policy,
                  a.resource, a.tee) == std::tie(b.id, b.measurements, b.allow_simulated,
                                                 b.allow_debug, b.minimum_tcb, b.policy, b.resource,
                                                 b.tee);
}

Error is_registered(const Workload& workload) {
  return make_error(
      ErrorCode::already_exists, kOrigin,
      "workload \"{}\": its digest {} is registered with other values; `replace` puts "
      "these in their place, and guests that were judged by those get no key",
      workload.id, to_hex(workload.workload_digest));
}

Error not_registered(std::string_view reference) {
  return make_error(ErrorCode::not_found, kOrigin, "workload \"{}\" is not registered", reference);
}

std::optional<Bytes> digest_of(const std::string& reference) {
  if (reference.size() != kDigestDigits) return std::nullopt;
  auto bytes = from_hex(reference);
  if (!bytes.ok()) return std::nullopt;
  return *std::move(bytes);
}

// One of all that a reference or a resource names.
Result<Registration> only_one(std::vector<Registration> all, std::string_view name) {
  if (all.empty()) return not_registered(name);
  if (all.size() == 1) return std::move(all.front());
  std::string digests;
  for (const Registration& each : all)
    digests += (digests.empty() ? "" : ", ") + to_hex(each.workload.workload_digest);
  return make_error(ErrorCode::already_exists, kOrigin,
                    "\"{}\" is that of {} registrations; name one by its digest: {}", name,
                    all.size(), digests);
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

Result<void> migrate(sqlite3* database, int64_t version) {
  if (version == 3) TRY(execute(database, kAddPolicy));
  if (version >= 3) return execute(database, kAddTokens);
  if (version == 1) TRY(execute(database, kAddTee));
  if (version != 0) TRY(execute(database, kSetAside));
  TRY(execute(database, kSchema));
  return version == 0 ? Result<void>() : execute(database, kTakeOver);
}

Error too_new(int64_t version) {
  return make_error(ErrorCode::unsupported, kOrigin,
                    "store: version {}; this program knows up to {}", version, kSchemaVersion);
}

Result<void> migrate_in_transaction(sqlite3* database, int64_t version) {
  Transaction transaction(database);
  TRY(transaction.begin());
  TRY(migrate(database, version));
  return transaction.commit();
}

Result<void> prepare_schema(sqlite3* database) {
  // WAL: a decision waits for one fsync and not for three. FULL: what was answered is on the disk.
  TRY(execute(database,
              "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL; "
              "PRAGMA synchronous = FULL;"));
  const int64_t version = TRY(schema_version(database));
  if (version > kSchemaVersion) return too_new(version);
  return version == kSchemaVersion ? Result<void>() : migrate_in_transaction(database, version);
}

}  // namespace

JudgedBy judged_by(const Registration& registration) {
  return {registration.workload.workload_digest, registration.generation};
}

struct Store::State {
  Mutex mutex;
  Database database BARTIZAN_PT_GUARDED_BY(mutex);

  sqlite3* handle() const { return database.get(); }

  // All that `condition`, with one parameter, names.
  template <typename Value>
  Result<std::vector<Registration>> select(std::string_view condition, const Value& value) {
    Statement query = TRY(Statement::prepare(
        handle(), fmt::format("{}{} ORDER BY id, generation", kSelectRegistration, condition)));
    query.bind(value);
    std::vector<Registration> all;
    while (auto one = TRY(read_registration(query))) all.push_back(std::move(*one));
    return all;
  }

  Result<Registration> find(const std::string& reference) {
    if (auto digest = digest_of(reference)) {
      auto found = TRY(select("digest = ?", ByteView(*digest)));
      if (!found.empty()) return std::move(found.front());
    }
    return only_one(TRY(select("id = ?", std::string_view(reference))), reference);
  }

  Result<std::vector<AdminToken>> tokens() {
    Statement query = TRY(Statement::prepare(
        handle(), "SELECT name, scope, created, expires, hash FROM tokens ORDER BY name"));
    std::vector<AdminToken> all;
    while (TRY(query.step())) {
      AdminToken one{query.text(0), TRY(token_scope_from_string(query.text(1))), query.number(2),
                     query.number(3)};
      const ByteView hash = query.bytes(4);
      if (hash.size() != one.hash.size())
        return make_error(ErrorCode::corrupt, kOrigin, "store: token \"{}\"", one.name);
      std::ranges::copy(hash, one.hash.begin());
      all.push_back(std::move(one));
    }
    return all;
  }

  Result<int64_t> next_generation() {
    TRY(execute(handle(), "UPDATE counter SET generation = generation + 1"));
    Statement query = TRY(Statement::prepare(handle(), "SELECT generation FROM counter"));
    TRY(query.step());
    return query.number(0);
  }

  Result<bool> has_key(const Registration& registration, const SecretBytes& key) {
    Statement query =
        TRY(Statement::prepare(handle(), "SELECT disk_key FROM workloads WHERE digest = ?"));
    TRY(query.bind(ByteView(registration.workload.workload_digest)).step());
    return SecretBytes(query.bytes(0)).equals(key);
  }

  Result<void> remove(const Registration& registration) {
    Statement row = TRY(Statement::prepare(handle(), "DELETE FROM workloads WHERE digest = ?"));
    return row.bind(ByteView(registration.workload.workload_digest)).run();
  }

  Result<void> put_row(const Workload& workload, int64_t now) {
    const int64_t generation = TRY(next_generation());
    Statement row = TRY(Statement::prepare(
        handle(), "INSERT INTO workloads VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)"));
    std::string measurements = measurements_text(workload.measurements);
    row.bind(ByteView(workload.workload_digest)).bind(workload.id).bind(generation);
    row.bind(measurements).bind(int64_t{workload.allow_simulated});
    row.bind(int64_t{workload.allow_debug}).bind(static_cast<int64_t>(workload.minimum_tcb));
    row.bind(workload.resource).bind(evidence::kbs_tee_name(workload.tee)).bind(now);
    return row.bind(workload.disk_key.bytes()).bind(workload.policy).run();
  }

  // Sets one column, and gives the registration a generation of its own.
  template <typename Value>
  Result<Registration> change(Registration registration, const char* column, const Value& value) {
    registration.generation = TRY(next_generation());
    Statement row = TRY(Statement::prepare(
        handle(),
        fmt::format("UPDATE workloads SET {} = ?, generation = ? WHERE digest = ?", column)));
    row.bind(value).bind(registration.generation);
    TRY(row.bind(ByteView(registration.workload.workload_digest)).run());
    return registration;
  }

  Result<Bytes> chain_head() {
    Statement query = TRY(Statement::prepare(
        handle(), "SELECT chain FROM audit WHERE chain IS NOT NULL ORDER BY number DESC LIMIT 1"));
    if (!TRY(query.step())) return Bytes();
    ByteView head = query.bytes(0);
    return Bytes(head.begin(), head.end());
  }

  Result<bool> count_again(const AuditEntry& entry) {
    Statement row = TRY(Statement::prepare(
        handle(),
        "UPDATE audit SET time = ?, times = times + 1 WHERE kind = 'refused' AND workload = ? AND "
        "digest = ? AND reason = ? AND expected = ? AND got = ? AND address = ?"));
    row.bind(entry.time).bind(entry.workload_id).bind(ByteView(entry.digest)).bind(entry.reason);
    TRY(row.bind(entry.expected).bind(entry.got).bind(entry.address).run());
    return sqlite3_changes(handle()) != 0;
  }

  Result<int64_t> add_row(const AuditEntry& entry, ByteView evidence_hash) {
    Statement row = TRY(Statement::prepare(
        handle(),
        "INSERT INTO audit(workload, digest, time, first, times, kind, reason, expected, got, "
        "address, evidence, evidence_hash, token) VALUES(?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)"));
    row.bind(entry.workload_id).bind(ByteView(entry.digest)).bind(entry.time).bind(entry.time);
    row.bind(entry.kind).bind(entry.reason).bind(entry.expected).bind(entry.got);
    TRY(row.bind(entry.address).bind(entry.evidence).bind(evidence_hash).bind(entry.token).run());
    return sqlite3_last_insert_rowid(handle());
  }

  Result<void> set_chain(int64_t number, ByteView chain) {
    Statement row =
        TRY(Statement::prepare(handle(), "UPDATE audit SET chain = ? WHERE number = ?"));
    return row.bind(chain).bind(number).run();
  }

  Result<void> trim(std::string_view statement, const AuditEntry& entry, int most) {
    Statement row = TRY(Statement::prepare(handle(), statement));
    return row.bind(entry.workload_id).bind(ByteView(entry.digest)).bind(int64_t{most}).run();
  }

  Result<void> add_to_audit(const AuditEntry& entry) {
    const bool refusal = entry.kind == "refused";
    if (refusal && TRY(count_again(entry))) return {};
    const auto evidence_hash = crypto::sha256(as_bytes(entry.evidence));
    const Bytes head = refusal ? Bytes() : TRY(chain_head());
    const int64_t number = TRY(add_row(entry, evidence_hash));
    if (refusal) {
      return trim(
          "DELETE FROM audit WHERE kind = 'refused' AND workload = ?1 AND digest = ?2 AND number "
          "NOT IN (SELECT number FROM audit WHERE kind = 'refused' AND workload = ?1 AND digest = "
          "?2 ORDER BY time DESC, number DESC LIMIT ?3)",
          entry, kMaxRefusals);
    }
    TRY(set_chain(number, chained(head, number, entry, evidence_hash)));
    return trim(
        "UPDATE audit SET evidence = NULL WHERE kind <> 'refused' AND workload = ?1 AND digest = "
        "?2 "
        "AND evidence IS NOT NULL AND number NOT IN (SELECT number FROM audit WHERE kind <> "
        "'refused' AND workload = ?1 AND digest = ?2 ORDER BY number DESC LIMIT ?3)",
        entry, kMaxKeptEvidence);
  }

  // secure_delete overwrites a key that goes when its page gets into the file; until then the log
  // beside it has both. Whoever reads at this moment delays that until the next time.
  void forget_old_keys() {
    sqlite3_wal_checkpoint_v2(handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  }

  // As transact(), for what replaces or removes a key.
  template <typename Body>
  auto transact_keys(Body body) -> decltype(body()) {
    auto result = transact(std::move(body));
    MutexLock lock(mutex);
    if (result.ok()) forget_old_keys();
    return result;
  }

  // Runs `body` in a transaction under the lock.
  template <typename Body>
  auto transact(Body body) -> decltype(body()) {
    MutexLock lock(mutex);
    Transaction transaction(handle());
    TRY(transaction.begin());
    auto result = body();
    if (!result.ok()) return result;
    TRY(transaction.commit());
    return result;
  }
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::filesystem::path& path) {
  TRY(open_file(path, O_RDWR | O_CREAT, 0600));  // SQLite would make it readable by others
  auto state = std::make_unique<State>();
  state->database = TRY(open_database(path));
  TRY(prepare_schema(state->handle()));
  return Store(std::move(state));
}

// An older version is taken over in memory alone: a broker of that version may be serving.
Result<Store> Store::open_as_it_is(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  state->database = TRY(open_database(path));
  const int64_t version = TRY(schema_version(state->handle()));
  if (version > kSchemaVersion) return too_new(version);
  if (version == 0) return make_error(ErrorCode::corrupt, kOrigin, "{}: empty", path.string());
  if (version < kSchemaVersion) {
    Database copy = TRY(open_database(":memory:"));
    TRY(copy_database(state->handle(), copy.get()));
    TRY(migrate_in_transaction(copy.get(), version));
    state->database = std::move(copy);
  }
  TRY(execute(state->handle(), "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;"));
  return Store(std::move(state));
}

Result<Store::Put> Store::put_workload(const Workload& workload, bool replace, int64_t now) {
  return state_->transact_keys([&]() -> Result<Put> {
    auto before = TRY(state_->select("digest = ?", ByteView(workload.workload_digest)));
    const bool again = !before.empty() && same_values(before.front().workload, workload) &&
                       TRY(state_->has_key(before.front(), workload.disk_key));
    if (!before.empty() && !again && !replace) return is_registered(before.front().workload);
    if (again) before.clear();
    if (replace) {
      for (Registration& other : TRY(state_->select("id = ?", std::string_view(workload.id)))) {
        if (other.workload.workload_digest != workload.workload_digest)
          before.push_back(std::move(other));
      }
    }
    for (const Registration& each : before) TRY(state_->remove(each));
    if (!again) TRY(state_->put_row(workload, now));
    return Put{!again || !before.empty(), before.size()};
  });
}

Result<Registration> Store::find(const std::string& reference) {
  MutexLock lock(state_->mutex);
  return state_->find(reference);
}

Result<std::vector<Registration>> Store::registrations() {
  MutexLock lock(state_->mutex);
  return state_->select("?", int64_t{1});
}

Result<Registration> Store::remove(const std::string& reference) {
  return state_->transact_keys([&]() -> Result<Registration> {
    Registration registration = TRY(state_->find(reference));
    TRY(state_->remove(registration));
    return registration;
  });
}

Result<Registration> Store::rotate_key(const std::string& reference, const SecretBytes& key) {
  return state_->transact_keys([&]() -> Result<Registration> {
    return state_->change(TRY(state_->find(reference)), "disk_key", key.bytes());
  });
}

Result<Registration> Store::set_expiry(const std::string& reference, int64_t expires) {
  return state_->transact([&]() -> Result<Registration> {
    auto changed = TRY(state_->change(TRY(state_->find(reference)), "expires", expires));
    changed.expires = expires;
    return changed;
  });
}

Result<Registration> Store::put_resource(const std::string& path, const SecretBytes& content) {
  return state_->transact_keys([&]() -> Result<Registration> {
    auto all = TRY(state_->select("resource = ?", std::string_view(path)));
    return state_->change(TRY(only_one(std::move(all), path)), "disk_key", content.bytes());
  });
}

Result<Registration> Store::registered(ByteView digest, int64_t now) {
  MutexLock lock(state_->mutex);
  auto found = TRY(state_->select("digest = ?", digest));
  if (found.empty()) {
    return refused(kOrigin, "host_data", "the digest of a registered workload", to_hex(digest),
                   "no workload with this digest is registered");
  }
  const int64_t expires = found.front().expires;
  if (expires != 0 && expires <= now) {
    return refused(kOrigin, "expired", fmt::format("a launch before {}", expires),
                   std::to_string(now), "the registration of workload \"{}\" has expired",
                   found.front().workload.id);
  }
  return std::move(found.front());
}

Result<SecretBytes> Store::release(const JudgedBy& judged, std::string_view resource, int64_t now) {
  MutexLock lock(state_->mutex);
  Statement query = TRY(Statement::prepare(
      state_->handle(),
      "SELECT disk_key, resource FROM workloads WHERE digest = ? AND generation = ? AND (expires = "
      "0 OR expires > ?)"));
  query.bind(ByteView(judged.digest)).bind(judged.generation).bind(now);
  if (!TRY(query.step())) {
    return refused(kOrigin, "registration", "the registration that the evidence was judged by",
                   "another, or none",
                   "the registration was changed or removed, or has expired, since the evidence "
                   "was judged: attest again");
  }
  if (query.text(1) != resource) {
    return make_error(ErrorCode::permission_denied, kOrigin,
                      "resource \"{}\" is not of the workload that attested", resource);
  }
  return SecretBytes(query.bytes(0));
}

Result<void> Store::add_token(const AdminToken& token) {
  return state_->transact([&]() -> Result<void> {
    const auto all = TRY(state_->tokens());
    if (all.size() >= kMaxTokens) {
      return make_error(ErrorCode::resource_exhausted, kOrigin, "there are {} tokens: revoke one",
                        all.size());
    }
    for (const AdminToken& each : all) {
      if (each.name != token.name) continue;
      return make_error(ErrorCode::already_exists, kOrigin,
                        "token \"{}\" is there: revoke it first", token.name);
    }
    Statement row =
        TRY(Statement::prepare(state_->handle(), "INSERT INTO tokens VALUES(?, ?, ?, ?, ?)"));
    row.bind(token.name).bind(ByteView(token.hash)).bind(to_string(token.scope));
    return row.bind(token.created).bind(token.expires).run();
  });
}

Result<std::vector<AdminToken>> Store::tokens() {
  MutexLock lock(state_->mutex);
  return state_->tokens();
}

Result<void> Store::remove_token(const std::string& name) {
  return state_->transact([&]() -> Result<void> {
    Statement row = TRY(Statement::prepare(state_->handle(), "DELETE FROM tokens WHERE name = ?"));
    TRY(row.bind(name).run());
    if (sqlite3_changes(state_->handle()) != 0) return {};
    return make_error(ErrorCode::not_found, kOrigin, "no token \"{}\"", name);
  });
}

Result<void> Store::add_to_audit(const AuditEntry& entry) {
  const AuditEntry cleaned = clean(entry);
  return state_->transact([&] { return state_->add_to_audit(cleaned); });
}

Result<std::string> Store::audit_of(const std::string& reference) {
  MutexLock lock(state_->mutex);
  const std::optional<Bytes> digest = digest_of(reference);
  Statement query = TRY(Statement::prepare(
      state_->handle(),
      fmt::format("SELECT time, kind, reason, expected, got, evidence, workload, digest, address, "
                  "first, times, token FROM audit WHERE {} = ? ORDER BY time DESC, number DESC",
                  digest ? "digest" : "workload")));
  if (digest) {
    query.bind(ByteView(*digest));
  } else {
    query.bind(reference);
  }
  Json list = Json::array();
  while (TRY(query.step())) {
    auto evidence = parse_json(query.text(5), "store: evidence");
    list.push_back({{"time", query.number(0)},
                    {"decision", query.text(1)},
                    {"reason", query.text(2)},
                    {"expected", query.text(3)},
                    {"got", query.text(4)},
                    {"evidence", evidence.ok() ? std::move(*evidence) : Json()},
                    {"workload", query.text(6)},
                    {"workload_digest", to_hex(query.bytes(7))},
                    {"address", query.text(8)},
                    {"first", query.number(9)},
                    {"times", query.number(10)},
                    {"token", query.text(11)}});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<AuditChain> Store::verify_audit() {
  MutexLock lock(state_->mutex);
  Statement query = TRY(Statement::prepare(
      state_->handle(),
      "SELECT number, workload, digest, time, kind, reason, expected, got, address, evidence_hash, "
      "chain, evidence, token FROM audit WHERE chain IS NOT NULL ORDER BY number"));
  AuditChain result;
  while (TRY(query.step())) {
    const int64_t number = query.number(0);
    const ByteView digest = query.bytes(2), chain = query.bytes(10);
    AuditEntry entry{query.text(1),
                     Bytes(digest.begin(), digest.end()),
                     query.number(3),
                     query.text(4),
                     query.text(5),
                     query.text(6),
                     query.text(7),
                     query.text(8),
                     {},
                     query.text(12)};
    const Bytes evidence_hash(query.bytes(9).begin(), query.bytes(9).end());
    const Bytes expected = chained(result.head, number, entry, evidence_hash);
    const ByteView evidence = query.bytes(11);
    const auto kept = crypto::sha256(evidence);
    const bool evidence_holds =
        evidence.empty() ||
        std::equal(kept.begin(), kept.end(), evidence_hash.begin(), evidence_hash.end());
    if (!std::equal(chain.begin(), chain.end(), expected.begin(), expected.end()) ||
        !evidence_holds) {
      return make_error(ErrorCode::corrupt, kOrigin,
                        "audit: entry {} or one before it was changed, removed or put in", number);
    }
    result.head = expected;
    ++result.entries;
  }
  return result;
}

Result<int64_t> Store::check_all() {
  MutexLock lock(state_->mutex);
  TRY(check_integrity(state_->handle()));
  Statement keys = TRY(Statement::prepare(
      state_->handle(),
      "SELECT id FROM workloads WHERE length(disk_key) NOT BETWEEN 1 AND ? LIMIT 1"));
  if (TRY(keys.bind(int64_t{kMaxDiskKey}).step())) {
    return make_error(ErrorCode::corrupt, kOrigin, "store: workload \"{}\": its key is damaged",
                      keys.text(0));
  }
  const auto all = TRY(state_->select("?", int64_t{1}));
  TRY(list_of(all));
  TRY(state_->tokens());
  return static_cast<int64_t>(all.size());
}

Result<void> Store::check() {
  MutexLock lock(state_->mutex);
  Statement statement =
      TRY(Statement::prepare(state_->handle(), "SELECT 1 FROM workloads LIMIT 1"));
  TRY(statement.step());
  return {};
}

}  // namespace bartizan::attest::broker
