// Writes an OCI image layout with one image: a folder, or a plain tar of one (an "oci-archive"). No
// clock: the same content makes the same bytes.
//
// The large layer is written by its maker at its final place, `layer_place()`, before all else; so
// an archive needs no second copy of it: its header and name fill the space that was left before
// it.
#pragma once

#include <filesystem>
#include <set>
#include <vector>

#include "base/unique_fd.hpp"
#include "image/oci/blob.hpp"

namespace bartizan::image::oci {

class LayoutWriter {
 public:
  // Makes what a layout has in it in `folder`. already_exists if that is there.
  static Result<LayoutWriter> create(const std::filesystem::path& folder);
  // `file` is to be made by the layer's maker.
  static LayoutWriter create_archive(std::filesystem::path file);

  struct Place {
    std::filesystem::path file;
    uint64_t offset = 0;  // a multiple of 4096
  };
  Place layer_place() const;
  // What was written and hashed there becomes a blob. To be called before what follows.
  Result<Descriptor> adopt_layer(std::string_view media_type, const std::string& hex,
                                 uint64_t size);

  // A small blob from memory.
  Result<Descriptor> add_blob(std::string_view media_type, std::string_view content);
  // A blob of another layout, checked on the way; once if it comes twice.
  Result<void> copy_blob(const Layout& from, const Descriptor& descriptor, Meter& meter);

  // Configuration, manifest and index; returns the manifest's descriptor. Syncs an archive.
  Result<Descriptor> finish(const Json& config, const std::vector<Descriptor>& layers,
                            const Annotations& annotations, const std::string& reference);

 private:
  LayoutWriter(std::filesystem::path path, bool archive)
      : path_(std::move(path)), is_archive_(archive) {}
  Result<void> add_file(const std::string& name, ByteView content);
  Result<void> write_front(const std::string& name, uint64_t size);
  Result<void> copy_content(BlobReader& from, uint64_t size, int to, uint64_t offset);
  Result<void> end_archive();

  std::filesystem::path path_;
  bool is_archive_;
  UniqueFd archive_;  // open from adopt_layer() on
  uint64_t end_ = 0;  // of what is in it
  std::set<std::string> names_;
};

}  // namespace bartizan::image::oci
