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
#include "bartizan/tee.hpp"

namespace bartizan {

struct BrokerOptions {
  // folder: store.sqlite, ca.pem, ca.key, tls.pem, tls.key, admin.token; made (0700) if missing.
  // One broker at a time serves from it.
  std::filesystem::path state = {};
  std::string address = "127.0.0.1";
  uint16_t port = 8443;  // 0: chosen by the system
  // of the TLS certificate, beside `address` if that is one. It is made anew at a start that asks
  // for another name, or in the last third of its life; names that it had stay.
  std::vector<std::string> tls_names = {"127.0.0.1", "10.0.2.2", "localhost"};
  // sev, sev-es: AMD root keys (ARK, SEV API appendix B.1) to trust beside those of Naples, Rome,
  // Milan, Genoa, Turin.
  std::vector<std::vector<uint8_t>> sev_roots = {};
  std::function<int64_t()> clock = {};  // seconds since the epoch; default: the system's
  LogSink log = {};
  // Of an address (IPv6: a /64), requests and new connections alike: so many a second, and so many
  // at once after a while of less. 1 to 1,000,000 each.
  uint32_t requests_per_second = 100;
  uint32_t request_burst = 1000;
  // Addresses or prefixes ("10.0.0.0/8") of proxies: the last address of their X-Forwarded-For is
  // believed to be the client's, and limits are the client's.
  std::vector<std::string> trusted_proxies = {};
  // As EvidencePolicy::collateral: what evidence comes without. Empty: it must bring all itself.
  std::filesystem::path collateral = {};
};

// Serves on threads of its own from start() to the destructor. Any thread may call it.
class Broker {
 public:
  // Errors: already_exists (address in use, or another broker serves from the state folder),
  // invalid_argument (also a state folder of something else, or one whose certificate has ended or
  // lacks a name and cannot be made anew: from before ca.key was kept), permission_denied, corrupt
  // (store, certificates and keys, sev_roots), io.
  static Result<Broker> start(BrokerOptions options);
  Broker(Broker&&) noexcept;
  ~Broker();
  uint16_t port() const;
  std::string url() const;                         // "https://127.0.0.1:8443"
  std::string ca_pem() const;                      // public
  int64_t certificate_expires() const;             // of TLS, seconds since the epoch
  std::filesystem::path admin_token_path() const;  // 0600
  void stop();                                     // running answers get 5 s to end

  struct Impl;

 private:
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A workload as its owner registers it. The key is released only to evidence that matches all of
// it.
struct Workload {
  std::string id = {};
  std::vector<uint8_t> workload_digest = {};  // 32 bytes; empty: of a `signer`
  // any of these; 48 bytes, of sev and sev-es 32
  std::vector<std::vector<uint8_t>> measurements = {};
  bool allow_simulated = false;
  bool allow_debug = false;
  uint64_t minimum_tcb = 0;
  // The rest of what evidence must be, as EvidencePolicy::json; "": its defaults, which are strict.
  // Of our broker alone, and of TEEs whose guests bring evidence.
  std::string policy = {};
  std::string resource = {};  // "default/disk-key/<id>"
  SecretBytes disk_key = {};
  // That the measurements are of; of tdx they are MRTDs. The guests of sev and sev-es bring no
  // evidence, so bartizan's own broker judges their launches as their owner, for the host that
  // makes them (docs/tee.md, "Pre-attestation").
  Tee tee = Tee::snp;
  // In place of workload_digest: every build whose image carries a statement about this id, signed
  // by this key (PEM: P-256, P-384 or Ed25519; BuildOptions::signing_key), is the workload, unless
  // its version is below minimum_version or below one that got the key before. Of our broker alone,
  // and of TEEs whose guests bring evidence.
  std::string signer = {};
  uint64_t minimum_version = 0;
};

// The kind of broker that a workload is registered with, and so the protocol.
enum class BrokerKind : int32_t {
  bartizan = 0,  // our broker: all of Workload counts
  // Trustee's KBS: key as a resource, measurements as reference values, on demand a resource policy
  trustee = 1,
  // POST /kbs/v0/register_workload as buildah and oci2cw do: one measurement, no token
  register_workload = 2,
};
std::string_view to_string(BrokerKind kind);  // "bartizan", "trustee", "register-workload"
Result<BrokerKind> broker_kind_from_string(std::string_view name);

struct BrokerAccess {
  std::string url = {};  // of Trustee and old servers with a path before /kbs/v0, if they have one
  std::string ca_pem = {};
  SecretBytes admin_token = {};
  BrokerKind kind = BrokerKind::bartizan;

  // Of Trustee alone. Its administrator's Ed25519 private key (PEM), which signs a token for five
  // minutes (EdDSA, RFC 8037) in place of admin_token; both empty: no token, as a KBS in
  // InsecureAllowAll wants.
  SecretBytes admin_key = {};
  // claims of that token; empty: left out
  std::string admin_issuer = {}, admin_audience = {}, admin_role = "admin";
  // Trustee keeps one list of measurements for all workloads: `measurements` are added to it.
  // false: left alone.
  bool reference_values = true;
  // Replaces the KBS's policy for all resources by trustee_resource_policy().
  bool resource_policy = false;
  // Lets the KBS's policy as it is guard the key. The one that it has by default gives any resource
  // to every genuine guest, whatever it measures: one of the two is required.
  bool keep_resource_policy = false;

  // Of our broker alone: puts a workload in the place of every earlier registration of the same
  // digest or id, whose launches then get no key any more. The other kinds always do.
  bool replace = false;
};

// The key goes into the body of a request over verified TLS, and nowhere else. Errors:
// already_exists (the digest is registered with other values, and access.replace is false), io,
// permission_denied (token), invalid_argument, unsupported (a TEE that the broker cannot verify),
// protocol, verification_failed reason "tls".
Result<void> register_workload(const BrokerAccess& access, const Workload& workload);

// A policy (Rego) for Trustee's KBS that releases workload.resource to one of
// workload.measurements, with workload.workload_digest as HOST_DATA (SNP) or MRCONFIGID (TDX), in
// no debug mode, and nothing else to anybody.
Result<std::string> trustee_resource_policy(const Workload& workload);

// What follows is of our broker alone. `workload` is the id of a registration, or its workload
// digest in 64 hexadecimal digits: several builds of one source have one id. Errors of all:
// not_found, already_exists (several registrations have this id; the error lists their digests),
// and as of register_workload.

// Removes a registration and its key, so that no launch gets it any more; the audit remains.
Result<void> unregister_workload(const BrokerAccess& access, const std::string& workload);

// All registrations by id, as a JSON array of {id, workload_digest, measurements, allow_simulated,
// allow_debug, minimum_tcb, policy, resource, tee, signer, minimum_version, released_version,
// generation, registered, expires}; policy is an object, or null for the defaults; signer is null,
// or a public key, and then workload_digest is null. It holds no secret.
Result<std::string> list_workloads(const BrokerAccess& access);

// One of them, as a JSON object.
Result<std::string> show_workload(const BrokerAccess& access, const std::string& workload);

// Puts another key in the place of a registration's. Guests that were judged before get none: they
// attest again.
Result<void> rotate_key(const BrokerAccess& access, const std::string& workload,
                        const SecretBytes& disk_key);

// From `at` on (seconds since the epoch, up to the year 9999) the registration releases nothing; 0:
// it has no end.
Result<void> expire_workload(const BrokerAccess& access, const std::string& workload, int64_t at);

// What was decided about a workload, and what its owner changed, newest first: JSON array of {time,
// decision, reason, expected, got, evidence, workload, workload_digest, address, first, times,
// token}. `decision` is "allowed", "refused" or a change ("registered", "removed", "key rotated"
// …), made by the token named `token`. The same refusal again is counted (`times`, since `first`).
// `evidence` is what the guest sent, null for old entries; it holds no secret.
Result<std::string> broker_audit(const BrokerAccess& access, const std::string& workload);

// Makes another token for administrators, which is shown this once: the broker keeps its hash.
// `scope`: "read" (list, show, audit), "register" (and register, rotate keys, expire) or "admin"
// (and unregister, tokens). From `expires` on (seconds since the epoch) it opens nothing; 0: it has
// no end. Errors: already_exists (the name), invalid_argument, resource_exhausted (256 tokens), and
// as of register_workload.
Result<SecretBytes> create_token(const BrokerAccess& access, const std::string& name,
                                 const std::string& scope, int64_t expires);
// JSON array of {name, scope, created, expires}.
Result<std::string> list_tokens(const BrokerAccess& access);
// Errors: not_found, and as of register_workload.
Result<void> revoke_token(const BrokerAccess& access, const std::string& name);

// Of a broker's state folder, whether it serves or not: follows the chain of hashes through all
// that the audit has but refusals. JSON object {entries, head, outside}: `outside` counts decisions
// and changes that the chain does not hold, of a store from before it or put in. `noted_head`: one
// that was noted elsewhere, and that an entry must have, so that what came before it is all there;
// "": none. Errors: not_found, corrupt (an entry was changed, removed or put in), invalid_argument
// (noted_head is not 64 hexadecimal digits), io.
Result<std::string> verify_audit(const std::filesystem::path& state,
                                 const std::string& noted_head = "");

// Writes all of a state folder (registrations, keys, audit, certificates, token), as it is at one
// moment, into the new file `output`, mode 0600. The broker may be serving. Errors: not_found,
// already_exists (`output`), corrupt, permission_denied, resource_exhausted, io.
Result<void> backup_broker(const std::filesystem::path& state, const std::filesystem::path& output);

// Makes a state folder of such a file. Errors: already_exists (the folder holds a broker),
// invalid_argument (or something else), corrupt (the file), not_found, permission_denied,
// resource_exhausted, io.
Result<void> restore_broker(const std::filesystem::path& state, const std::filesystem::path& file);

// Checks a state folder, whether the broker serves or not, and changes nothing: the store by
// SQLite and registration by registration, the audit's chain, modes and owners of the files, the
// certificates' keys and dates. JSON object {good, checks: [{name, good, found}]}. Errors:
// not_found (no broker's folder); whatever else is wrong stands in the result.
Result<std::string> check_broker(const std::filesystem::path& state);

}  // namespace bartizan
