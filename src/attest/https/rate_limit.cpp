#include "attest/https/rate_limit.hpp"

#include <algorithm>

namespace bartizan::attest::https {

bool RateLimit::allow(const PeerAddress& group, int64_t now_ms) {
  if (buckets_.size() >= kMaxRatedGroups && buckets_.count(group) == 0) make_room();
  Bucket& bucket = buckets_.try_emplace(group, Bucket{burst_, now_ms}).first->second;
  const auto elapsed_ms = static_cast<double>(std::max<int64_t>(now_ms - bucket.last_ms, 0));
  bucket.tokens = std::min(burst_, bucket.tokens + elapsed_ms / 1000 * per_second_);
  bucket.last_ms = now_ms;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void RateLimit::make_room() {
  buckets_.erase(std::min_element(
      buckets_.begin(), buckets_.end(),
      [](const auto& a, const auto& b) { return a.second.last_ms < b.second.last_ms; }));
}

}  // namespace bartizan::attest::https
