// RateLimit: a bucket of tokens for each group of addresses. One thread.
#pragma once

#include <cstdint>
#include <map>

#include "attest/https/peer_address.hpp"

namespace bartizan::attest::https {

// An attacker with many addresses (IPv6) must not make the table of them grow; full means that the
// one who was not heard of for longest is forgotten.
constexpr size_t kMaxRatedGroups = 4096;

class RateLimit {
 public:
  RateLimit(double per_second, double burst) : per_second_(per_second), burst_(burst) {}
  bool allow(const PeerAddress& group, int64_t now_ms);
  size_t group_count() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens = 0;
    int64_t last_ms = 0;
  };
  void make_room();

  double per_second_, burst_;
  std::map<PeerAddress, Bucket> buckets_;
};

}  // namespace bartizan::attest::https
