// Owning pointers for OpenSSL's objects, for the fake firmware alone: it shares no code with
// src/crypto, which it judges.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <memory>

namespace bartizan::fakes {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* thing) const {
    free_function(thing);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;

}  // namespace bartizan::fakes
