// What the guest finds on the host's vsock ports: the report service (reports of the simulated TEE,
// certificates for those of SNP), the key service (a disk key given by the caller), the broker's
// address and the signal service. docs/reference/guest-abi.md, "vsock". On the event loop's thread, but for
// stage_reached().
//
// What serves the boot ends with the boot, for any process of the workload can connect to a port:
// reports and the key are for the stages up to `broker`, the key is given once, and the signals go
// to the first who asks, which is PID 1 before it starts the workload.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>

#include "attest/evidence/simulated_signer.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/event_loop.hpp"
#include "guest_abi/boot_stages.hpp"
#include "vmm/virtio/vsock/device.hpp"

namespace bartizan::vmm::machine {

struct ServiceOptions {
  std::optional<attest::evidence::SimulatedSigner> signer;  // absent: the guest has its reports
  attest::evidence::SimulatedSigner::Fields fields;         // report_data comes from the guest
  // GUID table for reports that the guest has; empty, and no signer: no report service.
  Bytes certificates;
  std::optional<SecretBytes> disk_key;  // absent: no key service
  std::string broker_url;               // empty: no word of where the broker is
  std::string statement;                // of the owner about the version; empty: none
};

class Services {
 public:
  Services(EventLoop& loop, ServiceOptions options) : loop_(loop), options_(std::move(options)) {}
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;
  ~Services();

  // For VsockOptions::ports.
  std::map<uint32_t, virtio::Connect> ports();

  // To the workload; kept until the guest asks for signals.
  void send_signal(uint8_t number);
  void send_terminal_size(guest_abi::TerminalSize size);

  // The guest has entered this stage. Any thread.
  void stage_reached(uint32_t number);

 private:
  struct ReportRequest {
    UniqueFd stream;
    Bytes received;
  };
  Result<UniqueFd> open_report();
  Result<UniqueFd> open_key();
  Result<UniqueFd> open_broker_words() const;
  Result<UniqueFd> open_signals();
  void on_report_data(int fd);
  Bytes answer(ByteView report_data) const;
  void flush_signals();

  Result<void> check_booting(std::string_view service) const;

  EventLoop& loop_;
  ServiceOptions options_;
  std::map<int, ReportRequest> reports_;
  std::atomic<uint32_t> stage_ = 0;  // the highest that was entered
  UniqueFd signals_;
  bool signals_given_ = false;
  Bytes waiting_signals_;
};

}  // namespace bartizan::vmm::machine
