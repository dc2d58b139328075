#include "guest/init/workload/listening_ports.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/bytes.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr int kIntervalMs = 500;
constexpr size_t kMaxText = 65'536;            // of a table, which lists those that listen first
constexpr std::string_view kListening = "0A";  // TCP_LISTEN

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

std::string_view next_word(std::string_view* line) {
  const size_t begin = std::min(line->find_first_not_of(' '), line->size());
  const size_t end = std::min(line->find(' ', begin), line->size());
  const std::string_view word = line->substr(begin, end - begin);
  line->remove_prefix(end);
  return word;
}

// Words of 32 bits in the processor's order: 127.0.0.1 is 0100007F.
bool is_loopback(std::string_view address) {
  if (address.size() == 8) return address.ends_with("7F");
  if (address == "00000000000000000000000001000000") return true;
  return address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F");
}

// "  0: 0100007F:1F90 00000000:0000 0A …" (Documentation/networking/proc_net_tcp.rst); 0: does not
// listen for others.
uint16_t port_of(std::string_view line) {
  next_word(&line);
  const std::string_view local = next_word(&line);
  next_word(&line);
  const size_t colon = local.find(':');
  if (next_word(&line) != kListening || colon == local.npos) return 0;
  if (is_loopback(local.substr(0, colon))) return 0;
  uint16_t port = 0;
  std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
  return port;
}

std::string beginning_of(const char* path) {
  UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  std::string text(kMaxText, '\0');
  size_t size = 0;
  while (file.valid() && size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::set<uint16_t> listening_ports(std::string_view text) {
  std::set<uint16_t> ports;
  while (!text.empty() && ports.size() < guest_abi::kMaxListeningPorts) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (uint16_t port = port_of(text.substr(0, end))) ports.insert(port);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ports;
}

int ListeningPorts::wait_ms() const {
  if (!host_.valid()) return -1;
  return static_cast<int>(std::max<int64_t>(0, next_look_ms_ - now_ms()));
}

void ListeningPorts::look() {
  if (!host_.valid() || now_ms() < next_look_ms_) return;
  next_look_ms_ = now_ms() + kIntervalMs;
  std::set<uint16_t> ports = listening_ports(beginning_of("/proc/net/tcp"));
  ports.merge(listening_ports(beginning_of("/proc/net/tcp6")));
  for (uint16_t port : std::set(told_)) {
    if (!ports.contains(port) && tell(false, port)) told_.erase(port);
  }
  for (uint16_t port : ports) {
    if (told_.size() >= guest_abi::kMaxListeningPorts) return;
    if (!told_.contains(port) && tell(true, port)) told_.insert(port);
  }
}

bool ListeningPorts::tell(bool listening, uint16_t port) {
  if (!host_.valid()) return false;
  uint8_t news[guest_abi::kPortNewsBytes] = {static_cast<uint8_t>(listening)};
  store_le<uint16_t>(news + 1, port);
  const ssize_t sent = ::send(host_.get(), news, sizeof news, MSG_DONTWAIT | MSG_NOSIGNAL);
  // A part of a message would garble all that follow.
  const bool later = sent < 0 && (errno == EAGAIN || errno == EINTR);
  if (sent != sizeof news && !later) host_.reset();
  return sent == sizeof news;
}

}  // namespace bartizan::guest::init::workload
