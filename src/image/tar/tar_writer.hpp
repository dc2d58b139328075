// Headers of a plain ustar archive, as the output layer needs them: short names, root owned, time
// zero.
#pragma once

#include <string_view>

#include "base/bytes.hpp"

namespace bartizan::image::tar {

constexpr uint64_t kTarBlock = 512;  // POSIX.1-2008 pax, "ustar Interchange Format"

// One header block. `type` is '0', '5' or 'x'; sizes of 8 GiB and more are written in GNU's
// base-256.
Bytes tar_header(std::string_view name, char type, uint32_t mode, uint64_t size);

// A PAX extended header of `size` bytes in all, which holds but a comment: fills the space before a
// file whose data must begin at a round offset. Precondition: `size` is a multiple of 512, at
// least 1024 and less than 1 MiB, the limit of many readers.
Bytes tar_filler(uint64_t size);

}  // namespace bartizan::image::tar
