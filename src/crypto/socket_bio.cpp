#include "crypto/socket_bio.hpp"

#include <openssl/bio.h>
#include <sys/socket.h>

#include <cerrno>

namespace bartizan::crypto {
namespace {

int socket_bio_write(BIO* bio, const char* data, int size) {
  auto* transport = static_cast<SocketTransport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  ssize_t sent = ::send(transport->fd, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<int>(sent);
  if (errno == EAGAIN || errno == EINTR) BIO_set_retry_write(bio);
  if (errno != EAGAIN && errno != EINTR) transport->error = errno;
  return -1;
}

int socket_bio_read(BIO* bio, char* data, int size) {
  auto* transport = static_cast<SocketTransport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  ssize_t got = ::recv(transport->fd, data, static_cast<size_t>(size), 0);
  if (got == 0) transport->ended = true;
  if (got >= 0) return static_cast<int>(got);
  if (errno == EAGAIN || errno == EINTR) BIO_set_retry_read(bio);
  if (errno != EAGAIN && errno != EINTR) transport->error = errno;
  return -1;
}

long socket_bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return static_cast<SocketTransport*>(BIO_get_data(bio))->ended;
  return command == BIO_CTRL_FLUSH;
}

BIO_METHOD* socket_bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bartizan socket");
    BIO_meth_set_write(made, socket_bio_write);
    BIO_meth_set_read(made, socket_bio_read);
    BIO_meth_set_ctrl(made, socket_bio_control);
    return made;
  }();
  return method;
}

}  // namespace

BIO* make_socket_bio(SocketTransport& transport) {
  BIO* bio = BIO_new(socket_bio_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &transport);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace bartizan::crypto
