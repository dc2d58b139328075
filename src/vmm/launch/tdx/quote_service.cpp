#include "vmm/launch/tdx/quote_service.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/errors.hpp"

namespace bartizan::vmm::launch::tdx {
namespace {

constexpr const char* kOrigin = "tee/tdx";
constexpr std::string_view kVsockPrefix = "vsock:";

// The service's messages: version 1.1, type, length of all, error code; a request goes on with the
// lengths of report and ID list, an answer with those of the selected ID and the quote.
constexpr size_t kLengthBytes = 4, kHeadBytes = 16, kBodyAt = kHeadBytes + 8;
constexpr uint32_t kQuoteRequest = 0, kQuoteAnswer = 1;

// A service that sends nothing for this long has hung; the guest's driver waits for 30 s.
constexpr timeval kServicePatience{30, 0};

Result<void> send_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return errno_error(sent < 0 ? errno : EPIPE, kOrigin, "quote service: send");
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return {};
}

Result<void> receive_all(int fd, std::span<uint8_t> to) {
  while (!to.empty()) {
    ssize_t got = ::recv(fd, to.data(), to.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, kOrigin, "quote service: receive");
    if (got == 0) return make_error(ErrorCode::protocol, kOrigin, "quote service: hung up");
    to = to.subspan(static_cast<size_t>(got));
  }
  return {};
}

struct VsockAddress {
  uint32_t cid = 0, port = 0;
};

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "CID:PORT"; all ones are the wild card, which nobody can be connected to.
std::optional<VsockAddress> vsock_address(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto cid = number(text.substr(0, colon)), port = number(text.substr(colon + 1));
  if (!cid || !port || *cid == VMADDR_CID_ANY || *port == VMADDR_PORT_ANY) return std::nullopt;
  return VsockAddress{*cid, *port};
}

Result<UniqueFd> connected(const std::string& service, int family, const void* address,
                           size_t size) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error(errno, kOrigin, fmt::format("{}: socket", service));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kServicePatience, sizeof kServicePatience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kServicePatience, sizeof kServicePatience);
  const auto* to = static_cast<const sockaddr*>(address);
  if (::connect(fd.get(), to, static_cast<socklen_t>(size)) != 0) {
    return errno_error(errno, kOrigin, fmt::format("{}: connect", service));
  }
  return fd;
}

}  // namespace

Result<void> check_quote_service(const std::string& service) {
  if (service.empty()) return {};
  if (service.starts_with(kVsockPrefix)) {
    if (vsock_address(std::string_view(service).substr(kVsockPrefix.size()))) return {};
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "quote service \"{}\": not vsock:CID:PORT", service);
  }
  if (service[0] != '/') {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "quote service \"{}\": neither an absolute path nor vsock:CID:PORT", service);
  }
  if (service.size() < sizeof(sockaddr_un::sun_path)) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin, "quote service \"{}\": path too long",
                    service);
}

Result<UniqueFd> connect_to_quote_service(const std::string& service) {
  TRY(check_quote_service(service));
  if (service.starts_with(kVsockPrefix)) {
    auto wanted = vsock_address(std::string_view(service).substr(kVsockPrefix.size()));
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = wanted->cid;
    address.svm_port = wanted->port;
    return connected(service, AF_VSOCK, &address, sizeof address);
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, service.data(), service.size());
  return connected(service, AF_UNIX, &address, sizeof address);
}

Bytes quote_message(ByteView report) {
  Bytes bytes(kLengthBytes + kBodyAt);
  auto size = static_cast<uint32_t>(kBodyAt + report.size());
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes[i] = static_cast<uint8_t>(size >> 8 * (kLengthBytes - 1 - i));
  }
  uint8_t* message = bytes.data() + kLengthBytes;
  store_le<uint16_t>(message, 1);
  store_le<uint16_t>(message + 2, 1);
  store_le<uint32_t>(message + 4, kQuoteRequest);
  store_le<uint32_t>(message + 8, size);
  store_le<uint32_t>(message + kHeadBytes, static_cast<uint32_t>(report.size()));
  bytes.insert(bytes.end(), report.begin(), report.end());
  return bytes;
}

Result<Bytes> quote_in_answer(ByteView message) {
  auto bad = [](std::string_view why) {
    return make_error(ErrorCode::corrupt, kOrigin, "quote service: {}", why);
  };
  if (message.size() < kBodyAt) return bad("short answer");
  auto word = [&](size_t at) { return load_le<uint32_t>(message.data() + at); };
  if (word(4) != kQuoteAnswer) return bad("not an answer to a quote request");
  if (word(12) != 0) return bad(fmt::format("error {:#x}", word(12)));
  uint64_t id_size = word(kHeadBytes), quote_size = word(kHeadBytes + 4);
  if (quote_size == 0 || id_size + quote_size != message.size() - kBodyAt) return bad("lengths");
  ByteView quote = message.subspan(kBodyAt + id_size);
  return Bytes(quote.begin(), quote.end());
}

Result<Bytes> exchange_quote(int fd, const Bytes& report) {
  TRY(send_all(fd, quote_message(report)));
  std::array<uint8_t, kLengthBytes> prefix{};
  TRY(receive_all(fd, prefix));
  uint32_t size = 0;
  for (uint8_t byte : prefix) size = size << 8 | byte;
  if (size > kMaxQuoteBuffer) {
    return make_error(ErrorCode::protocol, kOrigin, "quote service: answer of {} bytes", size);
  }
  Bytes message(size);
  TRY(receive_all(fd, message));
  return quote_in_answer(message);
}

}  // namespace bartizan::vmm::launch::tdx
