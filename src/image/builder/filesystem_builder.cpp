#include "image/builder/filesystem_builder.hpp"

#include "crypto/hash.hpp"
#include "guest_abi/boot_stages.hpp"
#include "image/oci/blob.hpp"

namespace bartizan::image::builder {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
constexpr uint32_t kConfigMode = 0600;

// The same for the same image: part of what makes a build repeatable. RFC 4122 §4.4.
std::array<uint8_t, 16> filesystem_uuid(const oci::SourceImage& source) {
  auto digest = crypto::sha256(as_bytes("bartizan file system of " + source.content_digest()));
  std::array<uint8_t, 16> uuid;
  std::copy_n(digest.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

// Keeps the first block, forgets the rest.
class FirstBlock : public filesystem::BlockSink {
 public:
  Result<void> write(uint64_t offset, ByteView bytes) override {
    if (offset == 0) block_.assign(bytes.begin(), bytes.end());
    return {};
  }
  Bytes take() { return std::move(block_); }

 private:
  Bytes block_;
};

// Shows how far a tree was read.
class MeteredEntries : public tar::EntryReader {
 public:
  MeteredEntries(std::unique_ptr<tar::EntryReader> reader, Meter& meter)
      : reader_(std::move(reader)), meter_(meter) {}
  Result<std::optional<tar::TarEntry>> next() override {
    TRY(meter_.ask());
    return reader_->next();
  }
  Result<ByteView> take(std::span<uint8_t> space) override {
    const ByteView part = TRY(reader_->take(space));
    TRY(meter_.advance(part.size()));
    return part;
  }

 private:
  std::unique_ptr<tar::EntryReader> reader_;
  Meter& meter_;
};

}  // namespace

layer::Compression compression_of(const oci::Descriptor& layer) {
  auto kind = oci::media_kind(layer.media_type);
  if (kind == oci::MediaKind::layer_gzip) return layer::Compression::gzip;
  return kind == oci::MediaKind::layer_zstd ? layer::Compression::zstd : layer::Compression::none;
}

uint64_t bytes_of(const std::vector<oci::Descriptor>& layers) {
  uint64_t total = 0;
  for (const oci::Descriptor& layer : layers) total += layer.size;
  return total;
}

Result<uint64_t> FilesystemBuilder::build(const oci::Layout& layout, const oci::SourceImage& source,
                                          Meter& meter) {
  auto count = static_cast<uint16_t>(foreign_ != nullptr ? 1 : source.layers.size());
  // Above all layers, so that it replaces whatever the image has there.
  tar::Path config = TRY(tar::split_path(guest_abi::kProcessConfigPath, kOrigin));
  TRY(merger_.add_file(static_cast<uint16_t>(count + 2), config, kConfigMode, source.config));
  for (const oci::AddedFile& file : source.added)
    TRY(merger_.add_file(static_cast<uint16_t>(count + 1), file.path, file.mode, file.content));
  for (uint16_t number = count; number > 0 && foreign_ == nullptr; --number) {
    TRY(apply(layout, source.layers[number - 1], number, meter));
  }
  if (foreign_ != nullptr) TRY(apply_foreign(meter));
  filesystem::Tree* tree = TRY(merger_.finish());
  if (process_ != nullptr) TRY(process_->check(*tree));
  return writer_.finish(*tree, filesystem_uuid(source));
}

Result<void> FilesystemBuilder::apply(const oci::Layout& layout, const oci::Descriptor& layer,
                                      uint16_t number, Meter& meter) {
  std::string name = "layer " + layer.digest;
  auto applied = merger_.apply(number, name, [&]() -> Result<std::unique_ptr<tar::ByteSource>> {
    std::unique_ptr<oci::BlobReader> blob = TRY(oci::BlobReader::open(layout, layer, &meter));
    if (contents_ == layer::LayerMerger::Contents::counted) blob->only_look();
    return layer::decompress(compression_of(layer), std::move(blob), name);
  });
  if (applied.ok() || applied.error().code != ErrorCode::corrupt) return applied;
  // If its digest does not fit, that explains more than what the damage broke first.
  auto blob = TRY(oci::BlobReader::open(layout, layer, nullptr));
  TRY(blob->skip(UINT64_MAX));
  return applied;
}

Result<void> FilesystemBuilder::apply_foreign(Meter& meter) {
  return merger_.apply_entries(1, "source", [&]() -> Result<std::unique_ptr<tar::EntryReader>> {
    return std::unique_ptr<tar::EntryReader>(
        std::make_unique<MeteredEntries>(TRY(foreign_->entries()), meter));
  });
}

std::optional<PredictedFilesystem> predict_filesystem(const oci::Layout& layout,
                                                      const oci::SourceImage& source,
                                                      const fs::path& folder,
                                                      const ProgressSink& progress) {
  for (const oci::Descriptor& layer : source.layers)
    if (compression_of(layer) != layer::Compression::none) return std::nullopt;
  FirstBlock sink;
  FilesystemBuilder builder(sink, folder, layer::LayerMerger::Contents::counted);
  Meter meter(progress, "layers", bytes_of(source.layers));
  auto size = builder.build(layout, source, meter);
  if (!size.ok()) return std::nullopt;
  return PredictedFilesystem{sink.take(), *size};
}

Result<void> PredictedSuperblockSink::write(uint64_t offset, ByteView bytes) {
  if (offset == 0 && prediction_ != nullptr)
    prediction_held_ = std::equal(bytes.begin(), bytes.end(), prediction_->superblock.begin(),
                                  prediction_->superblock.end());
  return offset == 0 && prediction_held_ ? Result<void>() : sink_.write(offset, bytes);
}

}  // namespace bartizan::image::builder
