// A confidential image that buildah mkcw or oci2cw made, as the source of a build: /disk.img of one
// of its layers (LUKS, ext4), opened by its passphrase. The encrypted disk is copied, checked
// against the layer's digest, into a file without a name, as layers may be compressed and are read
// in order; what is decrypted stays in memory.
#pragma once

#include <filesystem>

#include "bartizan/image.hpp"
#include "image/ext4/ext4_reader.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image::builder {

class ForeignSource {
 public:
  // `folder`: for that file. Errors: verification_failed, reason "source_passphrase" (it opens
  // nothing); invalid_argument (no such image); unsupported, corrupt, resource_exhausted.
  static Result<ForeignSource> open(const oci::Layout& layout, const oci::SourceImage& image,
                                    const SecretBytes& passphrase,
                                    const std::filesystem::path& folder,
                                    const ProgressSink& progress);

  // The workload's configuration, as OCI images have it, from the disk's /.krun_config.json.
  const Bytes& config() const { return config_; }
  Result<std::unique_ptr<ext4::Ext4Reader>> entries() const;
  uint64_t used_bytes() const { return used_bytes_; }

 private:
  ForeignSource() = default;
  std::unique_ptr<ext4::DiskBytes> disk_;
  std::string name_;
  Bytes config_;
  uint64_t used_bytes_ = 0;
};

// What `/.krun_config.json` says, as the configuration of an OCI image: buildah mkcw writes that
// itself, oci2cw the output of `buildah inspect`, in which it is the member "OCIv1". corrupt. Pure.
Result<Bytes> parse_foreign_config(std::string_view text);

}  // namespace bartizan::image::builder
