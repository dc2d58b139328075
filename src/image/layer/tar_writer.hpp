// Headers of a plain ustar archive, as the output layer needs them: short names, root owned, time
// zero.
#pragma once

#include <string_view>

#include "base/bytes.hpp"

namespace bartizan::image {

constexpr uint64_t kTarBlock = 512;

// One header block. `type` is '0' or '5'; sizes of 8 GiB and more are written in GNU's base-256.
Bytes tar_header(std::string_view name, char type, uint32_t mode, uint64_t size);

}  // namespace bartizan::image
