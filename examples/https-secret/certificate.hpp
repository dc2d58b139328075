// A self-signed certificate for a server that lives as long as its process.
#pragma once

#include <openssl/ssl.h>

#include <memory>

struct ContextDelete {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, ContextDelete>;

// A TLS server context with a fresh EC P-256 key and its certificate; null if OpenSSL fails.
TlsContext make_server_context();
