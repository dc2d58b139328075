#include "image/oci/layout_reader.hpp"

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/hash.hpp"
#include "image/oci/blob.hpp"
#include "image/oci/image_manifest.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";

constexpr size_t kMaxListed = 200;  // bytes of tags, in an error
constexpr int kMaxIndexDepth = 4;   // indexes of indexes of …

std::string name_of(const Layout& layout, std::string_view file) {
  return (layout.path() / file).string();
}

// What a folder that is no layout looks like, and how an image is made of it.
std::string_view look_of(const fs::path& folder) {
  std::error_code ignored;
  const auto has = [&](const char* name) { return fs::exists(folder / name, ignored); };
  if (has("Dockerfile") || has("Containerfile"))
    return "; it looks like a build context: `podman build -t NAME FOLDER` makes an image of it, "
           "containers-storage:NAME";
  if (has("etc") && (has("bin") || has("usr")))
    return "; it looks like a root file system: `umoci` or `podman import` makes an image of it";
  return "";
}

Result<Bytes> read_top_file(const Layout& layout, const char* file) {
  auto text = layout.read(file, kMaxOciJsonBytes);
  if (!text.ok() && text.error().code == ErrorCode::not_found) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout: {} is missing{}",
                      layout.path().string(), file, look_of(layout.path()));
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

std::string tag_of(const Descriptor& descriptor) {
  auto name = descriptor.annotations.find(std::string(kRefName));
  return name != descriptor.annotations.end() ? name->second : "";
}

std::string list_tags(const std::vector<Descriptor>& all) {
  std::string tags;
  for (const Descriptor& descriptor : all) {
    const std::string tag = tag_of(descriptor);
    if (!tag.empty() && tags.size() < kMaxListed) tags += (tags.empty() ? "" : ", ") + tag;
  }
  return tags;
}

Result<Descriptor> choose_by_tag(const std::vector<Descriptor>& all, const std::string& reference,
                                 const fs::path& layout) {
  std::vector<Descriptor> fitting;
  const std::string tags = list_tags(all);
  size_t others = 0;
  for (const Descriptor& descriptor : all) {
    if (!reference.empty() && tag_of(descriptor) != reference) continue;
    if (for_other_platform(descriptor))
      ++others;
    else
      fitting.push_back(descriptor);
  }
  if (fitting.empty() && others > 0) {
    return make_error(ErrorCode::not_found, kOrigin,
                      "{}: no image for linux/amd64 in its index: {}", layout.string(),
                      kOtherPlatformAdvice);
  }
  if (fitting.empty()) {
    return make_error(ErrorCode::not_found, kOrigin,
                      "{}: no image \"{}\" in its index, which has: {}", layout.string(), reference,
                      tags.empty() ? "none with a name" : tags);
  }
  if (fitting.size() > 1 && reference.empty()) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{}: {} images in its index: `reference` must choose one of: {}",
                      layout.string(), fitting.size(), tags);
  }
  return fitting.front();
}

Result<Descriptor> choose_by_platform(const std::vector<Descriptor>& all, std::string_view what) {
  for (const Descriptor& descriptor : all) {
    if (!for_other_platform(descriptor)) return descriptor;
  }
  return make_error(ErrorCode::unsupported, kOrigin, "{}: no image for linux/amd64: {}", what,
                    kOtherPlatformAdvice);
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

Result<std::vector<Descriptor>> read_index(const Layout& layout) {
  TRY(check_is_layout(layout));
  Bytes index = TRY(read_top_file(layout, "index.json"));
  return parse_image_index(as_text(index), name_of(layout, "index.json"));
}

}  // namespace

Result<FirstOfSeveral> read_first(const Layout& layout) {
  const auto images = TRY(read_index(layout));
  if (images.empty())
    return make_error(ErrorCode::not_found, kOrigin, "{}: no image in its index",
                      layout.path().string());
  return FirstOfSeveral{images.size(), list_tags(images),
                        TRY(read_image(layout, images.front(), 0))};
}

Result<SourceImage> read_layout(const Layout& layout, const std::string& reference) {
  const auto images = TRY(read_index(layout));
  return read_image(layout, TRY(choose_by_tag(images, reference, layout.path())), 0);
}

std::string SourceImage::content_digest() const {
  if (added.empty()) return manifest.digest;
  crypto::Hasher hasher(crypto::HashKind::sha256);
  hasher.update(as_bytes(manifest.digest));
  for (const AddedFile& file : added) {
    const std::string head = fmt::format("\n{} {:o} {}\n", json_quoted(tar::join_path(file.path)),
                                         file.mode, file.content.size());
    hasher.update(as_bytes(head));
    hasher.update(file.content);
  }
  return "sha256:" + to_hex(hasher.finish());
}

}  // namespace bartizan::image::oci
