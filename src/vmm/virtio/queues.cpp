#include "vmm/virtio/queues.hpp"

namespace bartizan::vmm::virtio {

void Queues::install(std::vector<std::optional<Queue>> queues) {
  queues_ = std::move(queues);
}

void Queues::remove(uint16_t index) {
  if (index < queues_.size()) queues_[index].reset();
}

void Queues::clear() {
  queues_.clear();
}

bool Queues::run(const std::function<void()>& work) {
  MutexLock lock(mutex_);
  if (queues_.empty()) return false;
  work();
  return true;
}

Queue* Queues::at(uint16_t index) {
  mutex_.assume_held();
  if (index >= queues_.size() || !queues_[index] || queues_[index]->broken()) return nullptr;
  return &*queues_[index];
}

void Queues::flush(uint16_t index) {
  mutex_.assume_held();
  if (index >= queues_.size() || !queues_[index]) return;
  Queue& queue = *queues_[index];
  bool wanted = queue.take_interrupt();
  if (queue.broken()) return signals_.broken(index, queue.what_broke());
  if (wanted) signals_.used(index);
}

}  // namespace bartizan::vmm::virtio
