// Decompressors as byte sources: gzip (RFC 1952, several members) and zstd (RFC 8878, several
// frames). Truncated or damaged input is corrupt; output out of all proportion to the input is
// resource_exhausted.
#pragma once

#include <memory>
#include <string>

#include "image/tar/byte_source.hpp"

namespace bartizan::image::layer {

enum class Compression { none, gzip, zstd };

// `what` names the input in errors. The result owns `source`; with `none` it is `source` itself.
Result<std::unique_ptr<tar::ByteSource>> decompress(Compression compression,
                                                    std::unique_ptr<tar::ByteSource> source,
                                                    std::string what);

}  // namespace bartizan::image::layer
