#include "image/builder/output_image.hpp"

#include <fcntl.h>

#include "base/checked.hpp"
#include "base/file.hpp"
#include "crypto/hash.hpp"
#include "image/builder/krun.hpp"
#include "image/layer/tar_writer.hpp"
#include "image/progress.hpp"

extern "C" const uint8_t bartizan_entrypoint_begin[], bartizan_entrypoint_end[];

namespace bartizan::image {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

// A tar file on its way to disk, hashed.
class LayerFile {
 public:
  LayerFile(UniqueFd fd, std::string name)
      : fd_(std::move(fd)), name_(std::move(name)), hasher_(crypto::HashKind::sha256) {}

  Result<void> put(ByteView bytes) {
    hasher_.update(bytes);
    size_ += bytes.size();
    return write_all(fd_.get(), bytes, name_);
  }
  Result<void> pad() { return put(Bytes(align_up(size_, kTarBlock) - size_)); }
  Result<void> add(std::string_view name, uint32_t mode, ByteView content) {
    TRY(put(tar_header(name, '0', mode, content.size())));
    TRY(put(content));
    return pad();
  }
  Result<void> end() {
    TRY(put(Bytes(2 * kTarBlock)));
    if (::fsync(fd_.get()) != 0)
      return errno_error(errno, "image/builder", fmt::format("sync {}", name_));
    return {};
  }
  std::string hex() { return to_hex(hasher_.finish()); }
  uint64_t size() const { return size_; }

 private:
  UniqueFd fd_;
  std::string name_;
  crypto::Hasher hasher_;
  uint64_t size_ = 0;
};

Result<void> copy_disk(LayerFile& layer, const UniqueFd& disk, uint64_t size,
                       const std::string& name, const ProgressSink& progress) {
  Meter meter(progress, "image", size);
  Bytes buffer(kBufferBytes);
  for (uint64_t at = 0; at < size;) {
    auto part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), size - at));
    TRY(read_exactly(disk.get(), part, at, name));
    TRY(layer.put(part));
    TRY(meter.advance(part.size()));
    at += part.size();
  }
  return {};
}

}  // namespace

ByteView entrypoint_program() {
  return {bartizan_entrypoint_begin, bartizan_entrypoint_end};
}

Result<OutputLayer> write_output_layer(const std::filesystem::path& path,
                                       const std::filesystem::path& disk_path, ByteView manifest,
                                       const std::string& krun_json, const ProgressSink& progress) {
  UniqueFd disk = TRY(open_file(disk_path, O_RDONLY));
  uint64_t disk_size = TRY(file_size(disk.get(), disk_path));
  Bytes footer = krun_footer(krun_json);
  LayerFile layer(TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644)), path.string());
  // The order in which other builders of such images write them.
  TRY(layer.add(kEntrypointFile, 0755, entrypoint_program()));
  TRY(layer.add(kKrunFile, 0600, as_bytes(krun_json)));
  TRY(layer.add(kManifestFile, 0644, manifest));
  TRY(layer.put(tar_header("tmp/", '5', 01777, 0)));
  TRY(layer.put(tar_header(kDiskFile, '0', 0600, disk_size + footer.size())));
  TRY(copy_disk(layer, disk, disk_size, disk_path.string(), progress));
  TRY(layer.put(footer));
  TRY(layer.pad());
  TRY(layer.end());
  return OutputLayer{layer.hex(), layer.size(), disk_size + footer.size()};
}

}  // namespace bartizan::image
