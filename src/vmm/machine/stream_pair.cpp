#include "vmm/machine/stream_pair.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "base/errors.hpp"

namespace bartizan::vmm::machine {

Result<StreamPair> make_stream_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return errno_error(errno, "machine", "socketpair");
  }
  return StreamPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace bartizan::vmm::machine
