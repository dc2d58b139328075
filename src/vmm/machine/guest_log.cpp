#include "vmm/machine/guest_log.hpp"

namespace bartizan::vmm::machine {

void LineSplitter::add(ByteView bytes) {
  for (uint8_t byte : bytes) {
    if (byte == '\r') continue;
    if (byte == '\n' || pending_.size() >= kMaxLogLine) {
      line_(pending_);
      pending_.clear();
      if (byte == '\n') continue;
    }
    bool printable = byte >= 0x20 && byte != 0x7f;
    pending_.push_back(printable || byte == '\t' ? static_cast<char>(byte) : '?');
  }
}

void LineSplitter::finish() {
  if (pending_.empty()) return;
  line_(pending_);
  pending_.clear();
}

}  // namespace bartizan::vmm::machine
