#include "image/oci/layout_reader.hpp"

#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/oci/blob.hpp"
#include "image/oci/image_manifest.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";

constexpr int kMaxIndexDepth = 4;  // indexes of indexes of …

std::string name_of(const Layout& layout, std::string_view file) {
  return (layout.path() / file).string();
}

Result<Bytes> read_top_file(const Layout& layout, const char* file) {
  auto text = layout.read(file, kMaxOciJsonBytes);
  if (!text.ok() && text.error().code == ErrorCode::not_found) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout: {} is missing",
                      layout.path().string(), file);
  }
  return text;
}

Result<void> check_is_folder(const fs::path& path) {
  std::error_code error;
  auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    if (error && error.value() != ENOENT)
      return errno_error(error.value(), kOrigin, fmt::format("{}: stat", path.string()));
    return make_error(ErrorCode::not_found, kOrigin, "{}: no such folder", path.string());
  }
  if (fs::is_directory(status)) return {};
  return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout: not a folder",
                    path.string());
}

Result<void> check_is_layout(const Layout& layout) {
  if (!layout.is_archive()) TRY(check_is_folder(layout.path()));
  Bytes text = TRY(read_top_file(layout, "oci-layout"));
  Json json = TRY(parse_json(as_text(text), name_of(layout, "oci-layout")));
  std::string version = TRY(json_string(json, "imageLayoutVersion", name_of(layout, "oci-layout")));
  if (version.starts_with("1.")) return {};
  return make_error(ErrorCode::unsupported, kOrigin, "{}: OCI layout version \"{}\"",
                    layout.path().string(), version.substr(0, 40));
}

bool for_other_platform(const Descriptor& descriptor) {
  return !descriptor.os.empty() && (descriptor.os != "linux" || descriptor.architecture != "amd64");
}

Result<Descriptor> choose_by_tag(const std::vector<Descriptor>& all, const std::string& reference,
                                 const fs::path& layout) {
  std::vector<Descriptor> fitting;
  for (const Descriptor& descriptor : all) {
    auto name = descriptor.annotations.find(std::string(kRefName));
    bool named = name != descriptor.annotations.end() && name->second == reference;
    if ((reference.empty() || named) && !for_other_platform(descriptor))
      fitting.push_back(descriptor);
  }
  if (fitting.empty()) {
    return make_error(ErrorCode::not_found, kOrigin,
                      "{}: no image \"{}\" for linux/amd64 in its index", layout.string(),
                      reference);
  }
  if (fitting.size() > 1 && reference.empty()) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{}: {} images in its index: a reference is needed", layout.string(),
                      fitting.size());
  }
  return fitting.front();
}

Result<Descriptor> choose_by_platform(const std::vector<Descriptor>& all, std::string_view what) {
  for (const Descriptor& descriptor : all) {
    if (!for_other_platform(descriptor)) return descriptor;
  }
  return make_error(ErrorCode::unsupported, kOrigin, "{}: no image for linux/amd64", what);
}

Result<SourceImage> read_image(const Layout& layout, const Descriptor& descriptor, int depth) {
  auto kind = media_kind(descriptor.media_type);
  std::string what = "manifest " + descriptor.digest;
  if (kind != MediaKind::index && kind != MediaKind::manifest)
    return unknown_media_type(descriptor, "manifest");
  Bytes text = TRY(read_blob(layout, descriptor, kMaxOciJsonBytes));
  if (kind == MediaKind::index) {
    if (depth == kMaxIndexDepth) {
      return make_error(ErrorCode::corrupt, kOrigin, "{}: indexes nested too deeply", what);
    }
    auto images = TRY(parse_image_index(as_text(text), what));
    return read_image(layout, TRY(choose_by_platform(images, what)), depth + 1);
  }
  ImageManifest manifest = TRY(parse_image_manifest(as_text(text), what));
  SourceImage image{descriptor, std::move(manifest.annotations), {}, std::move(manifest.layers)};
  image.config = TRY(read_blob(layout, manifest.config, kMaxOciJsonBytes));
  TRY(parse_json(as_text(image.config), "config " + manifest.config.digest));
  return image;
}

}  // namespace

Result<SourceImage> read_layout(const Layout& layout, const std::string& reference) {
  TRY(check_is_layout(layout));
  Bytes index = TRY(read_top_file(layout, "index.json"));
  auto images = TRY(parse_image_index(as_text(index), name_of(layout, "index.json")));
  return read_image(layout, TRY(choose_by_tag(images, reference, layout.path())), 0);
}

}  // namespace bartizan::image::oci
