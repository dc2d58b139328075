// The layers of an image into one EROFS, on its way to a sink; and a prediction of it.
#pragma once

#include <filesystem>
#include <optional>

#include "base/progress.hpp"
#include "image/builder/foreign_source.hpp"
#include "image/builder/launchable.hpp"
#include "image/filesystem/erofs_writer.hpp"
#include "image/layer/apply.hpp"
#include "image/layer/decompress.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image::builder {

layer::Compression compression_of(const oci::Descriptor& layer);

// Of all blobs, as they are stored.
uint64_t bytes_of(const std::vector<oci::Descriptor>& layers);

class FilesystemBuilder {
 public:
  // `folder`: for a temporary file, should the metadata become large.
  FilesystemBuilder(filesystem::BlockSink& sink, const std::filesystem::path& folder,
                    layer::LayerMerger::Contents contents = layer::LayerMerger::Contents::copied)
      : writer_(sink), contents_(contents), merger_(writer_, folder, contents) {}

  // The tree of the layers is to hold what the process needs. Borrowed.
  void check_process(const Process& process) { process_ = &process; }

  // The files come from there, and not from the layers of the source. Borrowed.
  void read_from(const ForeignSource& foreign) { foreign_ = &foreign; }

  // Returns the file system's size. The superblock is written last, at offset 0.
  Result<uint64_t> build(const oci::Layout& layout, const oci::SourceImage& source, Meter& meter);
  const filesystem::Tree::Totals& totals() const { return merger_.totals(); }

 private:
  Result<void> apply(const oci::Layout& layout, const oci::Descriptor& layer, uint16_t number,
                     Meter& meter);
  Result<void> apply_foreign(Meter& meter);

  const Process* process_ = nullptr;
  const ForeignSource* foreign_ = nullptr;
  filesystem::ErofsWriter writer_;
  layer::LayerMerger::Contents contents_;
  layer::LayerMerger merger_;
};

// What the file system will be, from the headers of the layers' archives alone: a tenth of a second
// for what takes the build many. With it the output can be hashed while it is written, from the
// first byte on. Nobody checked these headers and the files may change: a prediction, to be
// compared with what comes.
struct PredictedFilesystem {
  Bytes superblock;  // the first block
  uint64_t size = 0;
};

// Nothing if a layer is compressed (then looking costs as much as reading), or if anything is wrong
// with the layers, which the build will report better.
std::optional<PredictedFilesystem> predict_filesystem(const oci::Layout& layout,
                                                      const oci::SourceImage& source,
                                                      const std::filesystem::path& folder,
                                                      const ProgressSink& progress);

// Writes the predicted superblock first, so that the output can be hashed sequentially, and
// rewrites it if the prediction was wrong. Forwards everything else.
class PredictedSuperblockSink : public filesystem::BlockSink {
 public:
  PredictedSuperblockSink(filesystem::BlockSink& sink, const PredictedFilesystem* prediction)
      : sink_(sink), prediction_(prediction) {}

  // Before anything else is written.
  Result<void> begin() {
    return prediction_ != nullptr ? sink_.write(0, prediction_->superblock) : Result<void>();
  }
  Result<void> write(uint64_t offset, ByteView bytes) override;
  // Whether it came as predicted: the superblock was not written again.
  bool prediction_held() const { return prediction_held_; }

 private:
  filesystem::BlockSink& sink_;
  const PredictedFilesystem* prediction_;  // may be null
  bool prediction_held_ = false;
};

}  // namespace bartizan::image::builder
