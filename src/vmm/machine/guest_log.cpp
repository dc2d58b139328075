#include "vmm/machine/guest_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

void LineLimit::add(std::string_view line, Clock::time_point now) {
  const std::chrono::duration<double> passed = now - std::exchange(last_, now);
  allowance_ = std::min(kLogBurst, allowance_ + passed.count() * kLogLinesPerSecond);
  // Not each millisecond one line and a note: what was exhausted rests for a second.
  if (allowance_ < (dropped_ == 0 ? 1 : kLogLinesPerSecond)) {
    ++dropped_;
    return;
  }
  allowance_ -= 1;
  finish();
  line_(line);
}

void LineLimit::finish() {
  if (dropped_ == 0) return;
  line_(fmt::format("[{} lines dropped: more than {} each second]", std::exchange(dropped_, 0),
                    kLogLinesPerSecond));
}

}  // namespace bartizan::vmm::machine
