// A BIO over a non-blocking socket. OpenSSL's own uses write(), which raises SIGPIPE in the
// caller's process; this one sends with MSG_NOSIGNAL.
#pragma once

typedef struct bio_st BIO;  // NOLINT: OpenSSL's own name

namespace bartizan::crypto {

// What such a BIO works on; it outlives the BIO, which borrows the socket too.
struct SocketTransport {
  int fd = -1;
  bool ended = false;  // the peer has closed
  int error = 0;       // errno of what failed for good
};

// Null for lack of memory.
BIO* make_socket_bio(SocketTransport& transport);

}  // namespace bartizan::crypto
