#include "attest/https/admission.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace bartizan::attest::https {

size_t connections_of_file_limit() {
  constexpr rlim_t kMost = 16'384, kLeast = 16;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 768;
  rlim_t limit = std::min<rlim_t>(files.rlim_cur, 4 * kMost);  // also of RLIM_INFINITY
  return static_cast<size_t>(std::clamp<rlim_t>(limit / 4 * 3, kLeast, kMost));
}

bool Admission::is_trusted_proxy(const PeerAddress& peer) const {
  return std::any_of(limits_.trusted_proxies.begin(), limits_.trusted_proxies.end(),
                     [&](const AddressPrefix& proxy) { return proxy.contains(peer); });
}

// Those that are refused because all is taken have not used up their rate: they come again when the
// longest idle connection has made room.
Admission::Verdict Admission::enter(const PeerAddress& peer, int64_t now_ms) {
  const PeerAddress group = peer.group();
  if (!is_trusted_proxy(peer)) {
    auto held = held_.find(group);
    if (held != held_.end() && held->second.connections >= limits_.connections_per_address)
      return Verdict::address_full;
    if (connections_ >= limits_.connections) return Verdict::all_taken;
    if (!rate_.allow(group, now_ms)) return Verdict::too_fast;
  }
  if (connections_ >= limits_.connections) return Verdict::all_taken;
  held_[group].connections += 1;
  connections_ += 1;
  return Verdict::admitted;
}

void Admission::leave(const PeerAddress& peer) {
  auto held = held_.find(peer.group());
  if (held == held_.end()) return;
  held->second.connections -= 1;
  connections_ -= 1;
  if (held->second.connections == 0) held_.erase(held);
}

bool Admission::take_large_body(const PeerAddress& peer) {
  auto held = held_.find(peer.group());
  if (held == held_.end() || large_bodies_ >= limits_.large_bodies) return false;
  if (!is_trusted_proxy(peer) && held->second.large_bodies >= limits_.large_bodies_per_address)
    return false;
  held->second.large_bodies += 1;
  large_bodies_ += 1;
  return true;
}

void Admission::give_large_body(const PeerAddress& peer) {
  auto held = held_.find(peer.group());
  if (held == held_.end()) return;
  held->second.large_bodies -= 1;
  large_bodies_ -= 1;
}

}  // namespace bartizan::attest::https
