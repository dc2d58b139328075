#include "image/builder/output_image.hpp"

#include <fcntl.h>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "crypto/hash.hpp"
#include "image/builder/krun.hpp"
#include "image/layer/tar_writer.hpp"
#include "image/progress.hpp"

extern "C" const uint8_t bartizan_entrypoint_begin[], bartizan_entrypoint_end[];

namespace bartizan::image {
namespace {

constexpr char kOrigin[] = "image/builder";
constexpr size_t kBufferBytes = 256 * 1024;  // stays in a core's cache between read and hash
constexpr uint64_t kDiskAlignment = 4096;    // so that a file system can share or map the blocks
constexpr uint64_t kFillerLeast = 2 * kTarBlock;
// The draft of a manifest lacks four numbers of up to 20 digits and the root hash in hex.
constexpr size_t kManifestGrowth = 4 * 20 + 64;

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void add_file(Bytes& tar, std::string_view name, uint32_t mode, ByteView content) {
  append(tar, tar_header(name, '0', mode, content.size()));
  append(tar, content);
  tar.resize(align_up(tar.size(), kTarBlock));
}

// All but the filler and the disk, in the order in which other builders of such images write them.
Bytes small_files(ByteView manifest, std::string_view krun_json) {
  Bytes tar;
  add_file(tar, kEntrypointFile, 0755, entrypoint_program());
  add_file(tar, kKrunFile, 0600, as_bytes(krun_json));
  add_file(tar, kManifestFile, 0644, manifest);
  append(tar, tar_header("tmp/", '5', 01777, 0));
  return tar;
}

}  // namespace

ByteView entrypoint_program() {
  return {bartizan_entrypoint_begin, bartizan_entrypoint_end};
}

Result<OutputLayer> OutputLayer::create(const std::filesystem::path& path, uint64_t origin,
                                        std::string krun_json, size_t manifest_bytes) {
  UniqueFd fd = TRY(open_file(path, O_RDWR | O_CREAT | O_EXCL, 0644));
  uint64_t most = small_files(Bytes(manifest_bytes + kManifestGrowth), krun_json).size();
  uint64_t start = align_up(most + kFillerLeast + kTarBlock, kDiskAlignment);
  return OutputLayer(std::move(fd), path.string(), std::move(krun_json), origin, start);
}

Result<OutputLayer::Finished> OutputLayer::finish(ByteView manifest, uint64_t disk_size,
                                                  const ProgressSink& progress) {
  Bytes front = small_files(manifest, krun_json_);
  if (front.size() + kFillerLeast + kTarBlock > disk_start_)
    return make_error(ErrorCode::internal, kOrigin, "{}: no space for the manifest", name_);
  append(front, tar_filler(disk_start_ - kTarBlock - front.size()));
  Bytes footer = krun_footer(krun_json_);
  append(front, tar_header(kDiskFile, '0', 0600, disk_size + footer.size()));
  Finished finished{{}, disk_start_ + disk_size + footer.size(), disk_size + footer.size()};
  footer.resize(footer.size() + 2 * kTarBlock);  // the end of the archive
  finished.size += 2 * kTarBlock;
  TRY(write_exactly(fd_.get(), front, origin_, name_));
  TRY(write_exactly(fd_.get(), footer, disk_start() + disk_size, name_));
  finished.hex = TRY(hash(finished.size, progress));
  if (::fsync(fd_.get()) != 0) return errno_error(errno, kOrigin, fmt::format("sync {}", name_));
  return finished;
}

Result<std::string> OutputLayer::hash(uint64_t size, const ProgressSink& progress) const {
  Meter meter(progress, "image", size);
  crypto::Hasher hasher(crypto::HashKind::sha256);
  Bytes buffer(kBufferBytes);
  for (uint64_t at = 0; at < size;) {
    auto part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), size - at));
    TRY(read_exactly(fd_.get(), part, origin_ + at, name_));
    hasher.update(part);
    TRY(meter.advance(part.size()));
    at += part.size();
  }
  return to_hex(hasher.finish());
}

}  // namespace bartizan::image
