// Store: registrations, their keys and the audit in one SQLite file (0600). Keys lie in it in the
// clear: the folder is the broker owner's and nobody else's. Any thread may call; calls are
// serialised.
//
// A registration is found by its workload digest: two builds of one source have one id and stand
// side by side. One of a signer has no digest, and is found by its id: it releases to any version
// that its owner signed, but to none below one that got the key. Each change of one (other values,
// another key, an expiry) gives it a generation that nothing had before, and release() gives the
// key of exactly the generation that evidence was judged by, in one statement.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attest/broker/admin_tokens.hpp"
#include "attest/broker/audit.hpp"
#include "bartizan/broker.hpp"
#include "base/bytes.hpp"

namespace bartizan::attest::broker {

// Of a key that is released.
constexpr size_t kMaxDiskKey = 4096;
// In a broker's state folder.
constexpr const char* kStoreFile = "store.sqlite";

struct Registration {
  Workload workload;  // without disk_key
  int64_t generation = 0;
  int64_t registered = 0;         // seconds since the epoch: when it got these values
  int64_t expires = 0;            // seconds since the epoch; 0: never
  uint64_t released_version = 0;  // of a signer: the highest that got the key
  Bytes row;                      // what the store finds it by
};

// The registration that evidence was judged by.
struct JudgedBy {
  Bytes row;
  int64_t generation = 0;
  uint64_t version = 0;  // that the owner signed; 0: registered by digest
  Bytes digest;          // of the workload, for the audit
};
JudgedBy judged_by(const Registration& registration, uint64_t version = 0);

class Store {
 public:
  // Whoever changes something, and when; the audit has it in the same transaction.
  struct Who {
    std::string address;
    int64_t now = 0;
    std::string token = {};  // its name
  };

  // Makes the file if it is missing. corrupt: not a database; unsupported: of a newer version; io.
  static Result<Store> open(const std::filesystem::path& path);
  // To read from it, beside a broker that may be serving; it must be there, and is not changed.
  static Result<Store> open_as_it_is(const std::filesystem::path& path);
  Store(Store&&) noexcept;
  ~Store();

  // already_exists: this digest is registered with other values, and `replace` is false. With
  // `replace` it takes the place of every registration of the same digest or id. The same values
  // again change nothing.
  struct Put {
    bool changed = false;
    size_t replaced = 0;
  };
  Result<Put> put_workload(const Workload& workload, bool replace, const Who& who);

  // `reference`: the digest in 64 hexadecimal digits, or the id. not_found; already_exists: several
  // registrations have this id, and the error lists their digests.
  Result<Registration> find(const std::string& reference);
  // By id. Without keys.
  Result<std::vector<Registration>> registrations();
  // Removes it and its key; what the audit has remains. Gives what it was.
  Result<Registration> remove(const std::string& reference, const Who& who);
  Result<Registration> rotate_key(const std::string& reference, const SecretBytes& key,
                                  const Who& who);
  // From `expires` on there is no release; 0: never.
  Result<Registration> set_expiry(const std::string& reference, int64_t expires, const Who& who);

  // For a stranger's digest: verification_failed, reason "host_data", if it is not registered,
  // "expired" if it is no more.
  Result<Registration> registered(ByteView digest, int64_t now);
  // By its id, of a signer: with `digest` as its workload digest, if `jws` is its signer's
  // statement that this is a version that may have the key. verification_failed, reason
  // "host_data": no such registration; "statement": not signed by its key, or about another digest; "version": below
  // the minimum or what was released; "expired".
  struct Signed {
    Registration registration;
    uint64_t version = 0;
  };
  Result<Signed> registered_by_signer(std::string_view jws, ByteView digest, int64_t now);
  // verification_failed, reason "registration", if what evidence was judged by has changed since,
  // has expired or was removed. permission_denied: `resource` is not its.
  Result<SecretBytes> release(const JudgedBy& judged, std::string_view resource, int64_t now);

  // The key of the one registration with this resource: rotate_key() in the words of the KBS
  // protocol. not_found; already_exists: several.
  Result<Registration> put_resource(const std::string& path, const SecretBytes& content,
                                    const Who& who);

  // already_exists: the name; resource_exhausted: kMaxTokens.
  Result<void> add_token(const AdminToken& token, const Who& who);
  Result<std::vector<AdminToken>> tokens();  // by name, those that have expired too
  Result<void> remove_token(const std::string& name, const Who& who);  // not_found

  Result<void> add_to_audit(const AuditEntry& entry);
  // Of a digest or an id, registered or not: JSON array, newest first.
  Result<std::string> audit_of(const std::string& reference);
  // Reads all of the chain. corrupt: names the first entry that was changed or is missing, or no
  // entry has `noted_head` (empty: none was noted).
  Result<AuditChain> verify_audit(ByteView noted_head = {});

  Result<void> check();  // that it can be read
  // All of it but the audit: by SQLite, and each registration. How many there are; corrupt.
  Result<int64_t> check_all();

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::attest::broker
