// What compilers call unasked. Bytes are read once, in ascending order: a copy from the staging
// window is a copy.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* to, const void* from, size_t size) {
  void* at = to;
  size_t words = size / 8, rest = size % 8;
  asm volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
  asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(rest) : : "memory");
  return to;
}

void* memset(void* to, int value, size_t size) {
  void* at = to;
  asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return to;
}

int memcmp(const void* one, const void* other, size_t size) {
  auto a = static_cast<const uint8_t*>(one), b = static_cast<const uint8_t*>(other);
  for (size_t i = 0; i < size; i++) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}
}
