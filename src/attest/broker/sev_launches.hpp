// SevLaunches: the broker as the owner of SEV and SEV-ES launches. It makes the session for a
// platform that is AMD's, judges the measurement against the workload's own, and seals the key to
// that launch alone. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attest/broker/fair_table.hpp"
#include "attest/broker/store.hpp"
#include "base/json.hpp"
#include "base/mutex.hpp"

namespace bartizan::attest::broker {

// How long a launch waits for its owner's judgement.
constexpr int64_t kSevLaunchSeconds = 300;
// Launches that wait for it. Full means that the address with most of them loses its oldest.
constexpr size_t kMaxSevLaunches = 4096;

struct SevLaunch;

class SevLaunches {
 public:
  SevLaunches(Store& store, std::vector<Bytes> roots)
      : store_(store), roots_(std::move(roots)), launches_(kMaxSevLaunches) {}

  // The two requests of attest/sev/launch.hpp: bodies in, bodies out. What was decided is in the
  // workload's audit; `subject` learns whom it is about, even if it is refused. `address` is the
  // host's.
  Result<Json> open(ByteView body, const std::string& address, int64_t now, Subject& subject);
  // Once a launch, good or bad.
  Result<Json> judge(const std::string& id, ByteView body, const std::string& address, int64_t now,
                     Subject& subject);

 private:
  Result<Json> start(const Registration& registration, const struct SevOpenMessage& message,
                     int64_t now, Json& evidence, const std::string& address);
  Result<Json> release(const SevLaunch& launch, Tee tee, ByteView body, int64_t now,
                       Json& evidence);

  std::shared_ptr<const SevLaunch> take(const std::string& id, int64_t now);

  Store& store_;
  std::vector<Bytes> roots_;
  Mutex mutex_;
  FairTable<std::shared_ptr<const SevLaunch>> launches_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::attest::broker
