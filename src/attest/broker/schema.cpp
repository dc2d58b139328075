#include "attest/broker/schema.hpp"

#include "base/errors.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr const char* kOrigin = "attest/broker";
// `generation` counts all changes of registrations; a number is never used again.
constexpr std::string_view kSchema =
    "CREATE TABLE workloads(digest BLOB PRIMARY KEY, id TEXT NOT NULL, generation INTEGER NOT NULL "
    "UNIQUE,"
    "  measurements TEXT NOT NULL, allow_simulated INTEGER NOT NULL, allow_debug INTEGER NOT NULL,"
    "  minimum_tcb INTEGER NOT NULL, resource TEXT NOT NULL, tee TEXT NOT NULL,"
    "  registered INTEGER NOT NULL, expires INTEGER NOT NULL, disk_key BLOB NOT NULL,"
    "  policy TEXT NOT NULL DEFAULT '', signer TEXT NOT NULL DEFAULT '',"
    "  minimum_version INTEGER NOT NULL DEFAULT 0);"
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
    "CREATE TABLE floors(id TEXT PRIMARY KEY, version INTEGER NOT NULL);"
    "PRAGMA user_version = 5;";
// Version 2 had one registration for an id, and keys in a table of their own. Its audit could be
// emptied by strangers; what is left of it is kept as refusals are, outside of the chain.
constexpr std::string_view kSetAside =
    "ALTER TABLE workloads RENAME TO old_workloads; ALTER TABLE audit RENAME TO old_audit;"
    "DROP INDEX audit_of_workload;";
constexpr std::string_view kTakeOver =
    "INSERT INTO workloads SELECT digest, id, old_workloads.rowid, measurements, allow_simulated,"
    "  allow_debug, minimum_tcb, resource, tee, 0, 0, content, '', '', 0 FROM old_workloads"
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
// Since version 5: Workload::signer, and of each id the highest version that got the key, whatever
// becomes of its registrations; AdminToken, and in the audit the name of the one that was used.
constexpr std::string_view kAddSignersAndTokens =
    "ALTER TABLE workloads ADD COLUMN signer TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE workloads ADD COLUMN minimum_version INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE audit ADD COLUMN token TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE tokens(name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, scope TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL);"
    "CREATE TABLE floors(id TEXT PRIMARY KEY, version INTEGER NOT NULL);"
    "PRAGMA user_version = 5;";

Result<void> migrate(sqlite3* database, int64_t version) {
  if (version == 3) TRY(execute(database, kAddPolicy));
  if (version >= 3) return execute(database, kAddSignersAndTokens);
  if (version == 1) TRY(execute(database, kAddTee));
  if (version != 0) TRY(execute(database, kSetAside));
  TRY(execute(database, kSchema));
  return version == 0 ? Result<void>() : execute(database, kTakeOver);
}

}  // namespace

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

}  // namespace bartizan::attest::broker
