// BlobReader: one blob of a layout, hashed as it is read: the bytes that were used are the bytes
// that were checked, whatever somebody does to the file meanwhile. Size is checked at open; the
// digest when the end is reached, so a consumer must read to the end before it believes what it
// read.
#pragma once

#include <filesystem>

#include "base/progress.hpp"
#include "image/oci/descriptor.hpp"
#include "image/oci/layout.hpp"
#include "image/tar/byte_source.hpp"

namespace bartizan::image::oci {

class BlobReader : public tar::ByteSource {
 public:
  // `meter` may be null. Errors: not_found, corrupt (size differs, not a regular file),
  // permission_denied, io.
  static Result<std::unique_ptr<BlobReader>> open(const Layout& layout,
                                                  const Descriptor& descriptor, Meter* meter);
  Result<size_t> read(std::span<uint8_t> to) override;
  Result<ByteView> take(std::span<uint8_t> space) override;
  Result<uint64_t> skip(uint64_t count) override;

  // Bytes from here on are passed over unread and the digest is not checked: for a look at what is
  // to be read in earnest later.
  void only_look() { looks_ = true; }

 private:
  BlobReader(Layout::File file, Descriptor descriptor, crypto::HashKind kind, Meter* meter)
      : file_(std::move(file)), descriptor_(std::move(descriptor)), hasher_(kind), meter_(meter) {}
  Result<ByteView> next(size_t most);
  Result<void> refill();
  Result<void> check_digest();

  Layout::File file_;
  Descriptor descriptor_;
  crypto::Hasher hasher_;
  Meter* meter_;
  Bytes buffer_;    // hashed
  ByteView ready_;  // of it: not given out yet
  uint64_t done_ = 0;
  bool checked_ = false, looks_ = false;
};

// In a layout: "blobs/sha256/…".
std::string blob_name(const DigestParts& digest);

// A whole small blob, checked. `limit`: bytes.
Result<Bytes> read_blob(const Layout& layout, const Descriptor& descriptor, uint64_t limit);

}  // namespace bartizan::image::oci
