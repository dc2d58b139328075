#include "vmm/machine/services.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/errors.hpp"
#include "guest_abi/boot_stages.hpp"
#include "vmm/machine/stream_pair.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr size_t kReportDataBytes = 64;
// A guest has one init that asks one report at a time; more open requests are an attempt to eat
// descriptors.
constexpr size_t kMaxReportRequests = 16;
// a caller may send before the workload runs; more would be a mistake
constexpr size_t kMaxWaitingSignals = 64;

// A few KiB into an empty socket buffer: it takes them at once, or the guest has lost them.
void send_all(int fd, ByteView bytes) {
  [[maybe_unused]] ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void append_block(Bytes& to, ByteView block) {
  uint8_t length[4];
  store_le<uint32_t>(length, static_cast<uint32_t>(block.size()));
  to.insert(to.end(), length, length + sizeof length);
  to.insert(to.end(), block.begin(), block.end());
}

}  // namespace

Services::~Services() {
  for (auto& [fd, request] : reports_) loop_.unwatch(fd);
}

std::map<uint32_t, virtio::Connect> Services::ports() {
  std::map<uint32_t, virtio::Connect> ports;
  if (options_.signer || !options_.certificates.empty())
    ports[guest_abi::kReportVsockPort] = [this](uint32_t) { return open_report(); };
  if (options_.disk_key) ports[guest_abi::kKeyVsockPort] = [this](uint32_t) { return open_key(); };
  if (!options_.broker_url.empty() || !options_.statement.empty())
    ports[guest_abi::kBrokerVsockPort] = [this](uint32_t) { return open_broker_words(); };
  ports[guest_abi::kSignalVsockPort] = [this](uint32_t) { return open_signals(); };
  return ports;
}

void Services::stage_reached(uint32_t number) {
  uint32_t highest = stage_.load();
  while (number > highest && !stage_.compare_exchange_weak(highest, number)) {
  }
}

Result<void> Services::check_booting(std::string_view service) const {
  constexpr auto kLast = static_cast<uint32_t>(guest_abi::BootStage::broker);
  if (stage_.load() <= kLast) return {};
  return make_error(ErrorCode::invalid_state, "machine", "{}: closed since stage {}", service,
                    guest_abi::stage_name(kLast + 1));
}

Result<UniqueFd> Services::open_report() {
  TRY(check_booting("report service"));
  if (reports_.size() >= kMaxReportRequests) {
    return make_error(ErrorCode::resource_exhausted, "machine", "report service: {} requests open",
                      reports_.size());
  }
  auto [ours, guests] = TRY(make_stream_pair());
  int fd = ours.get();
  TRY(loop_.watch(fd, EPOLLIN, [this, fd](uint32_t) { on_report_data(fd); }));
  reports_[fd] = ReportRequest{std::move(ours), {}};
  return std::move(guests);
}

void Services::on_report_data(int fd) {
  ReportRequest& request = reports_.at(fd);
  uint8_t buffer[kReportDataBytes];
  ssize_t got = ::recv(fd, buffer, sizeof buffer - request.received.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) request.received.insert(request.received.end(), buffer, buffer + got);
  if (got > 0 && request.received.size() < kReportDataBytes) return;
  if (request.received.size() == kReportDataBytes) send_all(fd, answer(request.received));
  loop_.unwatch(fd);
  reports_.erase(fd);
}

Bytes Services::answer(ByteView report_data) const {
  Bytes bytes;
  if (!options_.signer) {
    append_block(bytes, {});
    append_block(bytes, options_.certificates);
    return bytes;
  }
  attest::evidence::SimulatedSigner::Fields fields = options_.fields;
  std::copy(report_data.begin(), report_data.end(), fields.report_data.begin());
  auto evidence = options_.signer->sign(fields);
  if (!evidence.ok()) return {};  // the guest sees the end of the stream, and fails at its stage
  append_block(bytes, evidence->report);
  append_block(bytes, options_.signer->certificate_table());
  return bytes;
}

Result<UniqueFd> Services::open_key() {
  TRY(check_booting("key service"));
  if (!options_.disk_key)
    return make_error(ErrorCode::invalid_state, "machine", "key service: the key was given");
  auto [ours, guests] = TRY(make_stream_pair());
  send_all(ours.get(), options_.disk_key->bytes());
  options_.disk_key.reset();
  return std::move(guests);
}

Result<UniqueFd> Services::open_broker_words() const {
  TRY(check_booting("words for the broker"));
  auto [ours, guests] = TRY(make_stream_pair());
  Bytes message;
  append_block(message, as_bytes(options_.broker_url));
  append_block(message, as_bytes(options_.statement));
  send_all(ours.get(), message);
  return std::move(guests);
}

Result<UniqueFd> Services::open_signals() {
  if (signals_given_)
    return make_error(ErrorCode::invalid_state, "machine", "signal service: it has its reader");
  auto [ours, guests] = TRY(make_stream_pair());
  signals_given_ = true;
  signals_ = std::move(ours);
  flush_signals();
  return std::move(guests);
}

void Services::send_signal(uint8_t number) {
  if (waiting_signals_.size() < kMaxWaitingSignals) waiting_signals_.push_back(number);
  flush_signals();
}

// One that changes before anybody listens need not be told: the terminal's stream begins with it.
void Services::send_terminal_size(guest_abi::TerminalSize size) {
  if (!signals_.valid()) return;
  uint8_t message[guest_abi::kTerminalSizeBytes] = {guest_abi::kTerminalSizeMark};
  store_le<uint16_t>(message + 1, size.columns);
  store_le<uint16_t>(message + 3, size.rows);
  send_all(signals_.get(), message);
}

void Services::flush_signals() {
  if (!signals_.valid() || waiting_signals_.empty()) return;
  send_all(signals_.get(), waiting_signals_);
  waiting_signals_.clear();
}

}  // namespace bartizan::vmm::machine
