#include "guest/stub/image.hpp"

extern "C" const uint8_t bartizan_boot_stub_begin[], bartizan_boot_stub_end[];

namespace bartizan::guest::stub {

ByteView boot_stub() {
  return {bartizan_boot_stub_begin, bartizan_boot_stub_end};
}

}  // namespace bartizan::guest::stub
