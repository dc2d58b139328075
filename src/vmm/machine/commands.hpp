// Commands: orders to a running guest that may come from a signal handler. A pipe of fixed-size
// messages, written with one write(2), read on the event loop's thread. Orders given before the
// guest runs wait in the pipe.
#pragma once

#include <cstdint>
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
  void send(Command command) const;  // any thread, signal-safe; dropped if thousands wait already
  std::optional<Command> next() const;
  int fd() const { return read_.get(); }

 private:
  Commands(UniqueFd read, UniqueFd write) : read_(std::move(read)), write_(std::move(write)) {}
  UniqueFd read_, write_;
};

}  // namespace bartizan::vmm::machine
