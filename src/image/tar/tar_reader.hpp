// TarReader: the entries of a tar archive as they stream by: POSIX ustar, PAX (path, linkpath,
// size, uid, gid, mtime, SCHILY.xattr.*), GNU long names, base-256 numbers and sparse files, old
// V7. It knows nothing of layers and never touches a path. Own code and not an archive library
// because names must arrive byte by byte, whatever the process's locale is.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "image/tar/entry_reader.hpp"
#include "image/tar/sparse.hpp"

namespace bartizan::image::tar {

class TarReader : public EntryReader {
 public:
  // `what` names the archive in errors. Both must outlive the reader.
  TarReader(ByteSource& source, std::string_view what) : source_(source), what_(what) {}

  // The next entry; nothing at the end. Data of the entry before that was not read is passed over.
  // Errors: corrupt (cut off, bad checksum, bad number), unsupported (an entry type that we do not
  // know), resource_exhausted.
  Result<std::optional<TarEntry>> next() override;

  // Data of the current entry; 0 at its end.
  Result<size_t> read(std::span<uint8_t> to);
  // The same without a copy where that is possible, as ByteSource::take().
  Result<ByteView> take(std::span<uint8_t> space) override;

  // Where in the archive the current entry's data begins, and how much of it is left.
  uint64_t data_offset() const { return data_offset_; }
  uint64_t data_left() const { return left_; }

 private:
  struct Extensions;
  using PaxMap = std::map<std::string, std::string>;
  Result<bool> read_header(std::span<uint8_t> header);
  Result<void> skip_data();
  Result<size_t> read_stored(std::span<uint8_t> to);
  Result<ByteView> take_stored(std::span<uint8_t> space);
  Result<void> read_old_sparse(std::span<const uint8_t> header);
  Result<void> find_sparse(const uint8_t* header, char type, const PaxMap& pax);
  Result<void> read_sparse_map(const PaxMap& pax);
  Result<uint64_t> read_map_line();
  Result<void> begin_sparse(SparseMap map);
  Result<std::string> read_text(uint64_t size, uint64_t limit);
  Result<bool> read_extension(char type, uint64_t size, Extensions& extensions);
  Result<TarEntry> make_entry(const uint8_t* header, char type, Extensions& extensions);
  Error corrupt(std::string_view why) const;

  ByteSource& source_;
  std::string_view what_;
  std::string current_;  // path, for errors
  uint64_t position_ = 0, data_offset_ = 0;
  uint64_t left_ = 0, padding_ = 0;
  std::optional<SparseMap> sparse_;  // of the current entry
  size_t sparse_piece_ = 0;
  uint64_t sparse_at_ = 0, holes_ = 0;  // in the file; zeros of all entries so far
};

}  // namespace bartizan::image::tar
