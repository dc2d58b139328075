#include "image/builder/locate.hpp"

#include <fcntl.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/builder/krun.hpp"
#include "image/builder/output_image.hpp"
#include "image/layer/path.hpp"
#include "image/layer/tar_reader.hpp"
#include "image/oci/blob.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
constexpr uint64_t kMaxEntriesSearched =
    10'000;  // a layer of ours has five; a hostile one shall not keep us reading

// A file from its beginning; passes over by seeking.
class FileSource : public ByteSource {
 public:
  FileSource(int fd, uint64_t size, std::string name)
      : fd_(fd), size_(size), name_(std::move(name)) {}
  Result<size_t> read(std::span<uint8_t> to) override {
    size_t count = std::min<uint64_t>(to.size(), size_ - at_);
    TRY(read_exactly(fd_, to.first(count), at_, name_));
    at_ += count;
    return count;
  }
  Result<uint64_t> skip(uint64_t count) override {
    uint64_t part = std::min(count, size_ - at_);
    at_ += part;
    return part;
  }

 private:
  int fd_;
  uint64_t size_, at_ = 0;
  std::string name_;
};

Result<Bytes> read_entry(TarReader& reader) {
  if (reader.data_left() > kMaxManifestBytes) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {} bytes, the limit is {}", kManifestFile,
                      reader.data_left(), kMaxManifestBytes);
  }
  Bytes content(reader.data_left());
  for (size_t done = 0; done < content.size();)
    done += TRY(reader.read(std::span(content).subspan(done)));
  return content;
}

Result<void> search_layer(const fs::path& path, LocatedImage& found) {
  UniqueFd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  std::string name = path.string();
  FileSource source(fd.get(), TRY(file_size(fd.get(), path)), name);
  TarReader reader(source, name);
  for (uint64_t i = 0; i < kMaxEntriesSearched; ++i) {
    auto entry = TRY(reader.next());
    if (!entry) return {};
    if (entry->kind != TarKind::regular) continue;
    if (entry->sparse) {
      return make_error(ErrorCode::unsupported, kOrigin, "{}: \"{}\" is stored as a sparse file",
                        name, entry->path.substr(0, 200));
    }
    std::string place = join_path(TRY(split_path(entry->path, name)));
    if (place == kManifestFile) found.manifest_bytes = TRY(read_entry(reader));
    if (place != kDiskFile) continue;
    found.disk_path = path;
    found.disk_offset = reader.data_offset();
    found.disk_bytes = entry->size;
  }
  return make_error(ErrorCode::corrupt, kOrigin, "{}: more entries than a confidential image has",
                    name);
}

Result<LocatedImage> search_layout(const fs::path& layout, const std::string& reference) {
  SourceImage image = TRY(read_layout(layout, reference));
  LocatedImage found;
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend() && found.disk_path.empty();
       ++layer) {
    if (media_kind(layer->media_type) != MediaKind::layer_tar) {
      return make_error(ErrorCode::unsupported, kOrigin,
                        "{}: layer {} is compressed ({}): unpack the image first", layout.string(),
                        layer->digest, layer->media_type);
    }
    (void)TRY(BlobReader::open(layout, *layer, nullptr));  // is it as long as it says?
    TRY(search_layer(blob_path(layout, TRY(parse_digest(layer->digest, "layer"))), found));
  }
  return found;
}

Result<LocatedImage> search_folder(const fs::path& root) {
  LocatedImage found;
  UniqueFd fd = TRY(open_file(root / kDiskFile, O_RDONLY | O_NONBLOCK));
  found.disk_path = root / kDiskFile;
  found.disk_bytes = TRY(file_size(fd.get(), found.disk_path));
  found.manifest_bytes = TRY(read_file(root / kManifestFile, kMaxManifestBytes));
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

}  // namespace

Result<LocatedImage> locate_image(const fs::path& image, const std::string& reference) {
  std::error_code ignored;
  bool unpacked =
      !fs::exists(image / "oci-layout", ignored) && fs::exists(image / kDiskFile, ignored);
  LocatedImage found = unpacked ? TRY(search_folder(image)) : TRY(search_layout(image, reference));
  if (found.disk_path.empty() || found.manifest_bytes.empty()) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not a confidential image: no /{}",
                      image.string(), found.disk_path.empty() ? kDiskFile : kManifestFile);
  }
  found.manifest = TRY(Manifest::parse(found.manifest_bytes));
  if (found.manifest.disk_size > found.disk_bytes) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: disk of {} bytes, but its manifest says {}",
                      image.string(), found.disk_bytes, found.manifest.disk_size);
  }
  TRY(read_footer(found));
  return found;
}

}  // namespace bartizan::image
