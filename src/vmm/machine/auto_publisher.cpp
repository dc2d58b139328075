#include "vmm/machine/auto_publisher.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/errors.hpp"
#include "guest_abi/boot_stages.hpp"
#include "vmm/machine/stream_pair.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr uint32_t kNewsPerSecond = 32;
constexpr uint64_t kPauseMs = 1'000;
constexpr char kAllAddresses[] = "::";

std::vector<std::string> addresses_of(const std::string& address) {
  if (address == kAllAddresses) return {"0.0.0.0", kAllAddresses};
  return {address};
}

}  // namespace

AutoPublisher::~AutoPublisher() {
  if (timer_ != 0) loop_.cancel_timer(timer_);
  unwatch();
}

Result<UniqueFd> AutoPublisher::open() {
  if (given_)
    return make_error(ErrorCode::invalid_state, "machine", "listening ports: have their reporter");
  auto [ours, guests] = TRY(make_stream_pair());
  given_ = true;
  guest_ = std::move(ours);
  watch();
  return std::move(guests);
}

void AutoPublisher::watch() {
  if (!loop_.watch(guest_.get(), EPOLLIN, [this](uint32_t) { on_news(); }).ok()) guest_.reset();
}

void AutoPublisher::unwatch() {
  if (guest_.valid()) loop_.unwatch(guest_.get());
}

void AutoPublisher::on_news() {
  uint8_t bytes[guest_abi::kPortNewsBytes];
  const ssize_t got = ::recv(guest_.get(), bytes, sizeof bytes - held_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {  // what it has stays: the workload may go on without its reporter
    unwatch();
    return guest_.reset();
  }
  held_.insert(held_.end(), bytes, bytes + got);
  if (held_.size() < sizeof bytes) return;
  take(held_[0] == 1, load_le<uint16_t>(&held_[1]));
  held_.clear();
  if (++heard_ == 1) {
    timer_ = loop_.call_after(kPauseMs, [this] {
      timer_ = 0;
      if (std::exchange(heard_, 0) >= kNewsPerSecond && guest_.valid()) watch();
    });
  }
  if (heard_ >= kNewsPerSecond) unwatch();
}

void AutoPublisher::take(bool listening, uint16_t port) {
  auto known = published_.find(port);
  if (listening) {
    const bool room = published_.size() < guest_abi::kMaxListeningPorts;
    if (known == published_.end() && room && port != 0 && !options_.taken.contains(port))
      publish(port);
    return;
  }
  if (known == published_.end()) return;
  for (const virtio::PortForward& forward : known->second) net_->withdraw(forward);
  published_.erase(known);
  options_.changed();
}

// At least one address: a host may have no IPv6, or no IPv4.
Result<std::vector<virtio::PortForward>> AutoPublisher::publish_everywhere(uint16_t port) {
  std::vector<virtio::PortForward> published;
  Error error;
  for (const std::string& address : addresses_of(options_.host_address)) {
    const virtio::PortForward forward{address, port, port};
    auto done = net_->publish(forward);
    if (done.ok())
      published.push_back(forward);
    else
      error = std::move(done).error();
  }
  if (published.empty()) return error;
  return published;
}

void AutoPublisher::publish(uint16_t port) {
  auto published = publish_everywhere(port);
  if (!published.ok()) return report(port, published.error());
  published_[port] = *std::move(published);
  options_.changed();
}

void AutoPublisher::report(uint16_t port, const Error& error) {
  if (!options_.log || failed_.size() >= guest_abi::kMaxListeningPorts ||
      !failed_.insert(port).second)
    return;
  options_.log(LogLevel::warning,
               fmt::format("the workload listens on port {}, which is not published by itself: {}; "
                           "publish it under another number",
                           port, error.describe()));
}

}  // namespace bartizan::vmm::machine
