#include "attest/broker/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "attest/broker/database.hpp"
#include "attest/broker/messages.hpp"
#include "attest/broker/schema.hpp"
#include "attest/evidence/tee_name.hpp"
#include "attest/evidence/workload_statement.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/mutex.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr const char* kOrigin = "attest/broker";
// Behind a decision that nothing vouches for: of a store from before the chain, or put in.
constexpr const char* kOutsideChain = " (outside of the chain)";
constexpr size_t kDigestDigits = 64;
constexpr std::string_view kSelectRegistration =
    "SELECT id, digest, measurements, allow_simulated, allow_debug, minimum_tcb, resource, tee, "
    "generation, registered, expires, policy, signer, minimum_version, CASE signer WHEN '' THEN 0 "
    "ELSE IFNULL((SELECT version FROM floors WHERE floors.id = workloads.id), 0) END FROM "
    "workloads WHERE ";

Error no_such_digest(ByteView digest) {
  return refused(kOrigin, "host_data", "the digest of a registered workload", to_hex(digest),
                 "no workload with this digest is registered");
}

Result<void> check_expiry(const Registration& registration, int64_t now) {
  const int64_t expires = registration.expires;
  if (expires == 0 || expires > now) return {};
  return refused(kOrigin, "expired", fmt::format("a launch before {}", expires),
                 std::to_string(now), "the registration of workload \"{}\" has expired",
                 registration.workload.id);
}

Result<void> check_statement(const evidence::WorkloadStatement& statement,
                             const Registration& registration, ByteView digest) {
  const Workload& workload = registration.workload;
  if (statement.workload_id != workload.id ||
      !std::equal(digest.begin(), digest.end(), statement.workload_digest.begin(),
                  statement.workload_digest.end())) {
    return refused(kOrigin, "statement", to_hex(digest), to_hex(statement.workload_digest),
                   "the owner's statement is about another build than the evidence");
  }
  const uint64_t least = std::max(workload.minimum_version, registration.released_version);
  if (statement.version >= least) return {};
  return refused(kOrigin, "version", fmt::format("{} or later", least),
                 std::to_string(statement.version),
                 "version {} of workload \"{}\" is older than one that is demanded or got the key",
                 statement.version, workload.id);
}

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
  registration.row.assign(digest.begin(), digest.end());
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
  workload.signer = statement.text(12);
  workload.minimum_version = static_cast<uint64_t>(statement.number(13));
  registration.released_version = static_cast<uint64_t>(statement.number(14));
  if (workload.signer.empty()) workload.workload_digest = registration.row;
  return std::optional<Registration>(std::move(registration));
}

// All but the key, of two of the same digest.
bool same_values(const Workload& a, const Workload& b) {
  const auto all = [](const Workload& one) {
    return std::tie(one.id, one.measurements, one.allow_simulated, one.allow_debug, one.minimum_tcb,
                    one.policy, one.resource, one.tee, one.signer, one.minimum_version);
  };
  return all(a) == all(b);
}

// What finds a registration: the digest, or what stands for "signed, of that id". No manifest has
// that digest.
Bytes row_of(const Workload& workload) {
  if (workload.signer.empty()) return workload.workload_digest;
  const auto row = crypto::sha256(as_bytes("bartizan: signed workload " + workload.id));
  return Bytes(row.begin(), row.end());
}

Error is_registered(const Workload& workload) {
  if (!workload.signer.empty()) {
    return make_error(ErrorCode::already_exists, kOrigin,
                      "workload \"{}\": a signer of it is registered with other values; `replace` "
                      "puts these in their place, and guests that were judged by those get no key",
                      workload.id);
  }
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
  for (const Registration& each : all) digests += (digests.empty() ? "" : ", ") + to_hex(each.row);
  return make_error(ErrorCode::already_exists, kOrigin,
                    "\"{}\" is that of {} registrations; name one by its digest: {}", name,
                    all.size(), digests);
}

// The row's own hash, if it continues the chain and holds what it must.
Result<Bytes> next_of_chain(const Statement& row, ByteView head) {
  const int64_t number = row.number(0);
  const ByteView digest = row.bytes(2), chain = row.bytes(10), evidence = row.bytes(11);
  const AuditEntry entry{row.text(1),
                         Bytes(digest.begin(), digest.end()),
                         row.number(3),
                         row.text(4),
                         row.text(5),
                         row.text(6),
                         row.text(7),
                         row.text(8),
                         {},
                         row.text(14)};
  const Bytes evidence_hash(row.bytes(9).begin(), row.bytes(9).end());
  const Bytes expected = chained(head, number, entry, evidence_hash);
  const auto kept = crypto::sha256(evidence);
  const bool evidence_holds =
      row.number(15) != 0 ||
      std::equal(kept.begin(), kept.end(), evidence_hash.begin(), evidence_hash.end());
  const bool counted_once = row.number(12) != 0, evidence_is_gone = row.number(13) != 0;
  const bool has_its_types = row.number(16) != 0;  // queries do not find text that became a blob
  if (std::equal(chain.begin(), chain.end(), expected.begin(), expected.end()) && evidence_holds &&
      counted_once && !evidence_is_gone && has_its_types)
    return expected;
  return make_error(ErrorCode::corrupt, kOrigin,
                    "audit: entry {} or one before it was changed, removed or put in", number);
}

}  // namespace

JudgedBy judged_by(const Registration& registration, uint64_t version) {
  return {registration.row, registration.generation, version,
          registration.workload.workload_digest};
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
    TRY(query.bind(ByteView(registration.row)).step());
    return SecretBytes(query.bytes(0)).equals(key);
  }

  Result<void> remove(const Registration& registration) {
    Statement row = TRY(Statement::prepare(handle(), "DELETE FROM workloads WHERE digest = ?"));
    return row.bind(ByteView(registration.row)).run();
  }

  Result<void> put_row(const Workload& workload, int64_t now) {
    const int64_t generation = TRY(next_generation());
    Statement row = TRY(Statement::prepare(
        handle(), "INSERT INTO workloads VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)"));
    const Bytes digest = row_of(workload);
    std::string measurements = measurements_text(workload.measurements);
    row.bind(ByteView(digest)).bind(workload.id).bind(generation);
    row.bind(measurements).bind(int64_t{workload.allow_simulated});
    row.bind(int64_t{workload.allow_debug}).bind(static_cast<int64_t>(workload.minimum_tcb));
    row.bind(workload.resource).bind(evidence::kbs_tee_name(workload.tee)).bind(now);
    row.bind(workload.disk_key.bytes()).bind(workload.policy).bind(workload.signer);
    return row.bind(static_cast<int64_t>(workload.minimum_version)).run();
  }

  // Sets one column, and gives the registration a generation of its own.
  template <typename Value>
  Result<Registration> change(Registration registration, const char* column, const Value& value) {
    registration.generation = TRY(next_generation());
    Statement row = TRY(Statement::prepare(
        handle(),
        fmt::format("UPDATE workloads SET {} = ?, generation = ? WHERE digest = ?", column)));
    row.bind(value).bind(registration.generation);
    TRY(row.bind(ByteView(registration.row)).run());
    return registration;
  }

  Result<Registration> change_key(Registration registration, const SecretBytes& key,
                                  const Who& who) {
    auto changed = TRY(change(std::move(registration), "disk_key", key.bytes()));
    TRY(note(kKeyRotated, changed.workload, who));
    return changed;
  }

  // An owner's change, in the transaction that makes it.
  Result<void> note(const char* kind, const Workload& workload, const Who& who) {
    AuditEntry entry = entry_about(workload.id, workload.workload_digest, who.address, who.now);
    entry.kind = kind;
    entry.token = who.token;
    return add_to_audit(entry);
  }

  // Of no workload.
  Result<void> note_token(const char* kind, const std::string& what, const Who& who) {
    AuditEntry entry = entry_about({}, {}, who.address, who.now);
    entry.kind = kind;
    entry.got = what;
    entry.token = who.token;
    return add_to_audit(entry);
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

  Result<SecretBytes> release(const JudgedBy& judged, std::string_view resource, int64_t now);
  // Of an id for ever: new values, or another kind of registration in between, do not let an older
  // version in again.
  Result<void> note_version(const JudgedBy& judged) {
    Statement floor = TRY(Statement::prepare(
        handle(),
        "INSERT INTO floors SELECT id, ? FROM workloads WHERE digest = ? ON CONFLICT(id) DO UPDATE "
        "SET version = MAX(version, excluded.version)"));
    return floor.bind(static_cast<int64_t>(judged.version)).bind(ByteView(judged.row)).run();
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

  Result<void> trim_refusals(const AuditEntry& entry) {
    TRY(trim(
        "DELETE FROM audit WHERE kind = 'refused' AND workload = ?1 AND digest = ?2 AND number NOT "
        "IN (SELECT number FROM audit WHERE kind = 'refused' AND workload = ?1 AND digest = ?2 "
        "ORDER BY time DESC, number DESC LIMIT ?3)",
        entry, kMaxRefusals));
    return trim(
        "UPDATE audit SET evidence = NULL WHERE kind = 'refused' AND workload = ?1 AND digest = ?2 "
        "AND evidence IS NOT NULL AND number NOT IN (SELECT number FROM audit WHERE kind = "
        "'refused' AND workload = ?1 AND digest = ?2 ORDER BY time DESC, number DESC LIMIT ?3)",
        entry, kMaxRefusedEvidence);
  }

  // In the transaction of what it is about: nothing is in force that the audit lacks.
  Result<void> add_to_audit(const AuditEntry& given) {
    const AuditEntry entry = clean(given);
    const bool refusal = entry.kind == "refused";
    if (refusal && TRY(count_again(entry))) return {};
    const auto evidence_hash = crypto::sha256(as_bytes(entry.evidence));
    const Bytes head = refusal ? Bytes() : TRY(chain_head());
    const int64_t number = TRY(add_row(entry, evidence_hash));
    if (refusal) return trim_refusals(entry);
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
  // SQLite would make it readable by others, and wait for ever at a FIFO.
  UniqueFd file = TRY(open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return invalid(kOrigin, "{}: not a regular file", path.string());
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

Result<Store::Put> Store::put_workload(const Workload& workload, bool replace, const Who& who) {
  return state_->transact_keys([&]() -> Result<Put> {
    const Bytes row = row_of(workload);
    auto before = TRY(state_->select("digest = ?", ByteView(row)));
    const bool again = !before.empty() && same_values(before.front().workload, workload) &&
                       TRY(state_->has_key(before.front(), workload.disk_key));
    if (!before.empty() && !again && !replace) return is_registered(before.front().workload);
    if (again) before.clear();
    if (replace) {
      for (Registration& other : TRY(state_->select("id = ?", std::string_view(workload.id)))) {
        if (other.row != row) before.push_back(std::move(other));
      }
    }
    for (const Registration& each : before) TRY(state_->remove(each));
    if (!again) TRY(state_->put_row(workload, who.now));
    const Put put{!again || !before.empty(), before.size()};
    if (put.changed) TRY(state_->note(before.empty() ? kRegistered : kReplaced, workload, who));
    return put;
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

Result<Registration> Store::remove(const std::string& reference, const Who& who) {
  return state_->transact_keys([&]() -> Result<Registration> {
    Registration registration = TRY(state_->find(reference));
    TRY(state_->remove(registration));
    TRY(state_->note(kRemoved, registration.workload, who));
    return registration;
  });
}

Result<Registration> Store::rotate_key(const std::string& reference, const SecretBytes& key,
                                       const Who& who) {
  return state_->transact_keys([&]() -> Result<Registration> {
    return state_->change_key(TRY(state_->find(reference)), key, who);
  });
}

Result<Registration> Store::set_expiry(const std::string& reference, int64_t expires,
                                       const Who& who) {
  return state_->transact([&]() -> Result<Registration> {
    auto changed = TRY(state_->change(TRY(state_->find(reference)), "expires", expires));
    changed.expires = expires;
    TRY(state_->note(kExpirySet, changed.workload, who));
    return changed;
  });
}

Result<Registration> Store::put_resource(const std::string& path, const SecretBytes& content,
                                         const Who& who) {
  return state_->transact_keys([&]() -> Result<Registration> {
    auto all = TRY(state_->select("resource = ?", std::string_view(path)));
    return state_->change_key(TRY(only_one(std::move(all), path)), content, who);
  });
}

Result<Registration> Store::registered(ByteView digest, int64_t now) {
  MutexLock lock(state_->mutex);
  auto found = TRY(state_->select("signer = '' AND digest = ?", digest));
  if (found.empty()) return no_such_digest(digest);
  TRY(check_expiry(found.front(), now));
  return std::move(found.front());
}

Result<Store::Signed> Store::registered_by_signer(std::string_view jws, ByteView digest,
                                                  int64_t now) {
  const auto claimed = TRY(evidence::unverified_statement(jws));
  std::vector<Registration> found;
  {
    MutexLock lock(state_->mutex);
    found = TRY(state_->select("signer <> '' AND id = ?", std::string_view(claimed.workload_id)));
  }
  if (found.empty()) return no_such_digest(digest);  // an id has one row of a signer
  Registration& one = found.front();
  const auto statement = TRY(evidence::verify_statement(jws, one.workload.signer));
  TRY(check_statement(statement, one, digest));
  TRY(check_expiry(one, now));
  one.workload.workload_digest.assign(digest.begin(), digest.end());
  return Signed{std::move(one), statement.version};
}

Result<SecretBytes> Store::release(const JudgedBy& judged, std::string_view resource, int64_t now) {
  if (judged.version == 0) {
    MutexLock lock(state_->mutex);
    return state_->release(judged, resource, now);
  }
  return state_->transact([&]() -> Result<SecretBytes> {
    SecretBytes key = TRY(state_->release(judged, resource, now));
    TRY(state_->note_version(judged));
    return key;
  });
}

Result<SecretBytes> Store::State::release(const JudgedBy& judged, std::string_view resource,
                                          int64_t now) {
  Statement query = TRY(Statement::prepare(
      handle(),
      "SELECT disk_key, resource FROM workloads WHERE digest = ? AND generation = ? AND (expires = "
      "0 OR expires > ?) AND (signer = '' OR IFNULL((SELECT version FROM floors WHERE floors.id = "
      "workloads.id), 0) <= ?)"));
  query.bind(ByteView(judged.row)).bind(judged.generation).bind(now);
  query.bind(static_cast<int64_t>(judged.version));
  if (!TRY(query.step())) {
    return refused(kOrigin, "registration", "the registration that the evidence was judged by",
                   "another, or none",
                   "the registration was changed or removed, has expired, or gave its key to a "
                   "later version, since the evidence was judged: attest again");
  }
  if (query.text(1) != resource) {
    return make_error(ErrorCode::permission_denied, kOrigin,
                      "resource \"{}\" is not of the workload that attested", resource);
  }
  return SecretBytes(query.bytes(0));
}

Result<void> Store::add_token(const AdminToken& token, const Who& who) {
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
    TRY(row.bind(token.created).bind(token.expires).run());
    return state_->note_token(
        kTokenCreated, fmt::format("\"{}\", scope {}", token.name, to_string(token.scope)), who);
  });
}

Result<std::vector<AdminToken>> Store::tokens() {
  MutexLock lock(state_->mutex);
  return state_->tokens();
}

Result<void> Store::remove_token(const std::string& name, const Who& who) {
  return state_->transact([&]() -> Result<void> {
    Statement row = TRY(Statement::prepare(state_->handle(), "DELETE FROM tokens WHERE name = ?"));
    TRY(row.bind(name).run());
    if (sqlite3_changes(state_->handle()) == 0)
      return make_error(ErrorCode::not_found, kOrigin, "no token \"{}\"", name);
    return state_->note_token(kTokenRevoked, fmt::format("\"{}\"", name), who);
  });
}

Result<void> Store::add_to_audit(const AuditEntry& entry) {
  return state_->transact([&] { return state_->add_to_audit(entry); });
}

Result<std::string> Store::audit_of(const std::string& reference) {
  MutexLock lock(state_->mutex);
  const std::optional<Bytes> digest = digest_of(reference);
  Statement query = TRY(Statement::prepare(
      state_->handle(),
      fmt::format(
          "SELECT time, kind, reason, expected, got, evidence, workload, digest, address, "
          "first, times, chain IS NULL AND kind <> 'refused', token FROM audit WHERE {} = ? "
          "ORDER BY time DESC, number DESC LIMIT {}",
          digest ? "digest" : "workload", kMaxAuditAnswer)));
  if (digest) {
    query.bind(ByteView(*digest));
  } else {
    query.bind(reference);
  }
  Json list = Json::array();
  while (TRY(query.step())) {
    auto evidence = parse_json(query.text(5), "store: evidence");
    list.push_back({{"time", query.number(0)},
                    {"decision", query.text(1) + (query.number(11) ? kOutsideChain : "")},
                    {"reason", query.text(2)},
                    {"expected", query.text(3)},
                    {"got", query.text(4)},
                    {"evidence", evidence.ok() ? std::move(*evidence) : Json()},
                    {"workload", query.text(6)},
                    {"workload_digest", to_hex(query.bytes(7))},
                    {"address", query.text(8)},
                    {"first", query.number(9)},
                    {"times", query.number(10)},
                    {"token", query.text(12)}});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<AuditChain> Store::verify_audit(ByteView noted_head) {
  MutexLock lock(state_->mutex);
  Statement query = TRY(Statement::prepare(
      state_->handle(),
      "SELECT number, workload, digest, time, kind, reason, expected, got, address, evidence_hash, "
      "chain, evidence, first = time AND times = 1, evidence IS NULL AND ROW_NUMBER() OVER "
      "(PARTITION BY workload, digest ORDER BY number DESC) <= ?, token, evidence IS NULL, "
      "typeof(workload) = 'text' AND typeof(kind) = 'text' AND typeof(reason) = 'text' AND "
      "typeof(expected) = 'text' AND typeof(got) = 'text' AND typeof(address) = 'text' AND "
      "typeof(token) = 'text' AND typeof(digest) = 'blob' FROM audit WHERE chain IS NOT NULL ORDER "
      "BY number"));
  query.bind(int64_t{kMaxKeptEvidence});
  AuditChain result;
  bool found_head = noted_head.empty();
  while (TRY(query.step())) {
    result.head = TRY(next_of_chain(query, result.head));
    ++result.entries;
    found_head = found_head || std::equal(result.head.begin(), result.head.end(),
                                          noted_head.begin(), noted_head.end());
  }
  if (!found_head) {
    return make_error(
        ErrorCode::corrupt, kOrigin,
        "audit: no entry has the head {} that was noted: entries were cut off, or the "
        "chain was made anew",
        to_hex(noted_head));
  }
  Statement outside = TRY(Statement::prepare(
      state_->handle(), "SELECT COUNT(*) FROM audit WHERE chain IS NULL AND kind <> 'refused'"));
  TRY(outside.step());
  result.outside = outside.number(0);
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
