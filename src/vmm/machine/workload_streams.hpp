// WorkloadStreams: the caller's standard input and output, carried to and from the guest's ports.
// Loop's thread. docs/reference/guest-abi.md, "Standard streams".
//
// Each has 16 KiB and the buffers of a socket pair on its way; then who writes waits, the workload
// as well as the caller. Nothing is dropped, and nothing but that stream waits.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "bartizan/log.hpp"
#include "guest_abi/boot_stages.hpp"
#include "guest_abi/manifest.hpp"
#include "vmm/machine/loop_pump.hpp"
#include "vmm/virtio/vsock/device.hpp"

namespace bartizan::vmm::machine {

class WorkloadStreams {
 public:
  // Invalid: an input that has ended, an output that nobody wants.
  WorkloadStreams(EventLoop& loop, UniqueFd input, UniqueFd output, LogSink log = {});

  // For VsockOptions::ports: `input` and `output`, or `terminal` in place of those that are one.
  // Each has one reader, the first, which is PID 1: what the manifest keeps from the host it does
  // not ask for, and so nobody is given it.
  void add_ports(const guest_abi::HostAccess& may, std::map<uint32_t, virtio::Connect>& ports);

  // The size of the caller's terminal; absent: there is none.
  std::optional<guest_abi::TerminalSize> terminal_size() const;

  void flush();  // at the end of the machine

 private:
  Result<UniqueFd> open_input();
  Result<UniqueFd> open_output();
  Result<UniqueFd> open_terminal();
  void report_loss(const LoopPump& output) const;

  LogSink log_;
  UniqueFd input_, output_;
  const bool input_is_terminal_, output_is_terminal_;
  bool input_given_ = false, terminal_given_ = false;
  UniqueFd size_of_;  // the caller's terminal; may be invalid
  LoopPump to_guest_, from_guest_, to_terminal_, from_terminal_;
};

}  // namespace bartizan::vmm::machine
