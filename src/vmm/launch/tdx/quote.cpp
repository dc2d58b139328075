#include "vmm/launch/tdx/quote.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>

#include "base/errors.hpp"
#include "base/thread.hpp"
#include "base/units.hpp"
#include "vmm/kvm/tdx_abi.hpp"

namespace bartizan::vmm::launch::tdx {
namespace {

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

// The guest polls the status: whoever sees the new one sees all that was written before. The buffer
// is page-aligned. A guest that took it back while we worked loses the answer, and nothing else
// happens.
bool publish(memory::GuestMemory& memory, GuestAddress buffer, uint64_t status) {
  auto place = memory.window(buffer + kStatusAt, sizeof status);
  if (!place.ok()) return false;
  std::atomic_ref<uint64_t> shared(*reinterpret_cast<uint64_t*>(place->data()));
  shared.store(status, std::memory_order_release);
  return true;
}

}  // namespace

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
    publish(memory, buffer, kServiceUnavailable);
    return kvm::kTdvmcallSuccess;
  }
  if (!publish(memory, buffer, kInFlight)) return kvm::kTdvmcallInvalidOperand;
  if (start({memory, buffer, size, std::move(report)})) return kvm::kTdvmcallSuccess;
  publish(memory, buffer, kFailed);
  return kvm::kTdvmcallRetry;
}

// A thread for each quote.
bool QuoteForwarder::start(Job job) {
  MutexLock lock(mutex_);
  join_done();
  if (stopping_ || workers_.size() == kMaxQuotesUnderWay) return false;
  Worker& worker = workers_.emplace_back();
  auto thread = start_thread("quote", [this, &worker, job = std::move(job)] {
    if (!call_guarded("quote", [&] { work(job); }).ok()) publish(job.memory, job.buffer, kFailed);
    MutexLock lock(mutex_);
    worker.done = true;
  });
  if (!thread.ok()) {
    workers_.pop_back();
    return false;
  }
  worker.thread = *std::move(thread);
  return true;
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
  uint64_t space = job.size - sizeof(BufferHead), status = kServiceUnavailable;
  if (quote.ok() && quote->size() <= space) {
    auto length = static_cast<uint32_t>(quote->size());
    bool written = job.memory.write(job.buffer + sizeof(BufferHead), *quote).ok() &&
                   job.memory.write_object(job.buffer + kOutLengthAt, length).ok();
    status = written ? kDone : kFailed;
  }
  publish(job.memory, job.buffer, status);
}

Result<Bytes> QuoteForwarder::ask(const Bytes& report) {
  UniqueFd fd = TRY(connect_to_quote_service(service_));
  if (!enter(fd.get())) return make_error(ErrorCode::cancelled, kOrigin, "the guest has ended");
  auto answer = exchange_quote(fd.get(), report);
  leave(fd.get());
  return answer;
}

bool QuoteForwarder::enter(int fd) {
  MutexLock lock(mutex_);
  if (!stopping_) connections_.insert(fd);
  return !stopping_;
}

void QuoteForwarder::leave(int fd) {
  MutexLock lock(mutex_);
  connections_.erase(fd);
}

void QuoteForwarder::stop() {
  std::list<Worker> last;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    for (int fd : connections_) ::shutdown(fd, SHUT_RDWR);
    last.swap(workers_);  // the workers' own nodes stay where they are
  }
  for (Worker& worker : last) worker.thread.join();
}

}  // namespace bartizan::vmm::launch::tdx
