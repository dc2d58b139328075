// QuoteForwarder: takes a TD's GetQuote calls (Intel GHCI, TDG.VP.VMCALL<GetQuote>) to the host's
// quote generation service and writes its answer into the guest's shared buffer.
//
// The buffer: version u64 = 1, status u64, length in u32, length out u32, then data: a TDREPORT in,
// a quote out. Its status is "in flight" before the call is answered, and final only after the
// rest is written: the guest polls it. Nothing in the buffer is believed beyond one copy.
#pragma once

#include <list>
#include <set>
#include <string>
#include <thread>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/mutex.hpp"
#include "vmm/launch/tdx/quote_service.hpp"
#include "vmm/memory/vm_memory.hpp"

namespace bartizan::vmm::launch::tdx {

// Quotes under way for one guest. A guest has one driver that asks one at a time; more would cost
// threads and connections.
constexpr size_t kMaxQuotesUnderWay = 4;
constexpr size_t kTdReportBytes = 1024;

class QuoteForwarder {
 public:
  explicit QuoteForwarder(std::string service) : service_(std::move(service)) {}
  ~QuoteForwarder() { stop(); }

  // The call's answer. `memory` stays until stop().
  uint64_t request(memory::GuestMemory& memory, GuestAddress buffer, uint64_t size);
  void stop();  // ends connections and waits; later requests are refused

 private:
  struct Job {
    memory::GuestMemory& memory;
    GuestAddress buffer;
    uint64_t size;
    Bytes report;
  };
  struct Worker {
    std::thread thread;
    bool done = false;
  };
  bool start(Job job);
  void join_done() BARTIZAN_REQUIRES(mutex_);
  void work(const Job& job);
  Result<Bytes> ask(const Bytes& report);
  bool enter(int fd);
  void leave(int fd);

  std::string service_;
  Mutex mutex_;
  std::list<Worker> workers_ BARTIZAN_GUARDED_BY(mutex_);
  std::set<int> connections_ BARTIZAN_GUARDED_BY(mutex_);
  bool stopping_ BARTIZAN_GUARDED_BY(mutex_) = false;
};

}  // namespace bartizan::vmm::launch::tdx
