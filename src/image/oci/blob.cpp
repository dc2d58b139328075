#include "image/oci/blob.hpp"

#include <unistd.h>

#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan::image::oci {
namespace {

// Read and hashed at once: fits in a core's own cache, and calls are few.
constexpr size_t kBufferBytes = 256 * kKiB;
// A look wants headers only; small files lie between them.
constexpr size_t kLookBytes = 1536;

Error corrupt(const Descriptor& descriptor, std::string why) {
  return make_error(ErrorCode::corrupt, "image/oci", "blob {}: {}", descriptor.digest, why);
}

Result<void> check_size(uint64_t size, const Descriptor& descriptor) {
  if (size == descriptor.size) return {};
  return corrupt(descriptor,
                 fmt::format("{} bytes, but its descriptor has {}", size, descriptor.size));
}

}  // namespace

std::string blob_name(const DigestParts& digest) {
  return fmt::format("blobs/{}/{}", digest.folder, digest.hex);
}

Result<std::unique_ptr<BlobReader>> BlobReader::open(const Layout& layout,
                                                     const Descriptor& descriptor, Meter* meter) {
  DigestParts digest = TRY(parse_digest(descriptor.digest, "descriptor"));
  Layout::File file = TRY(layout.open_file(blob_name(digest)));
  TRY(check_size(file.size, descriptor));
  return std::unique_ptr<BlobReader>(
      new BlobReader(std::move(file), descriptor, digest.kind, meter));
}

Result<size_t> BlobReader::read(std::span<uint8_t> to) {
  ByteView piece = TRY(next(to.size()));
  std::copy(piece.begin(), piece.end(), to.begin());
  return piece.size();
}

Result<ByteView> BlobReader::take(std::span<uint8_t> space) {
  return next(space.size());
}

Result<uint64_t> BlobReader::skip(uint64_t count) {
  uint64_t done = 0;
  if (looks_) {
    done = std::min<uint64_t>(count, ready_.size() + descriptor_.size - done_);
    uint64_t buffered = std::min<uint64_t>(done, ready_.size());
    ready_ = ready_.subspan(buffered);
    done_ += done - buffered;
    return done;
  }
  while (done < count) {
    ByteView piece = TRY(next(std::min<uint64_t>(count - done, kBufferBytes)));
    if (piece.empty()) break;
    done += piece.size();
  }
  return done;
}

// What is there of the next `most` bytes; nothing at the end.
Result<ByteView> BlobReader::next(size_t most) {
  if (ready_.empty() && most > 0) TRY(refill());
  ByteView piece = ready_.first(std::min(most, ready_.size()));
  ready_ = ready_.subspan(piece.size());
  return piece;
}

Result<void> BlobReader::refill() {
  size_t count = std::min<uint64_t>(looks_ ? kLookBytes : kBufferBytes, descriptor_.size - done_);
  if (count == 0) return looks_ ? Result<void>() : check_digest();
  if (buffer_.size() < count) buffer_.resize(count);
  ssize_t got =
      ::pread(file_.fd.get(), buffer_.data(), count, static_cast<off_t>(file_.offset + done_));
  if (got < 0 && errno == EINTR) return refill();
  if (got < 0)
    return errno_error(errno, "image/oci", fmt::format("blob {}: read", descriptor_.digest));
  if (got == 0) return corrupt(descriptor_, fmt::format("ends at byte {} while being read", done_));
  done_ += static_cast<uint64_t>(got);
  ready_ = ByteView(buffer_).first(static_cast<size_t>(got));
  if (looks_) return meter_ != nullptr ? meter_->ask() : Result<void>();
  hasher_.update(ready_);
  return meter_ != nullptr ? meter_->advance(ready_.size()) : Result<void>();
}

Result<void> BlobReader::check_digest() {
  if (checked_) return {};
  std::string found = to_hex(hasher_.finish());
  if (!descriptor_.digest.ends_with(":" + found)) {
    return corrupt(descriptor_, fmt::format("its content has the digest {}", found));
  }
  checked_ = true;
  return {};
}

Result<Bytes> read_blob(const Layout& layout, const Descriptor& descriptor, uint64_t limit) {
  if (descriptor.size > limit) {
    return make_error(ErrorCode::resource_exhausted, "image/oci",
                      "blob {}: {} bytes, the limit for its kind is {}", descriptor.digest,
                      descriptor.size, limit);
  }
  auto reader = TRY(BlobReader::open(layout, descriptor, nullptr));
  Bytes content(descriptor.size);
  TRY(tar::read_full(*reader, content));
  uint8_t beyond;
  TRY(reader->read({&beyond, 1}));  // the end: where the digest is checked
  return content;
}

}  // namespace bartizan::image::oci
