// QuoteForwarder: takes a TD's GetQuote calls (Intel GHCI, TDG.VP.VMCALL<GetQuote>) to the host's
// quote generation service and writes what that says into the guest's shared buffer.
//
// The buffer: version u64 = 1, status u64, length in u32, length out u32, then data: a TDREPORT in,
// a quote out. Its status is "in flight" before the call is answered, and final only after the
// rest is written: the guest polls it. Nothing in the buffer is believed beyond one copy.
#pragma once

#include <filesystem>
#include <list>
#include <mutex>
#include <set>
#include <thread>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "memory/vm_memory.hpp"

namespace bartizan::tee::tdx {

// Quotes under way for one guest. A guest has one driver that asks one at a time; more would cost
// threads and connections.
constexpr size_t kMaxQuotesUnderWay = 4;
// Linux uses 128 KiB; a quote with its certificates has about 8.
constexpr uint64_t kMaxQuoteBuffer = 1024 * 1024;
constexpr size_t kTdReportBytes = 1024;

// The service's protocol: a length in 4 bytes, big endian, then a message.
Bytes quote_message(ByteView report);
// corrupt: not an answer that holds a quote; the service's own error code is named.
Result<Bytes> quote_in_answer(ByteView message);

class QuoteForwarder {
 public:
  explicit QuoteForwarder(std::filesystem::path service) : service_(std::move(service)) {}
  ~QuoteForwarder() { stop(); }

  // The call's answer. `memory` stays until stop().
  uint64_t request(memory::GuestMemory& memory, memory::GuestAddress buffer, uint64_t size);
  void stop();  // ends connections and waits; later requests are refused

 private:
  struct Job {
    memory::GuestMemory& memory;
    memory::GuestAddress buffer;
    uint64_t size;
    Bytes report;
  };
  struct Worker {
    std::thread thread;
    bool done = false;
  };
  bool start(Job job);
  void join_done();
  void work(const Job& job);
  Result<Bytes> ask(const Bytes& report);
  Result<Bytes> talk(int fd, const Bytes& report);
  bool enter(int fd);
  void leave(int fd);

  std::filesystem::path service_;
  std::mutex mutex_;  // guards all below
  std::list<Worker> workers_;
  std::set<int> connections_;
  bool stopping_ = false;
};

}  // namespace bartizan::tee::tdx
