#include "base/errors.hpp"
#include "image/builder/krun.hpp"
#include "image/builder/locate.hpp"

namespace bartizan {

Result<ImageInfo> inspect_image(const std::filesystem::path& image, const std::string& reference) {
  auto located = TRY(image::locate_image(image, reference));
  auto krun = TRY(image::parse_krun_json(located.krun_json));
  const Manifest& manifest = located.manifest;
  ImageInfo info;
  auto digest = workload_digest(located.manifest_bytes);
  info.workload_digest.assign(digest.begin(), digest.end());
  info.manifest = std::move(located.manifest_bytes);
  info.disk_path = located.disk_path;
  info.disk_offset = located.disk_offset;
  info.disk_bytes = located.disk_bytes;
  info.workload_id = manifest.workload_id;
  if (manifest.broker) {
    info.broker_url = manifest.broker->url;
    info.resource = manifest.broker->resource;
  }
  info.scratch_bytes = manifest.scratch_bytes;
  info.cipher = manifest.luks2.cipher;
  info.verity_root_hash = to_hex(manifest.verity.root_hash);
  info.filesystem = manifest.filesystem;
  info.krun_config = located.krun_json;
  info.vcpus = krun.vcpus;
  info.ram_mib = krun.ram_mib;
  info.header_bytes = manifest.luks2.offset;
  info.filesystem_bytes = manifest.luks2.size;
  info.tree_bytes = manifest.disk_size - manifest.verity.data_blocks * manifest.verity.block_size;
  return info;
}

}  // namespace bartizan
