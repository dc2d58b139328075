// Signals of a process that is a container: all are for the workload, and whoever sends them has
// deadlines of its own. Of a process there is one of each class at a time.
#pragma once

#include "bartizan/machine.hpp"

namespace bartizan::container {

// While it lives, this process takes every signal that a program can take, but those that mean a
// fault of it, and SIGCHLD. PID 1 does not get a signal that it has no handler for. Those that come
// before there is a SignalPath wait for it. SIGPIPE is ignored: a reader that leaves takes no guest
// with it. The dispositions from before come back at the end.
class Signals {
 public:
  Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();
};

// While it lives, what Signals takes goes to the workload of `context`, which outlives it: first
// what waited.
class SignalPath {
 public:
  explicit SignalPath(Context& context);
  SignalPath(const SignalPath&) = delete;
  SignalPath& operator=(const SignalPath&) = delete;
  ~SignalPath();
};

}  // namespace bartizan::container
