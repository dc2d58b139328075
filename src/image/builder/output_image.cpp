#include "image/builder/output_image.hpp"

#include <fcntl.h>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/progress.hpp"
#include "base/units.hpp"
#include "image/parts/files.hpp"
#include "image/parts/krun.hpp"
#include "image/tar/tar_writer.hpp"

extern "C" const uint8_t bartizan_entrypoint_begin[], bartizan_entrypoint_end[];

namespace bartizan::image::builder {
namespace {

constexpr char kOrigin[] = "image/builder";
constexpr size_t kBufferBytes = 256 * kKiB;  // stays in a core's cache between read and hash
constexpr uint64_t kFillerLeast = 2 * tar::kTarBlock;

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void add_file(Bytes& tar, std::string_view name, uint32_t mode, ByteView content) {
  append(tar, tar::tar_header(name, '0', mode, content.size()));
  append(tar, content);
  tar.resize(align_up(tar.size(), tar::kTarBlock));
}

Bytes small_files(std::string_view krun_json) {
  Bytes tar;
  add_file(tar, parts::kEntrypointFile, 0755, entrypoint_program());
  add_file(tar, parts::kKrunFile, 0600, as_bytes(krun_json));
  append(tar, tar::tar_header("tmp/", '5', 01777, 0));
  return tar;
}

}  // namespace

ByteView entrypoint_program() {
  return {bartizan_entrypoint_begin, bartizan_entrypoint_end};
}

Result<OutputLayer> OutputLayer::create(const std::filesystem::path& path, uint64_t origin,
                                        std::string krun_json) {
  UniqueFd fd = TRY(open_file(path, O_RDWR | O_CREAT | O_EXCL, 0644));
  // Aligned so that a file system can share or map the disk's blocks.
  uint64_t start =
      align_up(small_files(krun_json).size() + kFillerLeast + tar::kTarBlock, kBlockSize);
  return OutputLayer(std::move(fd), path.string(), std::move(krun_json), origin, start);
}

// Up to the disk. `disk_size`: with the footer.
Bytes OutputLayer::front(uint64_t disk_size) const {
  Bytes front = small_files(krun_json_);
  append(front, tar::tar_filler(disk_start_ - tar::kTarBlock - front.size()));
  append(front, tar::tar_header(parts::kDiskFile, '0', 0600, disk_size));
  return front;
}

crypto::Hasher* OutputLayer::begin_hashing(uint64_t disk_size) {
  hashed_front_ = front(disk_size + parts::krun_footer(krun_json_).size());
  hasher_.update(hashed_front_);
  return &hasher_;
}

Result<OutputLayer::Finished> OutputLayer::finish(ByteView manifest, std::string_view statement,
                                                  uint64_t disk_size, uint64_t hashed_bytes,
                                                  const ProgressSink& progress) {
  Bytes back = parts::krun_footer(krun_json_);
  Finished finished;
  finished.disk_bytes = disk_size + back.size();
  Bytes front = this->front(finished.disk_bytes);
  add_file(back, parts::kManifestFile, 0644, manifest);
  if (!statement.empty()) add_file(back, parts::kStatementFile, 0644, as_bytes(statement));
  back.resize(back.size() + 2 * tar::kTarBlock);  // the end of the archive
  finished.size = disk_start_ + disk_size + back.size();
  TRY(write_exactly(fd_.get(), front, origin_, name_));
  TRY(write_exactly(fd_.get(), back, disk_start() + disk_size, name_));
  uint64_t hashed = hashed_bytes > 0 && front == hashed_front_ ? disk_start_ + hashed_bytes : 0;
  if (hashed == 0) hasher_ = crypto::Hasher(crypto::HashKind::sha256);
  finished.hex = TRY(hash_from(hashed, finished.size, progress));
  if (::fsync(fd_.get()) != 0) return errno_error(errno, kOrigin, fmt::format("sync {}", name_));
  return finished;
}

Result<std::string> OutputLayer::hash_from(uint64_t at, uint64_t size,
                                           const ProgressSink& progress) {
  Meter meter(progress, "image", size);
  TRY(meter.advance(at));
  Bytes buffer(kBufferBytes);
  while (at < size) {
    auto part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), size - at));
    TRY(read_exactly(fd_.get(), part, origin_ + at, name_));
    hasher_.update(part);
    TRY(meter.advance(part.size()));
    at += part.size();
  }
  return to_hex(hasher_.finish());
}

}  // namespace bartizan::image::builder
