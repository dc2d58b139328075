// BlockWorkers with a ring: one thread, which waits for requests and answers alike.
#include <sys/eventfd.h>

#include <algorithm>
#include <functional>

#include "vmm/virtio/block/workers.hpp"

namespace bartizan::vmm::virtio {
namespace {

// Requests that are on their way at a time, and the memory of all of them.
constexpr uint32_t kMaxFlights = 32;
constexpr uint64_t kMaxFlightBytes = 64 * kMiB;

// What is copied into and out of the guest before others get the queue's lock, the event loop among
// them: so much, and the request that reaches it. One without data counts as a page, or a guest
// that makes them while we look would keep the lock.
constexpr uint64_t kCopiedAtATime = kMiB, kCostOfAny = kPageSize;

}  // namespace

void BlockWorkers::make_ring() {
  wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (wake_.valid()) ring_ = DiskRing::create(disk_.file.get(), wake_.get(), kMaxFlights);
}

// The requests of a ring's thread. An index is in one list, or its request is on its way.
struct BlockWorkers::Flights {
  struct Flight {
    BlockRequest request;
    DiskStep step;
    uint64_t generation = 0;
  };
  std::vector<Flight> all{kMaxFlights};
  std::vector<uint32_t> free, taken, landed;

  Flights() {
    for (auto* list : {&free, &taken, &landed}) list->reserve(kMaxFlights);
    for (uint32_t i = 0; i < kMaxFlights; ++i) free.push_back(i);
  }
  bool on_their_way() const { return free.size() + taken.size() + landed.size() < kMaxFlights; }
  // Whatever the next one is, it fits.
  bool place() const {
    uint64_t bytes = kMaxRequestBytes;
    for (const Flight& flight : all) bytes += flight.request.memory();
    return !free.empty() && bytes <= kMaxFlightBytes;
  }
  void drop(uint32_t index) {
    all[index].request = BlockRequest();
    free.push_back(index);
  }
  void drop_other_generations(uint64_t generation) {
    std::erase_if(landed, [&](uint32_t index) {
      const bool other = all[index].generation != generation;
      if (other) drop(index);
      return other;
    });
  }
};

// The kernel writes to what is on its way, so that is not freed before it is back: if an exception
// ends the thread, for lack of memory, not at all.
class BlockWorkers::KeptFlights {
 public:
  KeptFlights() : flights_(std::make_unique<Flights>()) {}
  KeptFlights(const KeptFlights&) = delete;
  KeptFlights& operator=(const KeptFlights&) = delete;
  ~KeptFlights() {
    if (flights_->on_their_way()) (void)flights_.release();
  }
  Flights& operator*() const { return *flights_; }

 private:
  std::unique_ptr<Flights> flights_;
};

void BlockWorkers::serve_by_ring() {
  const KeptFlights kept;
  Flights& flights = *kept;
  for (;;) {
    Turn turn;
    {
      MutexLock lock(mutex_);
      turn = take_turn();
    }
    if (turn.ending && !flights.on_their_way()) return ring_->stop();
    const bool more = !turn.ending && exchange(flights, turn);
    ring_->enter(!more, [&](uint32_t index, int64_t result) {
      auto& flight = flights.all[index];
      flight.request.finish_step(flight.step, result);
      fly(flights, index);
    });
  }
}

// On with a request: to the disk, or to those that are given back.
void BlockWorkers::fly(Flights& flights, uint32_t index) {
  auto& flight = flights.all[index];
  if (auto step = flight.request.next_step()) {
    flight.step = *step;
    ring_->add(*step, index);
  } else {
    flights.landed.push_back(index);
  }
}

// Gives back what has landed and takes what there is. True: there is more to do at once.
bool BlockWorkers::exchange(Flights& flights, const Turn& turn) {
  flights.drop_other_generations(turn.generation);
  uint64_t copied = 0;
  auto work = [&](Queues& queues) {
    Queue* queue = queues.at(0);
    size_t given = 0;
    for (; given < flights.landed.size() && copied < kCopiedAtATime; ++given) {
      const uint32_t index = flights.landed[given];
      const BlockRequest& request = flights.all[index].request;
      copied += kCostOfAny + request.memory();
      if (queue) queue->push(request.chain, request.give(queues.memory()));
      flights.drop(index);
    }
    flights.landed.erase(flights.landed.begin(),
                         flights.landed.begin() + static_cast<ptrdiff_t>(given));
    while (queue && flights.place() && copied < kCopiedAtATime) {
      const uint32_t index = flights.free.back();
      BlockRequest& request = flights.all[index].request;
      if (!queue->pop(&request.chain)) break;
      request.take(disk_, queues.memory(), turn.features);
      copied += kCostOfAny + request.memory();
      if (request.has_status()) {  // needs no disk
        queue->push(request.chain, request.give(queues.memory()));
        request = BlockRequest();
        continue;
      }
      flights.all[index].generation = turn.generation;
      flights.taken.push_back(index);
      flights.free.pop_back();
    }
    queues.flush(0);  // a broken queue is told
  };
  const bool live = with_queues(turn.generation, std::ref(work));
  for (uint32_t index : flights.taken) fly(flights, index);
  flights.taken.clear();
  return live && (!flights.landed.empty() || copied >= kCopiedAtATime);
}

}  // namespace bartizan::vmm::virtio
