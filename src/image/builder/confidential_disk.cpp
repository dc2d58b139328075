#include "image/builder/confidential_disk.hpp"

#include <fcntl.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/filesystem/erofs_writer.hpp"
#include "image/layer/apply.hpp"
#include "image/layer/decompress.hpp"
#include "image/luks2/header.hpp"
#include "image/luks2/segment_writer.hpp"
#include "image/oci/blob.hpp"
#include "image/verity/format.hpp"
#include "image/verity/tree.hpp"
#include "manifest/stations.hpp"

namespace bartizan::image {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
constexpr size_t kPassphraseRandomBytes = 32;  // 256 bits, written as 64 hex digits
constexpr size_t kVeritySaltBytes = 32;
constexpr uint32_t kConfigMode = 0600;

using Uuid = std::array<uint8_t, 16>;

// RFC 4122 §4.4: version 4, variant 1.
Uuid make_uuid(ByteView source) {
  Uuid uuid;
  std::copy_n(source.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

Result<std::string> random_uuid_text() {
  Uuid source;
  TRY(crypto::random_bytes(source));
  std::string hex = to_hex(make_uuid(source));
  for (size_t dash : {20, 16, 12, 8}) hex.insert(dash, "-");
  return hex;
}

Compression compression_of(const Descriptor& layer) {
  auto kind = media_kind(layer.media_type);
  if (kind == MediaKind::layer_gzip) return Compression::gzip;
  return kind == MediaKind::layer_zstd ? Compression::zstd : Compression::none;
}

// Layers into the encrypted segment. Returns the file system's size.
class SegmentBuilder {
 public:
  SegmentBuilder(int fd, const std::string& name, const SecretBytes& key)
      : segment_(fd, kLuksHeaderBytes, key, name), writer_(segment_), merger_(writer_) {}

  Result<uint64_t> build(const fs::path& layout, const SourceImage& source,
                         const ProgressSink& progress) {
    uint64_t total = 0;
    for (const Descriptor& layer : source.layers) total += layer.size;
    Meter meter(progress, "layers", total);
    auto count = static_cast<uint32_t>(source.layers.size());
    // Above all layers, so that it replaces whatever the image has there.
    Path config = TRY(split_path(contract::kProcessConfigPath, kOrigin));
    TRY(merger_.add_file(count + 1, config, kConfigMode, source.config));
    for (uint32_t number = count; number > 0; --number) {
      TRY(apply(layout, source.layers[number - 1], number, meter));
    }
    Node* root = TRY(merger_.finish());
    uint64_t size = TRY(writer_.finish(*root, filesystem_uuid(source)));
    TRY(segment_.finish());
    return size;
  }
  const LayerMerger::Totals& totals() const { return merger_.totals(); }

 private:
  Result<void> apply(const fs::path& layout, const Descriptor& layer, uint32_t number,
                     Meter& meter) {
    std::string name = "layer " + layer.digest;
    return merger_.apply(number, name, [&]() -> Result<std::unique_ptr<ByteSource>> {
      std::unique_ptr<ByteSource> blob = TRY(BlobReader::open(layout, layer, &meter));
      return decompress(compression_of(layer), std::move(blob), name);
    });
  }

  // The same for the same image: part of what makes a build repeatable.
  static Uuid filesystem_uuid(const SourceImage& source) {
    return make_uuid(crypto::sha256(as_bytes("bartizan file system of " + source.manifest.digest)));
  }

  SegmentWriter segment_;
  ErofsWriter writer_;
  LayerMerger merger_;
};

// Takes the space at once: a full disk shows here, with its name, and not inside a library.
Result<void> reserve(int fd, uint64_t from, uint64_t to, const fs::path& path) {
  int status = ::posix_fallocate(fd, static_cast<off_t>(from), static_cast<off_t>(to - from));
  if (status != 0)
    return errno_error(status, kOrigin,
                       fmt::format("{}: reserve {} bytes", path.string(), to - from));
  return {};
}

Result<void> add_verity(int fd, const fs::path& path, const DiskSecrets& secrets,
                        const ProgressSink& progress, Manifest& manifest) {
  uint64_t data_end = manifest.luks2.offset + manifest.luks2.size;
  manifest.disk_size =
      data_end + kBlockSize + verity_tree_blocks(data_end / kBlockSize) * kBlockSize;
  TRY(reserve(fd, data_end, manifest.disk_size, path));
  Meter meter(progress, "integrity", data_end);
  TRY(meter.advance(0));
  manifest.verity = TRY(format_verity(path, data_end, secrets.verity_salt, secrets.verity_uuid));
  return meter.advance(data_end);
}

}  // namespace

Result<DiskSecrets> DiskSecrets::draw(const std::optional<SecretBytes>& passphrase) {
  DiskSecrets secrets;
  secrets.volume_key = TRY(crypto::random_secret(kVolumeKeyBytes));
  if (passphrase) {
    secrets.passphrase = passphrase->clone();
  } else {
    SecretBytes random = TRY(crypto::random_secret(kPassphraseRandomBytes));
    std::string hex = to_hex(random.bytes());
    secrets.passphrase = SecretBytes::from_string(hex);
    explicit_bzero(hex.data(), hex.size());
  }
  secrets.verity_salt.resize(kVeritySaltBytes);
  TRY(crypto::random_bytes(secrets.verity_salt));
  secrets.luks_uuid = TRY(random_uuid_text());
  secrets.verity_uuid = TRY(random_uuid_text());
  return secrets;
}

Result<DiskSummary> make_disk(const fs::path& path, const fs::path& layout,
                              const SourceImage& source, const DiskSecrets& secrets,
                              const ProgressSink& progress) {
  UniqueFd fd = TRY(open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
  DiskSummary summary;
  uint64_t size = 0;
  {
    SegmentBuilder builder(fd.get(), path.string(), secrets.volume_key);
    size = TRY(builder.build(layout, source, progress));
    summary.entries = builder.totals().entries;
    summary.content_bytes = builder.totals().content_bytes;
  }
  TRY(reserve(fd.get(), 0, kLuksHeaderBytes, path));
  summary.manifest.luks2 =
      TRY(format_luks2(path, {secrets.luks_uuid, &secrets.volume_key, &secrets.passphrase}));
  summary.manifest.luks2.size = size;
  TRY(add_verity(fd.get(), path, secrets, progress, summary.manifest));
  return summary;
}

}  // namespace bartizan::image
