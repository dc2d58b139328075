// Pump: carries bytes from one descriptor to another until the first ends, and then closes both:
// the end travels on.
//
// Holds at most kPiece bytes, and reads no more before they are gone: who writes into it waits for
// who reads from it. Never blocks and raises no SIGPIPE where `to` is a socket (for a pipe the
// caller ignores that signal).
#pragma once

#include <poll.h>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"

namespace bartizan {

class Pump {
 public:
  static constexpr size_t kPiece = 16 * kKiB;

  Pump() = default;  // has ended
  // `to` is non-blocking. `from` need not be: it is read when it is ready, and its flags stay as
  // they are, which others who hold the same file (a shell) would see changed.
  Pump(UniqueFd from, UniqueFd to) : from_(std::move(from)), to_(std::move(to)) {}

  // What to wait for before step(): `from` to have bytes, or `to` to have component. fd -1: it has
  // ended.
  pollfd wanted() const;

  // One read, if nothing is held, and one write. Ends at the end of `from`, and when either side
  // fails: nobody is left to take what comes.
  void step();

 private:
  void read_some();
  void write_some();
  void end();

  UniqueFd from_, to_;
  Bytes held_;
};

}  // namespace bartizan
