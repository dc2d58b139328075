// What the program holds on the heap, for tests of floods and leaks.
#pragma once

#include <malloc.h>

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" size_t __sanitizer_get_current_allocated_bytes();  // its header is not gcc's
#endif

namespace bartizan::fakes {

// Bytes. (Resident memory would count what a sanitizer keeps of what was freed.)
inline size_t allocated() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes();
#else
  return ::mallinfo2().uordblks;
#endif
}

}  // namespace bartizan::fakes
