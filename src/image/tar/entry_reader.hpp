// EntryReader: a file tree, one entry after the other, each with its content: an archive, or a file
// system of another kind. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "image/tar/byte_source.hpp"

namespace bartizan::image::tar {

enum class TarKind { regular, hard_link, symlink, char_device, block_device, directory, fifo };

struct TarEntry {
  TarKind kind = TarKind::regular;
  std::string path, link;
  uint32_t mode = 0;  // permission bits, 07777
  uint32_t uid = 0, gid = 0;
  uint64_t size = 0;    // of what read() gives
  bool sparse = false;  // read() adds zeros to what is stored
  int64_t mtime = 0;
  uint32_t mtime_nsec = 0;
  uint32_t device_major = 0, device_minor = 0;
  std::map<std::string, std::string> xattrs;
};

class EntryReader {
 public:
  virtual ~EntryReader() = default;

  // The next entry; nothing at the end. Content of the entry before that was not taken is passed
  // over. Paths are as the source has them, unchecked.
  virtual Result<std::optional<TarEntry>> next() = 0;
  // Content of the current entry, as ByteSource::take(); empty at its end.
  virtual Result<ByteView> take(std::span<uint8_t> space) = 0;
};

}  // namespace bartizan::image::tar
