// Streams: the workload's standard input, output and terminal on this side, connections to the host
// on the other, and PID 1 between them. docs/reference/guest-abi.md, "Standard streams".
//
// Pipes and a pseudo-terminal, as in a container: a socket could not be opened again as /dev/stdin,
// and who writes to one that the host does not read waits, alone.
#pragma once

#include <poll.h>

#include <array>
#include <cstdint>

#include "bartizan/result.hpp"
#include "base/pump.hpp"
#include "base/unique_fd.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::workload {

// Connections to the host's ports; invalid: the host offers none.
struct HostStreams {
  UniqueFd input, output, terminal;
  guest_abi::TerminalSize size;
};

class Streams {
 public:
  Streams() = default;
  static Result<Streams> open(HostStreams host);

  // Of the workload: what becomes its descriptors 0, and 1 and 2, and its terminal (-1: none).
  int input() const;
  int output() const;
  int terminal() const { return terminal_.get(); }

  // So that a workload that is not root can open /dev/stdin and /dev/stdout again.
  Result<void> give_to(uint32_t user, uint32_t group) const;
  void started();  // it has its own copies now

  static constexpr size_t kCount = 4;
  std::array<pollfd, kCount> wanted() const;
  void step(const std::array<pollfd, kCount>& ready);

  // The kernel signals the workload.
  void resize(guest_abi::TerminalSize size) const;

  // After the last process of the workload: returns when the host has all that it wrote. Waits for
  // the host as long as that takes, as the workload would have.
  void finish();

 private:
  Result<void> open_input(UniqueFd host);
  Result<void> open_output(UniqueFd host);
  Result<void> open_terminal(UniqueFd host, guest_abi::TerminalSize size);
  bool drained() const { return pumps_[kOut].ended() && pumps_[kTerminalOut].ended(); }

  enum : size_t { kIn, kOut, kTerminalIn, kTerminalOut };
  std::array<Pump, kCount> pumps_;
  UniqueFd input_, output_, terminal_, null_;  // the workload's
  UniqueFd master_;
  std::array<UniqueFd, 2> to_host_;  // the connections that output goes to, for their end
};

}  // namespace bartizan::guest::init::workload
