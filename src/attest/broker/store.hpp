// Store: workloads, resources and the audit trail in one SQLite file (0600). Keys lie in it in the
// clear: the folder is the broker owner's and nobody else's. Any thread may call; calls are
// serialised.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bartizan/broker.hpp"
#include "base/bytes.hpp"

namespace bartizan::attest::broker {

// Decisions kept for each workload: a guest that keeps knocking must not fill the disk.
constexpr int kMaxAuditEntries = 100;

struct Decision {
  int64_t time = 0;
  bool released = false;  // "allowed" or "refused"
  std::string reason, expected, got;
  std::string evidence;  // JSON as the guest sent it
};

// Whom a decision is about, for the log; no workload: no decision.
struct Subject {
  std::string workload_id;
  Tee tee = Tee::none;
};

// `refusal` null: allowed.
Decision decision_of(const Error* refusal, int64_t time, std::string evidence);

class Store {
 public:
  // Makes the file if it is missing. corrupt: not a database; unsupported: of a newer version; io.
  static Result<Store> open(const std::filesystem::path& path);
  Store(Store&&) noexcept;
  ~Store();

  // already_exists: another id has this digest or resource; or this id has other values, and
  // `replace` is false. Whether it took the place of such a registration.
  Result<bool> put_workload(const Workload& workload, bool replace);
  // With its key; decisions remain. not_found.
  Result<void> remove_workload(const std::string& id);
  // By id, without disk_key.
  Result<std::vector<Workload>> workloads();
  // Without disk_key. Nothing: not registered.
  Result<std::optional<Workload>> workload_by_digest(ByteView digest);
  // The same for a stranger's digest: verification_failed, reason "host_data", if it is not
  // registered.
  Result<Workload> registered_workload(ByteView digest);
  Result<std::optional<Workload>> workload_by_id(const std::string& id);

  Result<void> put_resource(const std::string& path, ByteView content);
  Result<std::optional<SecretBytes>> resource(const std::string& path);

  Result<void> add_decision(const std::string& workload_id, const Decision& decision);
  Result<std::string> decisions(const std::string& workload_id);  // JSON array, newest first

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::attest::broker
