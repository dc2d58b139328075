// Pump: carries bytes from one descriptor to another until the first ends, and then closes both:
// the end travels on.
//
// Holds at most kPiece bytes, and reads no more before they are gone: who writes into it waits for
// who reads from it. Raises no SIGPIPE where `to` is a socket (for a pipe the caller ignores that
// signal).
//
// Never blocks, if step() is called when wanted() is ready. Neither descriptor need be
// non-blocking: others may hold the same file (a shell holds the terminal) and would see its flags
// change. A file that blocks gets no more at a time than it takes without (PIPE_BUF), after a look.
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
  Pump(UniqueFd from, UniqueFd to);

  // What to wait for before step(): `from` to have bytes, or `to` to have room. fd -1: it has
  // ended.
  pollfd wanted() const;
  bool ended() const { return !from_.valid(); }
  int write_error() const { return write_error_; }  // errno of the write that ended it, or 0

  // One read, if nothing is held, and one write. Ends at the end of `from`, and when either side
  // fails: nobody is left to take what comes.
  void step();

 private:
  void read_some();
  void write_some();
  ssize_t put();
  void end();

  UniqueFd from_, to_;
  bool to_blocks_ = false;
  int write_error_ = 0;
  Bytes held_;
};

}  // namespace bartizan
