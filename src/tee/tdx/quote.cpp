#include "tee/tdx/quote.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "base/errors.hpp"
#include "base/unique_fd.hpp"
#include "kvm/tdx_abi.hpp"

namespace bartizan::tee::tdx {
namespace {

using memory::GuestAddress;
using memory::kPageSize;

constexpr const char* kOrigin = "tee/tdx";

struct BufferHead {
  uint64_t version = 0;
  uint64_t status = 0;
  uint32_t in_length = 0;
  uint32_t out_length = 0;
};
static_assert(sizeof(BufferHead) == 24);
constexpr uint64_t kVersion = 1;
constexpr size_t kStatusAt = 8, kOutLengthAt = 20;
constexpr uint64_t kDone = 0, kInFlight = ~0ull;
constexpr uint64_t kFailed = 0x8000'0000'0000'0000, kServiceUnavailable = kFailed | 1;

// The service's messages: version 1.1, type, length of all, error code; a request goes on with the
// lengths of report and ID list, an answer with those of the selected ID and the quote.
constexpr size_t kLengthBytes = 4, kHeadBytes = 16, kBodyAt = kHeadBytes + 8;
constexpr uint32_t kQuoteRequest = 0, kQuoteAnswer = 1;

// A service that says nothing for this long has hung; the guest's driver waits for 30 s.
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

Result<UniqueFd> connect_to(const std::filesystem::path& service) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (service.native().size() >= sizeof address.sun_path) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "{}: path too long", service.native());
  }
  std::memcpy(address.sun_path, service.c_str(), service.native().size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error(errno, kOrigin, "quote service: socket");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kServicePatience, sizeof kServicePatience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kServicePatience, sizeof kServicePatience);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, kOrigin, fmt::format("{}: connect", service.native()));
  }
  return fd;
}

// A guest that took the buffer back while we worked loses the answer, and nothing else happens.
void finish(memory::GuestMemory& memory, GuestAddress buffer, uint64_t status) {
  (void)memory.write_object(buffer + kStatusAt, status);
}

}  // namespace

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

uint64_t QuoteForwarder::request(memory::GuestMemory& memory, GuestAddress buffer, uint64_t size) {
  bool whole = buffer.value % kPageSize == 0 && size % kPageSize == 0 && size != 0;
  if (!whole || size > kMaxQuoteBuffer) return kvm::kTdvmcallInvalidOperand;
  if (!memory.window(buffer, size).ok()) return kvm::kTdvmcallInvalidOperand;
  auto head = memory.read_object<BufferHead>(buffer);
  bool sane = head.ok() && head->version == kVersion && head->in_length == kTdReportBytes;
  Bytes report(kTdReportBytes);
  if (!sane || !memory.read(buffer + sizeof(BufferHead), report).ok()) {
    return kvm::kTdvmcallInvalidOperand;
  }
  if (service_.empty()) {
    finish(memory, buffer, kServiceUnavailable);
    return kvm::kTdvmcallSuccess;
  }
  if (!memory.write_object(buffer + kStatusAt, kInFlight).ok()) return kvm::kTdvmcallInvalidOperand;
  if (start({memory, buffer, size, std::move(report)})) return kvm::kTdvmcallSuccess;
  finish(memory, buffer, kFailed);
  return kvm::kTdvmcallRetry;
}

// A thread for each quote, without signals: they are the caller's.
bool QuoteForwarder::start(Job job) {
  std::lock_guard lock(mutex_);
  join_done();
  if (stopping_ || workers_.size() == kMaxQuotesUnderWay) return false;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  Worker& worker = workers_.emplace_back();
  try {
    worker.thread = std::thread([this, &worker, job = std::move(job)] {
      work(job);
      std::lock_guard lock(mutex_);
      worker.done = true;
    });
  } catch (const std::system_error&) {
    started = false;
    workers_.pop_back();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

// They are past their last use of the mutex, or about to be.
void QuoteForwarder::join_done() {
  workers_.remove_if([](Worker& worker) {
    if (worker.done) worker.thread.join();
    return worker.done;
  });
}

void QuoteForwarder::work(const Job& job) {
  auto quote = ask(job.report);
  uint64_t room = job.size - sizeof(BufferHead), status = kServiceUnavailable;
  if (quote.ok() && quote->size() <= room) {
    auto length = static_cast<uint32_t>(quote->size());
    bool written = job.memory.write(job.buffer + sizeof(BufferHead), *quote).ok() &&
                   job.memory.write_object(job.buffer + kOutLengthAt, length).ok();
    status = written ? kDone : kFailed;
  }
  finish(job.memory, job.buffer, status);
}

Result<Bytes> QuoteForwarder::ask(const Bytes& report) {
  UniqueFd fd = TRY(connect_to(service_));
  if (!enter(fd.get())) return make_error(ErrorCode::cancelled, kOrigin, "the guest has ended");
  auto answer = talk(fd.get(), report);
  leave(fd.get());
  return answer;
}

Result<Bytes> QuoteForwarder::talk(int fd, const Bytes& report) {
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

bool QuoteForwarder::enter(int fd) {
  std::lock_guard lock(mutex_);
  if (!stopping_) connections_.insert(fd);
  return !stopping_;
}

void QuoteForwarder::leave(int fd) {
  std::lock_guard lock(mutex_);
  connections_.erase(fd);
}

void QuoteForwarder::stop() {
  std::list<Worker> last;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (int fd : connections_) ::shutdown(fd, SHUT_RDWR);
    last.swap(workers_);  // the workers' own nodes stay where they are
  }
  for (Worker& worker : last) worker.thread.join();
}

}  // namespace bartizan::tee::tdx
