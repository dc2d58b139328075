#include "attest/broker/rate_limit.hpp"

#include <algorithm>

namespace bartizan::attest::broker {

bool RateLimit::allow(const std::string& address, int64_t now) {
  MutexLock lock(mutex_);
  if (buckets_.size() >= kMaxAddresses && !buckets_.count(address)) make_room();
  Bucket& bucket = buckets_.try_emplace(address, Bucket{kRequestBurst, now}).first->second;
  // a clock may step back
  double elapsed = static_cast<double>(std::max<int64_t>(now - bucket.last, 0));
  bucket.tokens = std::min(kRequestBurst, bucket.tokens + elapsed * kRequestsPerSecond);
  bucket.last = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void RateLimit::make_room() {
  auto oldest =
      std::min_element(buckets_.begin(), buckets_.end(),
                       [](const auto& a, const auto& b) { return a.second.last < b.second.last; });
  buckets_.erase(oldest);
}

}  // namespace bartizan::attest::broker
