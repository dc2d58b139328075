// Which TCP ports the workload listens on, told to a host that publishes them by themselves.
// docs/reference/guest-abi.md, "Network".
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace bartizan::guest::init::workload {

// Of the text of /proc/net/tcp or /proc/net/tcp6: ports of sockets that listen, and not on loopback
// alone. At most guest_abi::kMaxListeningPorts; lines that are none are passed over.
std::set<uint16_t> listening_ports(std::string_view text);

class ListeningPorts {
 public:
  ListeningPorts() = default;
  explicit ListeningPorts(UniqueFd host) : host_(std::move(host)) {}  // may be invalid

  int wait_ms() const;  // for poll: until the next look; -1: never

  // If it is time. Nobody waits for the host: what it does not take now it gets next time, and when
  // it hangs up that is the end of it.
  void look();

 private:
  bool tell(bool listening, uint16_t port);

  UniqueFd host_;
  std::set<uint16_t> told_;
  int64_t next_look_ms_ = 0;
};

}  // namespace bartizan::guest::init::workload
