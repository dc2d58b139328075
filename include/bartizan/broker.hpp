// The broker: expected values and keys behind the KBS protocol 0.4.0, over TLS, in an SQLite store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"

namespace bartizan {

struct BrokerOptions {
  std::filesystem::path state;  // folder: store.sqlite, ca.pem, tls.pem, tls.key, admin.token; made (0700) if missing
  std::string address = "127.0.0.1";
  uint16_t port = 8443;  // 0: chosen by the system
  std::vector<std::string> tls_names = {"127.0.0.1", "10.0.2.2", "localhost"};  // of the certificate made at first start
  std::function<int64_t()> clock;  // seconds since the epoch; default: the system's
  LogSink log;
};

// Serves on threads of its own from start() to the destructor. Any thread may call it.
class Broker {
 public:
  // Errors: already_exists (address in use), permission_denied, corrupt (store), io.
  static Result<Broker> start(BrokerOptions options);
  Broker(Broker&&) noexcept;
  ~Broker();
  uint16_t port() const;
  std::string url() const;                  // "https://127.0.0.1:8443"
  std::string ca_pem() const;               // public
  std::filesystem::path admin_token_path() const;  // 0600
  void stop();

  struct Impl;

 private:
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A workload as its owner registers it. The key is released only to evidence that matches all of it.
struct Workload {
  std::string id;
  std::vector<uint8_t> workload_digest;            // 32 bytes
  std::vector<std::vector<uint8_t>> measurements;  // any of these
  bool allow_simulated = false;
  bool allow_debug = false;
  uint64_t minimum_tcb = 0;
  std::string resource;  // "default/disk-key/<id>"
  SecretBytes disk_key;
};

struct BrokerAccess {
  std::string url;
  std::string ca_pem;
  SecretBytes admin_token;
};

// Replaces an earlier registration of the same id. Errors: io, permission_denied (token), invalid_argument, protocol.
Result<void> register_workload(const BrokerAccess& access, const Workload& workload);

// The last decisions about a workload, newest first, for its owner: JSON array of {time, decision, reason, expected,
// got, evidence}. `evidence` is what the guest sent; it holds no secret.
Result<std::string> broker_audit(const BrokerAccess& access, const std::string& workload_id);

}  // namespace bartizan
