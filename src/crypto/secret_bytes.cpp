#include "bartizan/secret_bytes.hpp"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "base/bytes.hpp"

namespace bartizan {

SecretBytes::SecretBytes(size_t size) {
  if (size == 0) return;
  void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  ::madvise(pages, size, MADV_DONTDUMP);
  (void)::mlock(pages, size);  // what may not be locked is no worse than the heap
  data_ = static_cast<uint8_t*>(pages);
  size_ = size;
}

SecretBytes::SecretBytes(std::span<const uint8_t> source) : SecretBytes(source.size()) {
  std::copy(source.begin(), source.end(), data_);
}

SecretBytes SecretBytes::from_string(std::string_view text) {
  return SecretBytes(as_bytes(text));
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void SecretBytes::wipe() {
  if (data_ == nullptr) return;
  OPENSSL_cleanse(data_, size_);
  ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

bool SecretBytes::equals(const SecretBytes& other) const {
  return size_ == other.size_ && CRYPTO_memcmp(data_, other.data_, size_) == 0;
}

}  // namespace bartizan
