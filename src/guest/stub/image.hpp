// The stub's machine code, as it is loaded at boot::kStubAddress. Host side.
#pragma once

#include "base/bytes.hpp"

namespace bartizan::guest::stub {

ByteView
boot_stub();  // at most boot::kStubMaxBytes; the same bytes from every build with the same compiler

}  // namespace bartizan::guest::stub
