#include "image/oci/blob.hpp"

#include <unistd.h>

#include "base/file.hpp"

namespace bartizan::image {
namespace {

Error bad(const Descriptor& descriptor, std::string why) {
  return make_error(ErrorCode::corrupt, "image/oci", "blob {}: {}", descriptor.digest, why);
}

Result<void> check_size(uint64_t size, const Descriptor& descriptor) {
  if (size == descriptor.size) return {};
  return bad(descriptor,
             fmt::format("{} bytes, but its descriptor says {}", size, descriptor.size));
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
  size_t count = std::min<uint64_t>(to.size(), descriptor_.size - done_);
  if (count == 0) {
    TRY(check_digest());
    return size_t{0};
  }
  ssize_t got = ::pread(file_.fd.get(), to.data(), count, static_cast<off_t>(file_.offset + done_));
  if (got < 0 && errno == EINTR) return read(to);
  if (got < 0)
    return errno_error(errno, "image/oci", fmt::format("blob {}: read", descriptor_.digest));
  if (got == 0) return bad(descriptor_, fmt::format("ends at byte {} while being read", done_));
  done_ += static_cast<uint64_t>(got);
  hasher_.update(to.first(static_cast<size_t>(got)));
  if (meter_ != nullptr) TRY(meter_->advance(static_cast<uint64_t>(got)));
  return static_cast<size_t>(got);
}

Result<void> BlobReader::check_digest() {
  if (checked_) return {};
  std::string found = to_hex(hasher_.finish());
  if (!descriptor_.digest.ends_with(":" + found)) {
    return bad(descriptor_, fmt::format("its content has the digest {}", found));
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
  TRY(read_full(*reader, content));
  uint8_t beyond;
  TRY(reader->read({&beyond, 1}));  // the end: where the digest is checked
  return content;
}

}  // namespace bartizan::image
