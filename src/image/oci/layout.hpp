// Layout: the files of an OCI image layout where they are: in a folder, or in a plain tar of one
// (an "oci-archive"), which is not unpacked: its files are read at their places in it. Copies are
// cheap.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::image::oci {

class Layout {
 public:
  // A folder; it need not exist yet. Implicit, because most are.
  Layout(std::filesystem::path folder) : path_(std::move(folder)) {}  // NOLINT
  // Looks what is there, and reads the headers of an archive. Errors: not_found; corrupt (neither
  // folder nor archive, a name twice); unsupported (a compressed archive); resource_exhausted.
  static Result<Layout> open(const std::filesystem::path& path);

  struct File {
    UniqueFd fd;
    std::filesystem::path path;  // of the file that holds the bytes
    uint64_t offset = 0, size = 0;
  };
  // `name` relative to the layout. Errors: not_found, corrupt (no regular file), as of open(2).
  Result<File> open_file(const std::string& name) const;
  Result<Bytes> read(const std::string& name, uint64_t limit) const;

  const std::filesystem::path& path() const { return path_; }
  bool is_archive() const { return entries_ != nullptr; }

 private:
  struct Extent {
    uint64_t offset = 0, size = 0;
  };
  using Entries = std::map<std::string, Extent>;
  static Result<Entries> list_archive(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::shared_ptr<const Entries> entries_;  // null: a folder
};

// By the first 512 bytes of a file: a tar, or something compressed that may be one.
bool looks_like_archive(ByteView head);

}  // namespace bartizan::image::oci
