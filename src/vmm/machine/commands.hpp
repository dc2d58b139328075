// Commands: orders to a running guest that may come from a signal handler. A pipe of fixed-size
// messages, written with one write(2), read on the control loop's thread. Orders given before the
// guest runs wait in the pipe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::vmm::machine {

struct Command {
  enum class Kind : uint32_t { stop = 1, signal = 2 };
  Kind kind = Kind::stop;
  uint32_t value = 0;  // grace in ms, or signal number
};

class Commands {
 public:
  static Result<Commands> create();
  // Any thread, signal-safe. If thousands wait already, a signal is dropped, and a stop comes last.
  void send(Command command) const;
  std::optional<Command> next() const;
  int fd() const { return read_.get(); }

 private:
  static constexpr int64_t kNoStop = -1;
  Commands(UniqueFd read, UniqueFd write) : read_(std::move(read)), write_(std::move(write)) {}
  UniqueFd read_, write_;
  // Grace of a stop for which the pipe had no room. A pointer because commands are moved.
  std::unique_ptr<std::atomic<int64_t>> late_stop_ =
      std::make_unique<std::atomic<int64_t>>(kNoStop);
  static_assert(std::atomic<int64_t>::is_always_lock_free);
};

}  // namespace bartizan::vmm::machine
