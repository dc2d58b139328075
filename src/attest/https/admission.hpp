// Admission: who may open a connection, decided before anything is spent on it but the accept
// itself. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "attest/https/peer_address.hpp"
#include "attest/https/rate_limit.hpp"

namespace bartizan::attest::https {

struct AdmissionLimits {
  size_t connections = 768;                                // in all
  size_t connections_per_address = 384;                    // of a group
  size_t large_bodies = 64, large_bodies_per_address = 8;  // above kSmallBodyBytes
  double per_second = 100, burst = 1000;                   // new connections of a group
  // Their connections carry many peers' requests: counted in all alone.
  std::vector<AddressPrefix> trusted_proxies;
};

// As many connections as the process may have files, less what it needs for others: three quarters
// of RLIMIT_NOFILE, at most 16384.
size_t connections_of_file_limit();

class Admission {
 public:
  enum class Verdict {
    admitted,  // counted until leave()
    all_taken,
    address_full,
    too_fast
  };

  explicit Admission(AdmissionLimits limits)
      : limits_(std::move(limits)), rate_(limits_.per_second, limits_.burst) {}

  Verdict enter(const PeerAddress& peer, int64_t now_ms);
  void leave(const PeerAddress& peer);
  // Until give_large_body().
  bool take_large_body(const PeerAddress& peer);
  void give_large_body(const PeerAddress& peer);

  bool is_trusted_proxy(const PeerAddress& peer) const;
  size_t connections() const { return connections_; }

 private:
  struct Held {
    size_t connections = 0, large_bodies = 0;
  };

  AdmissionLimits limits_;
  RateLimit rate_;
  std::map<PeerAddress, Held> held_;  // by group
  size_t connections_ = 0, large_bodies_ = 0;
};

}  // namespace bartizan::attest::https
