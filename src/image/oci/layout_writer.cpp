#include "image/oci/layout_writer.hpp"

#include <fcntl.h>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "image/tar/tar_writer.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";
// In an archive: keeps the blocks of the disk aligned.
constexpr uint64_t kLayerOffset = kBlockSize;
constexpr size_t kCopyBytes = 256 * kKiB;
constexpr size_t kMaxTarName = 99;
constexpr std::string_view kLayoutVersion = R"({"imageLayoutVersion":"1.0.0"})";

Json to_json(const Descriptor& descriptor) {
  Json json = {{"mediaType", descriptor.media_type},
               {"digest", descriptor.digest},
               {"size", descriptor.size}};
  if (!descriptor.annotations.empty()) json["annotations"] = descriptor.annotations;
  if (!descriptor.os.empty())
    json["platform"] = {{"os", descriptor.os}, {"architecture", descriptor.architecture}};
  return json;
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::create_directory(folder, error)) return {};
  if (!error) return make_error(ErrorCode::already_exists, kOrigin, "{}: exists", folder.string());
  return errno_error(error.value(), kOrigin, fmt::format("{}: mkdir", folder.string()));
}

Descriptor described(std::string_view media_type, const std::string& hex, uint64_t size) {
  return {.media_type = std::string(media_type), .digest = "sha256:" + hex, .size = size};
}

std::string sha256_name(const std::string& hex) {
  return "blobs/sha256/" + hex;
}

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

Result<LayoutWriter> LayoutWriter::create(const fs::path& folder) {
  TRY(make_folder(folder / "blobs"));
  TRY(make_folder(folder / "blobs" / "sha256"));
  TRY(write_file(folder / "oci-layout", as_bytes(kLayoutVersion)));
  return LayoutWriter(folder, false);
}

LayoutWriter LayoutWriter::create_archive(fs::path file) {
  return LayoutWriter(std::move(file), true);
}

LayoutWriter::Place LayoutWriter::layer_place() const {
  return is_archive_ ? Place{path_, kLayerOffset} : Place{path_ / "layer.tar", 0};
}

Result<Descriptor> LayoutWriter::adopt_layer(std::string_view media_type, const std::string& hex,
                                             uint64_t size) {
  names_.insert(sha256_name(hex));
  if (is_archive_) {
    archive_ = TRY(open_file(path_, O_RDWR));
    TRY(write_front(sha256_name(hex), size));
    end_ = align_up(kLayerOffset + size, tar::kTarBlock);
  } else {
    fs::path place = path_ / sha256_name(hex);
    if (::rename(layer_place().file.c_str(), place.c_str()) != 0)
      return errno_error(errno, kOrigin, fmt::format("rename to {}", place.string()));
  }
  return described(media_type, hex, size);
}

// Folders, a comment for the space that is left, and the layer's header.
Result<void> LayoutWriter::write_front(const std::string& name, uint64_t size) {
  Bytes front = tar::tar_header("blobs/", '5', 0755, 0);
  append(front, tar::tar_header("blobs/sha256/", '5', 0755, 0));
  append(front, tar::tar_filler(kLayerOffset - tar::kTarBlock - front.size()));
  append(front, tar::tar_header(name, '0', 0644, size));
  return write_exactly(archive_.get(), front, 0, path_.string());
}

Result<void> LayoutWriter::add_file(const std::string& name, ByteView content) {
  if (!is_archive_) return write_file(path_ / name, content);
  Bytes bytes = tar::tar_header(name, '0', 0644, content.size());
  append(bytes, content);
  bytes.resize(align_up(bytes.size(), tar::kTarBlock));
  TRY(write_exactly(archive_.get(), bytes, end_, path_.string()));
  end_ += bytes.size();
  return {};
}

Result<Descriptor> LayoutWriter::add_blob(std::string_view media_type, std::string_view content) {
  std::string hex = to_hex(crypto::sha256(as_bytes(content)));
  if (names_.insert(sha256_name(hex)).second) TRY(add_file(sha256_name(hex), as_bytes(content)));
  return described(media_type, hex, content.size());
}

Result<void> LayoutWriter::copy_blob(const Layout& from, const Descriptor& descriptor,
                                     Meter& meter) {
  std::string name = blob_name(TRY(parse_digest(descriptor.digest, "layer")));
  if (!names_.insert(name).second) return {};
  auto blob = TRY(BlobReader::open(from, descriptor, &meter));
  if (is_archive_) {
    if (name.size() > kMaxTarName) {
      return make_error(ErrorCode::unsupported, kOrigin,
                        "layer {}: a sha512 digest does not fit into an archive",
                        descriptor.digest);
    }
    TRY(write_exactly(archive_.get(), tar::tar_header(name, '0', 0644, descriptor.size), end_,
                      name));
    TRY(copy_content(*blob, descriptor.size, archive_.get(), end_ + tar::kTarBlock));
    end_ = align_up(end_ + tar::kTarBlock + descriptor.size, tar::kTarBlock);
    return {};
  }
  std::error_code failed;
  fs::create_directories((path_ / name).parent_path(), failed);
  if (failed) return errno_error(failed.value(), kOrigin, fmt::format("{}: mkdir", name));
  UniqueFd file = TRY(open_file(path_ / name, O_WRONLY | O_CREAT | O_EXCL, 0644));
  return copy_content(*blob, descriptor.size, file.get(), 0);
}

Result<void> LayoutWriter::copy_content(BlobReader& from, uint64_t size, int to, uint64_t offset) {
  Bytes buffer(kCopyBytes);
  for (uint64_t done = 0; done < size;) {
    size_t got = TRY(from.read(buffer));
    TRY(write_exactly(to, ByteView(buffer).first(got), offset + done, path_.string()));
    done += got;
  }
  TRY(from.read(std::span(buffer).first(1)));  // the end: where the digest is checked
  return {};
}

Result<Descriptor> LayoutWriter::finish(const Json& config, const std::vector<Descriptor>& layers,
                                        const Annotations& annotations,
                                        const std::string& reference) {
  auto config_blob = TRY(add_blob(kConfigType, TRY(canonical_json(config))));
  Json manifest = {{"schemaVersion", 2},
                   {"mediaType", kManifestType},
                   {"config", to_json(config_blob)},
                   {"layers", Json::array()}};
  for (const Descriptor& layer : layers) manifest["layers"].push_back(to_json(layer));
  if (!annotations.empty()) manifest["annotations"] = annotations;
  auto manifest_blob = TRY(add_blob(kManifestType, TRY(canonical_json(manifest))));
  Descriptor listed = manifest_blob;
  listed.annotations[std::string(kRefName)] = reference;
  listed.os = "linux";
  listed.architecture = "amd64";
  Json index = {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", {to_json(listed)}}};
  TRY(add_file("index.json", as_bytes(TRY(canonical_json(index)))));
  if (is_archive_) TRY(end_archive());
  return manifest_blob;
}

Result<void> LayoutWriter::end_archive() {
  TRY(add_file("oci-layout", as_bytes(kLayoutVersion)));
  TRY(write_exactly(archive_.get(), Bytes(2 * tar::kTarBlock), end_, path_.string()));
  if (::fsync(archive_.get()) != 0)
    return errno_error(errno, kOrigin, fmt::format("sync {}", path_.string()));
  return {};
}

}  // namespace bartizan::image::oci
