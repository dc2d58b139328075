// The layers of an image into one EROFS, on its way to a sink; and a forecast of it.
#pragma once

#include <filesystem>
#include <optional>

#include "image/filesystem/erofs_writer.hpp"
#include "image/layer/apply.hpp"
#include "image/layer/decompress.hpp"
#include "image/oci/layout_reader.hpp"
#include "image/progress.hpp"

namespace bartizan::image {

Compression compression_of(const Descriptor& layer);

// Of all blobs, as they are stored.
uint64_t bytes_of(const std::vector<Descriptor>& layers);

class FilesystemBuilder {
 public:
  // `folder`: for a temporary file, should the metadata become large.
  FilesystemBuilder(BlockSink& sink, const std::filesystem::path& folder,
                    LayerMerger::Contents contents = LayerMerger::Contents::copied)
      : writer_(sink), contents_(contents), merger_(writer_, folder, contents) {}

  // Returns the file system's size. The superblock is written last, at offset 0.
  Result<uint64_t> build(const Layout& layout, const SourceImage& source, Meter& meter);
  const Tree::Totals& totals() const { return merger_.totals(); }

 private:
  Result<void> apply(const Layout& layout, const Descriptor& layer, uint16_t number, Meter& meter);

  ErofsWriter writer_;
  LayerMerger::Contents contents_;
  LayerMerger merger_;
};

// What the file system will be, from the headers of the layers' archives alone: a tenth of a second
// for what takes the build many. With it the output can be hashed while it is written, from the
// first byte on. Nobody checked these headers and the files may change: a forecast, to be compared
// with what comes.
struct FilesystemForecast {
  Bytes superblock;  // the first block
  uint64_t size = 0;
};

// Nothing if a layer is compressed (then looking costs as much as reading), or if anything is wrong
// with the layers, which the build will say better.
std::optional<FilesystemForecast> forecast_filesystem(const Layout& layout,
                                                      const SourceImage& source,
                                                      const std::filesystem::path& folder,
                                                      const ProgressSink& progress);

// Puts a file system down with its superblock as foretold, which lies at the front and is known at
// the end. Forwards all else.
class ForecastSink : public BlockSink {
 public:
  ForecastSink(BlockSink& sink, const FilesystemForecast* forecast)
      : sink_(sink), forecast_(forecast) {}

  // Before anything else is written.
  Result<void> begin() {
    return forecast_ != nullptr ? sink_.write(0, forecast_->superblock) : Result<void>();
  }
  Result<void> write(uint64_t offset, ByteView bytes) override;
  // Whether it came as foretold: the superblock was not written again.
  bool came_true() const { return came_true_; }

 private:
  BlockSink& sink_;
  const FilesystemForecast* forecast_;  // may be null
  bool came_true_ = false;
};

}  // namespace bartizan::image
