#include "image/builder/confidential_disk.hpp"

#include <sys/mman.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/filesystem/erofs_writer.hpp"
#include "image/layer/apply.hpp"
#include "image/layer/decompress.hpp"
#include "image/luks2/header.hpp"
#include "image/luks2/segment_writer.hpp"
#include "image/oci/blob.hpp"
#include "image/verity/leaf_hashes.hpp"
#include "image/verity/tree.hpp"
#include "manifest/stations.hpp"

namespace bartizan::image {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
constexpr uint32_t kConfigMode = 0600;

// The same for the same image: part of what makes a build repeatable. RFC 4122 §4.4.
std::array<uint8_t, 16> filesystem_uuid(const SourceImage& source) {
  auto digest = crypto::sha256(as_bytes("bartizan file system of " + source.manifest.digest));
  std::array<uint8_t, 16> uuid;
  std::copy_n(digest.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

Compression compression_of(const Descriptor& layer) {
  auto kind = media_kind(layer.media_type);
  if (kind == MediaKind::layer_gzip) return Compression::gzip;
  return kind == MediaKind::layer_zstd ? Compression::zstd : Compression::none;
}

// Layers into the encrypted segment. Returns the file system's size.
class SegmentBuilder {
 public:
  SegmentBuilder(const DiskPlace& place, const SecretBytes& key, const LeafHashes& hashes)
      : segment_(place.fd, place.start + kLuksHeaderBytes, key, place.name,
                 {&hashes, kLuksHeaderBytes / kBlockSize}),
        writer_(segment_),
        merger_(writer_) {}

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

  SegmentWriter segment_;
  ErofsWriter writer_;
  LayerMerger merger_;
};

// libcryptsetup reads files only: one in memory, with a block of data behind the header, as it
// wants a device that holds a segment.
Result<UniqueFd> file_in_memory() {
  UniqueFd file(::memfd_create("luks2-header", MFD_CLOEXEC));
  if (!file.valid()) return errno_error(errno, kOrigin, "memfd_create");
  TRY(write_exactly(file.get(), Bytes(kLuksHeaderBytes + kBlockSize), 0, "LUKS2 header in memory"));
  return file;
}

Result<void> check_opens(const fs::path& path, const SecretBytes& passphrase,
                         const DiskSecrets& secrets) {
  SecretBytes key = TRY(open_luks2(path, passphrase));
  if (key.equals(secrets.luks.volume_key)) return {};
  return make_error(ErrorCode::internal, kOrigin, "LUKS2 header: opens to another volume key");
}

}  // namespace

Result<LuksHeader> make_checked_header(const DiskSecrets& secrets) {
  LuksHeader header;
  UniqueFd file = TRY(file_in_memory());
  fs::path path = fmt::format("/proc/self/fd/{}", file.get());
  if (secrets.luks.stripes.empty()) {
    TRY(format_luks2(path, secrets.luks));
    header.bytes.resize(kLuksHeaderBytes);
    TRY(read_exactly(file.get(), header.bytes, 0, "LUKS2 header in memory"));
  } else {
    header.bytes = TRY(make_luks2_header(secrets.luks));
    TRY(write_exactly(file.get(), header.bytes, 0, "LUKS2 header in memory"));
  }
  header.numbers = TRY(read_luks2(path));
  TRY(check_opens(path, secrets.luks.passphrase, secrets));
  if (!secrets.luks.recovery.empty()) TRY(check_opens(path, secrets.luks.recovery, secrets));
  return header;
}

Result<DiskTotals> make_disk(const DiskPlace& place, const fs::path& layout,
                             const SourceImage& source, const DiskSecrets& secrets, ByteView header,
                             Manifest& manifest, const ProgressSink& progress) {
  LeafHashes hashes = TRY(LeafHashes::create(place.folder, secrets.verity_salt));
  TRY(write_exactly(place.fd, header, place.start, place.name));
  TRY(hashes.add(0, header));
  SegmentBuilder builder(place, secrets.luks.volume_key, hashes);
  manifest.luks2.size = TRY(builder.build(layout, source, progress));
  uint64_t data_end = manifest.luks2.offset + manifest.luks2.size;
  Meter meter(progress, "integrity", data_end);
  TRY(meter.advance(0));
  manifest.verity =
      TRY(hashes.write_tree(place.fd, place.start, data_end, secrets.verity_uuid, place.name));
  manifest.disk_size =
      manifest.verity.hash_offset + verity_tree_blocks(manifest.verity.data_blocks) * kBlockSize;
  TRY(meter.advance(data_end));
  return DiskTotals{builder.totals().entries, builder.totals().content_bytes};
}

}  // namespace bartizan::image
