#include "image/builder/foreign_source.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "crypto/aes_xts.hpp"
#include "guest_abi/boot_stages.hpp"
#include "image/builder/filesystem_builder.hpp"
#include "image/layer/decompress.hpp"
#include "image/luks2/luks_info.hpp"
#include "image/luks2/unlock.hpp"
#include "image/oci/blob.hpp"
#include "image/oci/image_manifest.hpp"
#include "image/parts/files.hpp"
#include "image/tar/path.hpp"
#include "image/tar/tar_reader.hpp"

namespace bartizan::image::builder {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
// A layer of such an image has some five entries; a hostile one must not keep us reading.
constexpr uint64_t kMaxForeignEntries = 10'000;
// Beyond this somebody wants to fill a disk, as of a layer's contents.
constexpr uint64_t kMaxForeignDisk = kTiB;

struct CopiedDisk {
  UniqueFd file;
  uint64_t size = 0;
  Bytes head;  // as much as a LUKS header may take
};

// Zeros become holes: a layer can hold as many as it likes for nothing.
Result<CopiedDisk> copy_disk(tar::TarReader& reader, uint64_t size, const fs::path& folder) {
  if (size > kMaxForeignDisk)
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: {} bytes, the limit is {}",
                      parts::kDiskFile, size, kMaxForeignDisk);
  CopiedDisk disk{TRY(unnamed_file(folder)), size, Bytes(std::min(size, luks2::kMaxLuksHeadBytes))};
  const std::string name = (folder / "copy of disk.img").string();
  if (::ftruncate(disk.file.get(), static_cast<off_t>(size)) != 0)
    return errno_error(errno, kOrigin, name + ": ftruncate");
  Bytes space(kMiB);
  for (uint64_t at = 0; at < size;) {
    const ByteView part = ByteView(space).first(TRY(reader.read(space)));
    if (part.empty()) break;
    if (std::ranges::any_of(part, [](uint8_t byte) { return byte != 0; }))
      TRY(write_exactly(disk.file.get(), part, at, name));
    if (at < disk.head.size()) {
      const size_t count = std::min<uint64_t>(part.size(), disk.head.size() - at);
      std::copy_n(part.begin(), count, disk.head.begin() + static_cast<ptrdiff_t>(at));
    }
    at += part.size();
  }
  return disk;
}

// To the layer's very end, where its digest is checked.
// Without a disk in it, `found` stays as it is.
Result<void> copy_from_layer(const oci::Layout& layout, const oci::Descriptor& layer,
                             const fs::path& folder, Meter& meter, CopiedDisk& found) {
  const std::string name = "layer " + layer.digest;
  auto source = TRY(layer::decompress(compression_of(layer),
                                      TRY(oci::BlobReader::open(layout, layer, &meter)), name));
  tar::TarReader reader(*source, name);
  for (uint64_t i = 0; auto entry = TRY(reader.next()); ++i) {
    if (i == kMaxForeignEntries) break;
    const std::string place = tar::join_path(TRY(tar::split_path(entry->path, name)));
    if (place == parts::kManifestFile)
      return invalid(kOrigin,
                     "source_passphrase: the source is an image of bartizan itself; build from the "
                     "one that it was made of");
    if (place == parts::kDiskFile && entry->kind == tar::TarKind::regular)
      found = TRY(copy_disk(reader, entry->size, folder));
  }
  TRY(source->skip(UINT64_MAX));
  return {};
}

Result<CopiedDisk> find_disk(const oci::Layout& layout, const oci::SourceImage& image,
                             const fs::path& folder, const ProgressSink& progress) {
  Meter meter(progress, "source", bytes_of(image.layers));
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
    CopiedDisk found;
    TRY(copy_from_layer(layout, *layer, folder, meter, found));
    if (found.file.valid()) return found;
  }
  return invalid(kOrigin,
                 "source_passphrase: the source has no /{}: it is not an image of buildah mkcw or "
                 "oci2cw",
                 parts::kDiskFile);
}

// The decrypted bytes of the copy.
class DecryptedDisk : public ext4::DiskBytes {
 public:
  DecryptedDisk(UniqueFd file, const luks2::LuksPayload& payload, crypto::AesXts cipher,
                std::string name)
      : file_(std::move(file)),
        offset_(payload.offset),
        size_(payload.size),
        sector_(payload.sector_size),
        cipher_(std::move(cipher)),
        name_(std::move(name)) {}

  uint64_t size() const override { return size_; }

  Result<void> read(uint64_t offset, std::span<uint8_t> to) override {
    if (offset % sector_ == 0 && to.size() % sector_ == 0) return decrypt(offset, to);
    const uint64_t from = offset / sector_ * sector_;
    Bytes whole(align_up(offset + to.size(), sector_) - from);
    TRY(decrypt(from, whole));
    std::copy_n(whole.begin() + static_cast<ptrdiff_t>(offset - from), to.size(), to.begin());
    return {};
  }

 private:
  Result<void> decrypt(uint64_t offset, std::span<uint8_t> to) {
    TRY(read_exactly(file_.get(), to, offset_ + offset, name_));
    return cipher_.process(to, to, offset);
  }

  UniqueFd file_;
  uint64_t offset_, size_, sector_;
  crypto::AesXts cipher_;
  std::string name_;
};

Result<std::unique_ptr<ext4::DiskBytes>> open_disk(CopiedDisk disk, const SecretBytes& passphrase,
                                                   const std::string& name) {
  const fs::path path = fmt::format("/proc/self/fd/{}", disk.file.get());
  const luks2::LuksPayload payload =
      TRY(luks2::unlock_luks(path, disk.head, disk.size, passphrase, name));
  auto cipher = TRY(crypto::AesXts::create(payload.volume_key.bytes(), payload.sector_size,
                                           crypto::AesXts::Direction::decrypt));
  return std::unique_ptr<ext4::DiskBytes>(
      std::make_unique<DecryptedDisk>(std::move(disk.file), payload, std::move(cipher), name));
}

}  // namespace

Result<Bytes> parse_foreign_config(std::string_view text) {
  constexpr char kWhat[] = "/.krun_config.json";
  const Json json = TRY(parse_json(text, kWhat));
  if (!json.is_object())
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not a JSON object", kWhat);
  auto inner = json.find("OCIv1");
  if (inner == json.end()) return Bytes(text.begin(), text.end());
  if (!inner->is_object())
    return make_error(ErrorCode::corrupt, kOrigin, "{}: \"OCIv1\" is not an object", kWhat);
  const std::string config = inner->dump();
  return Bytes(config.begin(), config.end());
}

Result<ForeignSource> ForeignSource::open(const oci::Layout& layout, const oci::SourceImage& image,
                                          const SecretBytes& passphrase, const fs::path& folder,
                                          const ProgressSink& progress) {
  ForeignSource source;
  source.name_ = "source: /" + std::string(parts::kDiskFile);
  source.disk_ =
      TRY(open_disk(TRY(find_disk(layout, image, folder, progress)), passphrase, source.name_));
  auto reader = TRY(source.entries());
  source.used_bytes_ = reader->used_bytes();
  const std::string file(guest_abi::kProcessConfigPath.substr(1));
  auto config = TRY(reader->read_root_file(file, oci::kMaxOciJsonBytes));
  if (!config)
    return make_error(ErrorCode::corrupt, kOrigin, "{}: no /{} in it, which names the process",
                      source.name_, file);
  source.config_ = TRY(parse_foreign_config(*config));
  return source;
}

Result<std::unique_ptr<ext4::Ext4Reader>> ForeignSource::entries() const {
  return ext4::Ext4Reader::open(*disk_, name_);
}

}  // namespace bartizan::image::builder
