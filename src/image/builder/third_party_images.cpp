#include "image/builder/third_party_images.hpp"

#include <fcntl.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "image/builder/filesystem_builder.hpp"
#include "image/layer/decompress.hpp"
#include "image/luks2/luks_info.hpp"
#include "image/oci/blob.hpp"
#include "image/oci/image_name.hpp"
#include "image/oci/layout_reader.hpp"
#include "image/parts/files.hpp"
#include "image/parts/krun.hpp"
#include "image/parts/locate.hpp"
#include "image/tar/file_source.hpp"
#include "image/tar/path.hpp"
#include "image/tar/tar_reader.hpp"

namespace bartizan::image::builder {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
constexpr uint64_t kTailBytes = parts::kMaxKrunJson + parts::kKrunTrailerBytes;
// A layer of such an image has some five entries; a hostile one must not keep us reading.
constexpr uint64_t kMaxEntries = 10'000;

struct Search {
  std::optional<ThirdPartyDisk> disk;
  std::string krun_json;
  bool ours = false;
};

// The disk as it streams by: its first bytes and its last ones.
Result<ThirdPartyDisk> capture(tar::TarReader& reader, const tar::TarEntry& entry,
                               const fs::path& layer) {
  ThirdPartyDisk disk{"krun", layer, 0, entry.size, {}, {}, {}};
  disk.head.resize(std::min(entry.size, luks2::kMaxLuksHeadBytes));
  Bytes chunk(kMiB);
  uint64_t at = 0;
  while (size_t got = TRY(reader.read(chunk))) {
    ByteView part = ByteView(chunk).first(got);
    if (at < disk.head.size()) {
      size_t count = std::min<uint64_t>(got, disk.head.size() - at);
      std::copy_n(part.begin(), count, disk.head.begin() + static_cast<ptrdiff_t>(at));
    }
    disk.tail.insert(disk.tail.end(), part.begin(), part.end());
    if (disk.tail.size() > 2 * kTailBytes)
      disk.tail.erase(disk.tail.begin(), disk.tail.end() - static_cast<ptrdiff_t>(kTailBytes));
    at += got;
  }
  return disk;
}

Result<std::string> read_small(tar::TarReader& reader, const tar::TarEntry& entry) {
  if (entry.size > parts::kMaxKrunJson)
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {} bytes, the limit is {}",
                      parts::kKrunFile, entry.size, parts::kMaxKrunJson);
  std::string text(entry.size, '\0');
  auto bytes = std::span(reinterpret_cast<uint8_t*>(text.data()), text.size());
  while (!bytes.empty()) bytes = bytes.subspan(TRY(reader.read(bytes)));
  return text;
}

Result<void> search_tar(tar::ByteSource& source, const fs::path& layer, Search& found) {
  std::string name = layer.string();
  tar::TarReader reader(source, name);
  for (uint64_t i = 0; i < kMaxEntries; ++i) {
    auto entry = TRY(reader.next());
    if (!entry) return {};
    if (entry->kind != tar::TarKind::regular) continue;
    std::string place = tar::join_path(TRY(tar::split_path(entry->path, name)));
    found.ours |= place == parts::kManifestFile;
    if (found.ours) return {};
    if (place == parts::kKrunFile) found.krun_json = TRY(read_small(reader, *entry));
    if (place != parts::kDiskFile) continue;
    uint64_t offset = reader.data_offset();
    found.disk = TRY(capture(reader, *entry, layer));
    found.disk->offset = offset;
  }
  return {};  // more entries than such an image has
}

// A look at the headers of the last layer, where our images have their manifest: behind the disk,
// which is too much to read for this.
Result<bool> is_ours(const oci::Layout& layout, const oci::Descriptor& layer) {
  if (oci::media_kind(layer.media_type) != oci::MediaKind::layer_tar) return false;
  auto file = TRY(layout.open_file(oci::blob_name(TRY(oci::parse_digest(layer.digest, "layer")))));
  std::string name = file.path.string();
  tar::FileSource source(file.fd.get(), file.offset, file.size, name);
  tar::TarReader reader(source, name);
  for (uint64_t i = 0; i < kMaxEntries; ++i) {
    auto entry = TRY(reader.next());
    if (!entry) return false;
    if (tar::join_path(TRY(tar::split_path(entry->path, name))) == parts::kManifestFile)
      return true;
  }
  return false;
}

Result<Search> search_layout(const oci::Layout& layout, const std::string& reference) {
  oci::SourceImage image = TRY(parts::read_confidential(layout, reference));
  Search found;
  if (!image.layers.empty()) found.ours = TRY(is_ours(layout, image.layers.back()));
  if (found.ours) return found;
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
    auto compression = compression_of(*layer);
    std::unique_ptr<tar::ByteSource> blob = TRY(oci::BlobReader::open(layout, *layer, nullptr));
    std::unique_ptr<tar::ByteSource> source =
        TRY(layer::decompress(compression, std::move(blob), "layer " + layer->digest));
    auto file =
        TRY(layout.open_file(oci::blob_name(TRY(oci::parse_digest(layer->digest, "layer")))));
    TRY(search_tar(*source, file.path, found));
    if (found.disk)
      found.disk->offset =
          compression == layer::Compression::none ? found.disk->offset + file.offset : 0;
    if (found.ours || found.disk) break;
  }
  return found;
}

Result<ThirdPartyDisk> open_disk(const fs::path& path, std::string kind) {
  ThirdPartyDisk disk{std::move(kind), path, 0, 0, {}, {}, {}};
  UniqueFd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  disk.size = TRY(file_size(fd.get(), path));
  disk.head.resize(std::min(disk.size, luks2::kMaxLuksHeadBytes));
  disk.tail.resize(std::min(disk.size, kTailBytes));
  TRY(read_exactly(fd.get(), disk.head, 0, path.string()));
  TRY(read_exactly(fd.get(), disk.tail, disk.size - disk.tail.size(), path.string()));
  return disk;
}

Result<Search> search_folder(const fs::path& root) {
  Search found;
  std::error_code ignored;
  found.ours = fs::exists(fs::symlink_status(root / parts::kManifestFile, ignored));
  if (found.ours) return found;
  found.disk = TRY(open_disk(root / parts::kDiskFile, "krun"));
  auto krun = read_file(root / parts::kKrunFile, parts::kMaxKrunJson);
  if (krun.ok()) found.krun_json = std::string(as_text(*krun));
  return found;
}

// The footer is what such a guest believes; the file beside it what its VMM reads.
Result<std::string> krun_of(const ThirdPartyDisk& disk) {
  auto footer = parts::parse_krun_footer(disk.tail);
  if (footer.ok()) return footer;
  if (!disk.krun_json.empty() || disk.kind == "disk") return disk.krun_json;
  return footer;
}

}  // namespace

Result<std::optional<ThirdPartyDisk>> find_third_party(const fs::path& name,
                                                       const std::string& reference) {
  fs::path image = oci::path_of_image(name);
  std::error_code ignored;
  if (fs::is_regular_file(image, ignored)) {
    ThirdPartyDisk disk = TRY(open_disk(image, "disk"));
    if (!oci::looks_like_archive(disk.head)) return std::optional<ThirdPartyDisk>(std::move(disk));
  }
  bool unpacked =
      !fs::exists(image / "oci-layout", ignored) && fs::exists(image / parts::kDiskFile, ignored);
  Search found = unpacked ? TRY(search_folder(image))
                          : TRY(search_layout(TRY(oci::Layout::open(image)), reference));
  if (found.ours) return std::optional<ThirdPartyDisk>();
  if (!found.disk) return parts::ordinary_image(image);
  found.disk->krun_json = std::move(found.krun_json);
  return std::move(found.disk);
}

Result<ImageInfo> inspect_third_party(const ThirdPartyDisk& disk) {
  ImageInfo info;
  info.kind = disk.kind;
  info.disk_path = disk.path;
  info.disk_offset = disk.offset;
  info.disk_bytes = disk.size;
  info.luks = TRY(luks2::read_luks(disk.head, disk.size, disk.path.string()));
  info.cipher = info.luks->cipher;
  info.header_bytes = std::min(info.luks->data_offset, disk.size);
  info.filesystem_bytes = disk.size - info.header_bytes;
  info.krun_config = TRY(krun_of(disk));
  if (info.krun_config.empty()) return info;
  auto krun = TRY(parts::parse_krun_json(info.krun_config));
  info.workload_id = krun.workload_id;
  info.broker_url = krun.attestation_url;
  info.vcpus = krun.vcpus;
  info.ram_mib = krun.ram_mib;
  // What the file system cannot reach: from the JSON's first byte on.
  uint64_t footer =
      std::min(info.krun_config.size() + parts::kKrunTrailerBytes, info.filesystem_bytes);
  if (parts::parse_krun_footer(disk.tail).ok()) info.filesystem_bytes -= footer;
  return info;
}

}  // namespace bartizan::image::builder
