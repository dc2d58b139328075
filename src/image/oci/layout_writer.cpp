#include "image/oci/layout_writer.hpp"

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::image {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";

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

}  // namespace

Result<LayoutWriter> LayoutWriter::create(const fs::path& folder) {
  TRY(make_folder(folder / "blobs"));
  TRY(make_folder(folder / "blobs" / "sha256"));
  TRY(write_file(folder / "oci-layout", as_bytes(R"({"imageLayoutVersion":"1.0.0"})")));
  return LayoutWriter(folder);
}

Result<Descriptor> LayoutWriter::add_blob(std::string_view media_type, std::string_view content) {
  std::string hex = to_hex(crypto::sha256(as_bytes(content)));
  TRY(write_file(folder_ / "blobs" / "sha256" / hex, as_bytes(content)));
  return Descriptor{
      .media_type = std::string(media_type), .digest = "sha256:" + hex, .size = content.size()};
}

Result<Descriptor> LayoutWriter::adopt_blob(std::string_view media_type, const fs::path& file,
                                            const std::string& hex, uint64_t size) {
  fs::path place = folder_ / "blobs" / "sha256" / hex;
  if (::rename(file.c_str(), place.c_str()) != 0) {
    return errno_error(errno, kOrigin, fmt::format("rename to {}", place.string()));
  }
  return Descriptor{.media_type = std::string(media_type), .digest = "sha256:" + hex, .size = size};
}

Result<Descriptor> LayoutWriter::finish(const Descriptor& layer, const Annotations& annotations,
                                        const std::string& reference) {
  Json config = {{"architecture", "amd64"},
                 {"os", "linux"},
                 {"config", {{"Entrypoint", {"/entrypoint"}}}},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", {layer.digest}}}},
                 {"history", {{{"created_by", "bartizan build"}}}}};
  auto config_blob = TRY(add_blob(kConfigType, TRY(canonical_json(config))));
  Json manifest = {{"schemaVersion", 2},
                   {"mediaType", kManifestType},
                   {"config", to_json(config_blob)},
                   {"layers", {to_json(layer)}}};
  if (!annotations.empty()) manifest["annotations"] = annotations;
  auto manifest_blob = TRY(add_blob(kManifestType, TRY(canonical_json(manifest))));
  Descriptor listed = manifest_blob;
  listed.annotations[std::string(kRefName)] = reference;
  listed.os = "linux";
  listed.architecture = "amd64";
  Json index = {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", {to_json(listed)}}};
  TRY(write_file(folder_ / "index.json", as_bytes(TRY(canonical_json(index)))));
  return manifest_blob;
}

}  // namespace bartizan::image
