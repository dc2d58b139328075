// The disk of a confidential image, from layers: EROFS in LUKS2 under dm-verity, in one pass over
// the layers, written at its final place inside a larger file.
#pragma once

#include <filesystem>

#include "bartizan/image.hpp"
#include "crypto/hash.hpp"
#include "guest_abi/manifest.hpp"
#include "image/builder/disk_secrets.hpp"
#include "image/builder/filesystem_builder.hpp"
#include "image/builder/launchable.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image::builder {

struct DiskPlace {
  int fd = -1;                   // borrowed
  uint64_t start = 0;            // of the disk, in bytes
  std::string name;              // of the file, for errors
  std::filesystem::path folder;  // for a temporary file
  // Optional, both or neither, borrowed: the predicted superblock, and the hash that receives the
  // disk sequentially while it is written.
  const PredictedFilesystem* prediction = nullptr;
  crypto::Hasher* stream = nullptr;
};

// What goes into the disk, borrowed.
struct DiskSource {
  const oci::Layout& layout;
  const oci::SourceImage& image;
  const Process& process;                  // is checked against the files
  const ForeignSource* foreign = nullptr;  // where the files are, if not in the layers of `image`
};

struct DiskTotals {
  uint64_t entries = 0, content_bytes = 0;
  // How many of the disk's first bytes the stream hashed; 0: the prediction was wrong.
  uint64_t hashed_bytes = 0;
};

// Of a disk with a file system of that size, without the footer.
uint64_t disk_bytes_for(uint64_t filesystem_bytes);

// The header's bytes, and its numbers as libcryptsetup reads them (the segment's size is still 0).
// libcryptsetup also had to find the volume key in it.
struct LuksHeader {
  Bytes bytes;
  guest_abi::Manifest::Luks2 numbers;
};
Result<LuksHeader> make_checked_header(const DiskSecrets& secrets);

// Fills the members under "disk" of `manifest`, whose luks2 must be `header.numbers`. The disk ends
// at manifest.disk_size; the footer is not in it.
Result<DiskTotals> make_disk(const DiskPlace& place, const DiskSource& source,
                             const DiskSecrets& secrets, ByteView header,
                             guest_abi::Manifest& manifest, const ProgressSink& progress);

}  // namespace bartizan::image::builder
