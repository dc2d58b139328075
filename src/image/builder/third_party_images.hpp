// Images with an encrypted disk that we did not make: those of oci2cw and buildah mkcw (a disk.img
// that ends in a KRUN footer, beside krun-sev.json, in a layer that may be compressed), and disk
// images alone. To be looked at, never launched.
#pragma once

#include <optional>

#include "bartizan/image.hpp"
#include "base/bytes.hpp"

namespace bartizan::image::builder {

struct ThirdPartyDisk {
  std::string kind;  // "krun" or "disk", as in ImageInfo
  std::filesystem::path path;
  uint64_t offset = 0, size = 0;
  Bytes head, tail;       // of the disk, as much as a LUKS header and a KRUN footer may take
  std::string krun_json;  // of /krun-sev.json, if there is one
};

// Nothing if `image` has a manifest of ours. corrupt: there is no disk in it at all.
Result<std::optional<ThirdPartyDisk>> find_third_party(const std::filesystem::path& image,
                                                       const std::string& reference);

Result<ImageInfo> inspect_third_party(const ThirdPartyDisk& disk);

}  // namespace bartizan::image::builder
