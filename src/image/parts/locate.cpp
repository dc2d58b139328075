#include "image/parts/locate.hpp"

#include <fcntl.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "guest_abi/boot_stages.hpp"
#include "image/oci/blob.hpp"
#include "image/oci/image_name.hpp"
#include "image/oci/layout_reader.hpp"
#include "image/parts/files.hpp"
#include "image/parts/krun.hpp"
#include "image/tar/file_source.hpp"
#include "image/tar/path.hpp"
#include "image/tar/tar_reader.hpp"

namespace bartizan::image::parts {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/parts";
// a layer of ours has five; a hostile one must not keep us reading
constexpr uint64_t kMaxEntriesSearched = 10'000;

Result<Bytes> read_entry(tar::TarReader& reader, std::string_view name, size_t limit) {
  if (reader.data_left() > limit) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {} bytes, the limit is {}", name,
                      reader.data_left(), limit);
  }
  Bytes content(reader.data_left());
  for (size_t done = 0; done < content.size();)
    done += TRY(reader.read(std::span(content).subspan(done)));
  return content;
}

// Unpackers would let the last one win, or follow a link: an image with such entries means to show
// us another disk than them.
Result<void> check_only_one(const tar::TarEntry& entry, bool first, std::string_view name) {
  bool plain = entry.kind == tar::TarKind::regular && !entry.sparse;
  if (plain && first) return {};
  return make_error(plain ? ErrorCode::corrupt : ErrorCode::unsupported, kOrigin, "{}: \"{}\" {}",
                    name, entry.path.substr(0, 200),
                    plain          ? "is in it twice"
                    : entry.sparse ? "is stored as a sparse file"
                                   : "is not a regular file");
}

Result<void> search_layer(const oci::Layout::File& layer, LocatedImage& found) {
  std::string name = layer.path.string();
  tar::FileSource source(layer.fd.get(), layer.offset, layer.size, name);
  tar::TarReader reader(source, name);
  for (uint64_t i = 0; i < kMaxEntriesSearched; ++i) {
    auto entry = TRY(reader.next());
    if (!entry) return {};
    std::string place = tar::join_path(TRY(tar::split_path(entry->path, name)));
    if (place == kManifestFile) {
      TRY(check_only_one(*entry, found.manifest_bytes.empty(), name));
      found.manifest_bytes = TRY(read_entry(reader, kManifestFile, guest_abi::kMaxManifestBytes));
    }
    if (place == kStatementFile) {
      TRY(check_only_one(*entry, found.statement.empty(), name));
      found.statement =
          as_text(TRY(read_entry(reader, kStatementFile, guest_abi::kMaxStatementBytes)));
    }
    if (place != kDiskFile) continue;
    TRY(check_only_one(*entry, found.disk_path.empty(), name));
    found.disk_path = layer.path;
    found.disk_offset = layer.offset + reader.data_offset();
    found.disk_bytes = entry->size;
  }
  return make_error(ErrorCode::corrupt, kOrigin, "{}: more entries than a confidential image has",
                    name);
}

// The entry point of every image of ours, whatever a tool did to its layers.
bool has_guard(const oci::SourceImage& image) {
  auto document = parse_json(as_text(image.config), "config");
  const Json guard = {"/" + std::string(kEntrypointFile)};
  const Json* config = nullptr;
  if (document.ok() && document->is_object() && document->contains("config"))
    config = &document->at("config");
  return config != nullptr && config->is_object() && config->value("Entrypoint", Json()) == guard;
}

// The last layer alone counts: what is below cannot replace our files, and a layer above them would
// make another image of it.
Result<LocatedImage> search_layout(const oci::Layout& layout, const std::string& reference) {
  oci::SourceImage image = TRY(read_confidential(layout, reference));
  LocatedImage found;
  if (image.layers.empty()) return found;
  const oci::Descriptor& layer = image.layers.back();
  if (oci::media_kind(layer.media_type) != oci::MediaKind::layer_tar) {
    if (!has_guard(image)) return ordinary_image(layout.path());
    return make_error(ErrorCode::unsupported, kOrigin,
                      "{}: layer {} is compressed ({}): unpack the image first",
                      layout.path().string(), layer.digest, layer.media_type);
  }
  (void)TRY(oci::BlobReader::open(layout, layer, nullptr));  // has it the size of its descriptor?
  TRY(search_layer(
      TRY(layout.open_file(oci::blob_name(TRY(oci::parse_digest(layer.digest, "layer"))))), found));
  return found;
}

// Opened by its name again later, so that a link would be another file's name.
Result<void> require_regular(const fs::path& file) {
  std::error_code error;
  const auto status = fs::symlink_status(file, error);
  if (fs::is_regular_file(status)) return {};
  const bool absent = status.type() == fs::file_type::not_found;
  return make_error(absent ? ErrorCode::not_found : ErrorCode::corrupt, kOrigin, "{}: {}",
                    file.string(), absent ? "no such file" : "not a regular file of the image");
}

Result<LocatedImage> search_folder(const fs::path& root) {
  LocatedImage found;
  TRY(require_regular(root / kDiskFile));
  UniqueFd fd = TRY(open_file(root / kDiskFile, O_RDONLY | O_NONBLOCK));
  found.disk_path = root / kDiskFile;
  found.disk_bytes = TRY(file_size(fd.get(), found.disk_path));
  found.manifest_bytes = TRY(read_regular_file(root / kManifestFile, guest_abi::kMaxManifestBytes));
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(root / kStatementFile, ignored))) {
    TRY(require_regular(root / kStatementFile));
    found.statement =
        as_text(TRY(read_regular_file(root / kStatementFile, guest_abi::kMaxStatementBytes)));
  }
  return found;
}

Result<void> read_footer(LocatedImage& image) {
  UniqueFd fd = TRY(open_file(image.disk_path, O_RDONLY | O_NONBLOCK));
  Bytes tail(std::min<uint64_t>(image.disk_bytes, kMaxKrunJson + kKrunTrailerBytes));
  uint64_t at = image.disk_offset + image.disk_bytes - tail.size();
  TRY(read_exactly(fd.get(), tail, at, image.disk_path.string()));
  image.krun_json = TRY(parse_krun_footer(tail));
  return {};
}

// Images of other tools have a disk without a manifest.
Result<void> check_is_ours(const LocatedImage& image, const std::string& name) {
  if (image.disk_path.empty())
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not a confidential image: no /{}", name,
                      kDiskFile);
  if (image.manifest_bytes.empty())
    return make_error(ErrorCode::unsupported, kOrigin,
                      "{}: no /{}: an image of another tool can be inspected only", name,
                      kManifestFile);
  return {};
}

}  // namespace

Error ordinary_image(const fs::path& image) {
  return invalid(kOrigin,
                 "{}: an ordinary OCI image, not a confidential one: `bartizan build` makes a "
                 "confidential one of it",
                 image.string());
}

Result<oci::SourceImage> read_confidential(const oci::Layout& layout,
                                           const std::string& reference) {
  auto image = oci::read_layout(layout, reference);
  if (image.ok() || image.error().code != ErrorCode::invalid_argument) return image;
  const auto several = TRY(oci::read_first(layout));
  if (!has_guard(several.first)) return ordinary_image(layout.path());
  return invalid(kOrigin,
                 "{0}: {1} images in its index, and one is launched: {2}: `skopeo copy "
                 "--preserve-digests oci:{0}:TAG oci:FOLDER` takes one out, `bartizan inspect "
                 "--reference TAG` shows one",
                 layout.path().string(), several.images, several.tags);
}

Result<LocatedImage> locate_image(const fs::path& name, const std::string& reference) {
  fs::path image = oci::path_of_image(name);
  std::error_code ignored;
  // Whatever else is there: who judged the manifest in a root folder must not get another image.
  const bool unpacked = fs::exists(fs::symlink_status(image / kDiskFile, ignored)) ||
                        fs::exists(fs::symlink_status(image / kManifestFile, ignored));
  LocatedImage found = unpacked ? TRY(search_folder(image))
                                : TRY(search_layout(TRY(oci::Layout::open(image)), reference));
  if (found.disk_path.empty() && found.manifest_bytes.empty()) return ordinary_image(image);
  TRY(check_is_ours(found, image.string()));
  found.manifest = TRY(guest_abi::Manifest::parse(found.manifest_bytes));
  if (found.manifest.disk_size > found.disk_bytes) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: disk of {} bytes, but its manifest has {}",
                      image.string(), found.disk_bytes, found.manifest.disk_size);
  }
  TRY(read_footer(found));
  return found;
}

}  // namespace bartizan::image::parts
