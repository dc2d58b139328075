#include <fcntl.h>

#include "attest/evidence/workload_statement.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/builder/third_party_images.hpp"
#include "image/luks2/luks_info.hpp"
#include "image/parts/krun.hpp"
#include "image/parts/locate.hpp"

namespace bartizan {
using namespace image::builder;  // NOLINT: the public functions of this component
namespace {

using image::parts::LocatedImage;

// A damaged header is reported, but does not end the reading: the manifest contains all that a
// guest needs, and `verify` is what refuses.
Result<LuksInfo> luks_of(const LocatedImage& image) {
  UniqueFd disk = TRY(open_file(image.disk_path, O_RDONLY));
  Bytes head(
      std::min({image.disk_bytes, image.manifest.luks2.offset, image::luks2::kMaxLuksHeadBytes}));
  TRY(read_exactly(disk.get(), head, image.disk_offset, image.disk_path.string()));
  auto luks = image::luks2::read_luks(head, image.disk_bytes, "disk");
  if (luks.ok()) return luks;
  LuksInfo damaged;
  damaged.remark = luks.error().message;
  return damaged;
}

void fill_from_manifest(const guest_abi::Manifest& manifest, ImageInfo& info) {
  info.workload_id = manifest.workload_id;
  if (manifest.broker) {
    info.broker_url = manifest.broker->url;
    info.resource = manifest.broker->resource;
  }
  info.scratch_bytes = manifest.scratch_bytes;
  info.host_may = guest_abi::to_text(manifest.host);
  info.cipher = manifest.luks2.cipher;
  info.verity_root_hash = to_hex(manifest.verity.root_hash);
  info.filesystem = manifest.filesystem;
  info.header_bytes = manifest.luks2.offset;
  info.filesystem_bytes = manifest.luks2.size;
  info.tree_bytes = manifest.disk_size - manifest.verity.data_blocks * manifest.verity.block_size;
}

}  // namespace

Result<ImageInfo> inspect_image(const std::filesystem::path& image, const std::string& reference) {
  if (auto third_party = TRY(image::builder::find_third_party(image, reference)))
    return image::builder::inspect_third_party(*third_party);
  auto located = TRY(image::parts::locate_image(image, reference));
  auto krun = TRY(image::parts::parse_krun_json(located.krun_json));
  ImageInfo info;
  auto digest = guest_abi::workload_digest(located.manifest_bytes);
  info.workload_digest.assign(digest.begin(), digest.end());
  info.disk_path = located.disk_path;
  info.disk_offset = located.disk_offset;
  info.disk_bytes = located.disk_bytes;
  fill_from_manifest(located.manifest, info);
  info.luks = TRY(luks_of(located));
  info.krun_config = located.krun_json;
  info.vcpus = krun.vcpus;
  info.ram_mib = krun.ram_mib;
  if (!located.statement.empty())
    info.version = TRY(attest::evidence::unverified_statement(located.statement)).version;
  info.statement = std::move(located.statement);
  info.manifest = std::move(located.manifest_bytes);
  return info;
}

}  // namespace bartizan
