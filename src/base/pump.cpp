#include "base/pump.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace bartizan {

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

void Pump::write_some() {
  ssize_t count = ::send(to_.get(), held_.data(), held_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0 && errno == ENOTSOCK) count = ::write(to_.get(), held_.data(), held_.size());
  if (count >= 0) {
    held_.erase(held_.begin(), held_.begin() + count);
  } else if (errno != EAGAIN && errno != EINTR) {
    end();
  }
}

void Pump::end() {
  from_.reset();
  to_.reset();
  held_ = {};
}

}  // namespace bartizan
