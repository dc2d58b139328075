// SevLaunches: the broker as the owner of SEV and SEV-ES launches. It makes the session for a
// platform that is AMD's, judges the measurement against the workload's own, and seals the key to
// that launch alone. Any thread.
#pragma once

#include <vector>

#include "attest/broker/kbs_sessions.hpp"
#include "attest/broker/store.hpp"
#include "base/json.hpp"

namespace bartizan::attest::broker {

class SevLaunches {
 public:
  SevLaunches(Store& store, KbsSessions& sessions, std::vector<Bytes> roots)
      : store_(store), sessions_(sessions), roots_(std::move(roots)) {}

  // The two requests of attest/sev/launch.hpp: bodies in, bodies out. What was decided is in the
  // workload's audit; `subject` learns whom it is about, even if it is refused.
  Result<Json> open(ByteView body, const std::string& address, int64_t now, Subject& subject);
  // Once a launch, good or bad.
  Result<Json> judge(const std::string& id, ByteView body, const std::string& address, int64_t now,
                     Subject& subject);

 private:
  Result<Json> start(const Registration& registration, const struct SevOpenMessage& message,
                     int64_t now, Json& evidence);
  Result<Json> release(const SevLaunch& launch, Tee tee, ByteView body, int64_t now,
                       Json& evidence);

  Store& store_;
  KbsSessions& sessions_;
  std::vector<Bytes> roots_;
};

}  // namespace bartizan::attest::broker
