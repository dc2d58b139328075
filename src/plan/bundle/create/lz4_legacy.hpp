// LZ4's legacy frame, the one that the kernel's initramfs reader takes: magic 0x184c2102, then
// {size, block} for every 8 MiB of input.
#pragma once

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::plan::bundle::create {

Result<Bytes> lz4_legacy(ByteView input);

}  // namespace bartizan::plan::bundle::create
