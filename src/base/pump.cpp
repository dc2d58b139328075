#include "base/pump.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/room.hpp"

namespace bartizan {

Pump::Pump(UniqueFd from, UniqueFd to) : from_(std::move(from)), to_(std::move(to)) {
  to_blocks_ = (::fcntl(to_.get(), F_GETFL) & O_NONBLOCK) == 0;
}

pollfd Pump::wanted() const {
  if (!from_.valid()) return {-1, 0, 0};
  return held_.empty() ? pollfd{from_.get(), POLLIN, 0} : pollfd{to_.get(), POLLOUT, 0};
}

void Pump::step() {
  if (from_.valid() && held_.empty()) read_some();
  if (from_.valid() && !held_.empty()) write_some();
}

void Pump::read_some() {
  held_.resize(kPiece);
  ssize_t count = ::read(from_.get(), held_.data(), held_.size());
  bool later = count < 0 && (errno == EAGAIN || errno == EINTR);
  held_.resize(count > 0 ? static_cast<size_t>(count) : 0);
  if (count <= 0 && !later) end();
}

// A socket never blocks; what is no socket does, if its flags say so.
ssize_t Pump::put() {
  ssize_t count = ::send(to_.get(), held_.data(), held_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count >= 0 || errno != ENOTSOCK) return count;
  if (!to_blocks_) return ::write(to_.get(), held_.data(), held_.size());
  if (has_room(to_.get())) return ::write(to_.get(), held_.data(), std::min(held_.size(), kRoom));
  errno = EAGAIN;
  return -1;
}

void Pump::write_some() {
  ssize_t count = put();
  if (count >= 0) {
    held_.erase(held_.begin(), held_.begin() + count);
  } else if (errno != EAGAIN && errno != EINTR) {
    write_error_ = errno;
    end();
  }
}

void Pump::end() {
  from_.reset();
  to_.reset();
  held_ = {};
}

}  // namespace bartizan
