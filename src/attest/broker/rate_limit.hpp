// RateLimit: a bucket of requests for each address. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/mutex.hpp"

namespace bartizan::attest::broker {

// An /attest costs two RSA and two ECDSA checks, about a millisecond: at this rate one address
// takes at most a tenth of a processor. A daemon that starts hundreds of guests at once, three
// requests each, stays below the burst.
constexpr double kRequestsPerSecond = 100;
constexpr double kRequestBurst = 1000;
// An attacker with many addresses (IPv6) must not make the table of them grow; full means the
// oldest guess is dropped.
constexpr size_t kMaxAddresses = 4096;

class RateLimit {
 public:
  bool allow(const std::string& address, int64_t now);  // seconds

 private:
  struct Bucket {
    double tokens = kRequestBurst;
    int64_t last = 0;
  };
  void make_room() BARTIZAN_REQUIRES(mutex_);

  Mutex mutex_;
  std::map<std::string, Bucket> buckets_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::attest::broker
