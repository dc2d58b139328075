// Files: whole reads and writes that handle EINTR and short counts, and an output file that either
// appears complete under its name or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace bartizan {

// adds O_CLOEXEC
Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, mode_t mode = 0600);

struct Pipe {
  UniqueFd read, write;
};
// pipe2; adds O_CLOEXEC
Result<Pipe> make_pipe(int flags = 0);

// F_DUPFD_CLOEXEC, above the standard streams
Result<UniqueFd> duplicate_fd(int fd, std::string_view name);

Result<uint64_t> file_size(int fd, const std::filesystem::path& name);

// not_found, `WHAT PATH: …`: there is no folder in which a new file or folder could be made. Who
// names a place makes its folder: a misspelt one would be made in silence.
Result<void> require_parent(std::string_view what, const std::filesystem::path& path);

// The whole file; more than `limit` bytes is resource_exhausted (a hostile file must not fill
// memory).
Result<Bytes> read_file(const std::filesystem::path& path, uint64_t limit);
// invalid_argument for what is no regular file: a FIFO would be waited for.
Result<Bytes> read_regular_file(const std::filesystem::path& path, uint64_t limit);

// $TMPDIR or /tmp. not_found if it is no folder.
Result<std::filesystem::path> temporary_folder();

// read, until `to` is full or the file ends; how many bytes there were.
Result<size_t> read_up_to(int fd, std::span<uint8_t> to, std::string_view name);
// pread
Result<void> read_exactly(int fd, std::span<uint8_t> to, uint64_t offset, std::string_view name);
// pwrite
Result<void> write_exactly(int fd, ByteView from, uint64_t offset, std::string_view name);
// write
Result<void> write_all(int fd, ByteView from, std::string_view name);

// A file in `folder` for reading and writing that has no name: nothing is left of it however this
// process ends.
Result<UniqueFd> unnamed_file(const std::filesystem::path& folder);

// Writes `content` to a temporary neighbour of `path` and renames it over `path`.
Result<void> write_file(const std::filesystem::path& path, ByteView content, mode_t mode = 0644);

// A file or folder that is being made. `commit()` keeps it; otherwise the destructor removes it
// with all it holds.
class Unfinished {
 public:
  explicit Unfinished(std::filesystem::path path) : path_(std::move(path)) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished();
  const std::filesystem::path& path() const { return path_; }
  void commit() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

}  // namespace bartizan
