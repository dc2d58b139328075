// Where the parts of a confidential image are: inside the last layer, a plain tar, of an OCI layout
// (a folder or an archive), or as files of an unpacked root folder. Nothing is extracted.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "guest_abi/manifest.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image::parts {

struct LocatedImage {
  std::filesystem::path disk_path;
  uint64_t disk_offset = 0, disk_bytes = 0;
  Bytes manifest_bytes;
  guest_abi::Manifest manifest;
  std::string krun_json;  // of the footer
  std::string statement;  // of the owner about its version, unverified; empty: none
};

// invalid_argument: what was asked for is an ordinary image, and how to make a confidential one.
Error ordinary_image(const std::filesystem::path& image);

// As oci::read_layout, of a confidential image. Several images and no reference: invalid_argument
// that names the next step, which is another one for ordinary images.
Result<oci::SourceImage> read_confidential(const oci::Layout& layout, const std::string& reference);

// `name` as a caller gives it: a path, "oci-archive:FILE" or "oci:FOLDER".
Result<LocatedImage> locate_image(const std::filesystem::path& name, const std::string& reference);

}  // namespace bartizan::image::parts
