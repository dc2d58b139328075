// A key where dm-crypt finds it by name: it never appears in a table's text.
#pragma once

#include <utility>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"

namespace bartizan::guest::init::storage {

// A "logon" key of this thread's keyring, which user space cannot read back; gone with this object.
// dm-crypt keeps a copy of its own.
class KernelKey {
 public:
  static Result<KernelKey> add(const char* description, const SecretBytes& key);
  KernelKey(KernelKey&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  ~KernelKey();

 private:
  explicit KernelKey(long id) : id_(id) {}
  long id_;
};

}  // namespace bartizan::guest::init::storage
