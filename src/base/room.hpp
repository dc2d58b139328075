// Whether a descriptor of somebody else's, which may block, takes bytes at once.
#pragma once

#include <poll.h>

#include <cerrno>
#include <cstddef>

namespace bartizan {

// What a file with room takes without waiting: PIPE_BUF for a pipe (pipe(7)); a terminal promises
// less, but takes it while anybody looks at it.
constexpr size_t kRoom = 4096;

// Waits that long at most. True as well for what a write fails at, without waiting. Signal-safe,
// but for errno.
inline bool has_room(int fd, int patience_ms = 0) {
  pollfd wish{fd, POLLOUT, 0};
  int found = 0;
  do found = ::poll(&wish, 1, patience_ms);
  while (found < 0 && errno == EINTR);
  return found != 0;
}

}  // namespace bartizan
