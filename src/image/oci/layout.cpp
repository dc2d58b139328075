#include "image/oci/layout.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/errors.hpp"
#include "image/tar/file_source.hpp"
#include "image/tar/path.hpp"
#include "image/tar/tar_reader.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";
// An index of the largest size has fewer blobs; more want our memory.
constexpr size_t kMaxArchiveEntries = 20'000;

// A pipe or a device would block us or feed us without end.
Result<uint64_t> size_of_regular(int fd, const fs::path& path) {
  struct stat status;
  if (::fstat(fd, &status) != 0)
    return errno_error(errno, kOrigin, fmt::format("{}: stat", path.string()));
  if (S_ISREG(status.st_mode)) return static_cast<uint64_t>(status.st_size);
  return make_error(ErrorCode::corrupt, kOrigin, "{}: not a regular file", path.string());
}

// POSIX.1-2008 pax, "ustar Header Block": the field "magic".
bool is_tar(std::string_view head) {
  constexpr size_t kMagic = 257;
  return head.size() > kMagic && head.substr(kMagic).starts_with("ustar");
}

// "gzip", "zstd", or nothing: RFC 1952, 2.3.1; RFC 8878, 3.1.1.
std::string_view compression_of(std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return "gzip";
  return head.starts_with("\x28\xb5\x2f\xfd") ? "zstd" : "";
}

Result<void> check_is_tar(int fd, uint64_t size, const fs::path& path) {
  std::array<uint8_t, 512> first{};
  TRY(read_exactly(fd, std::span(first).first(std::min<uint64_t>(size, first.size())), 0,
                   path.string()));
  std::string_view head = as_text(first);
  if (auto compression = compression_of(head); !compression.empty()) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "{}: archive is compressed ({}): uncompress it first", path.string(),
                      compression);
  }
  if (is_tar(head)) return {};
  return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout, and no archive of one",
                    path.string());
}

}  // namespace

bool looks_like_archive(ByteView head) {
  return is_tar(as_text(head)) || !compression_of(as_text(head)).empty();
}

Result<Layout> Layout::open(const fs::path& path) {
  Layout layout(path);
  std::error_code ignored;
  auto status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_directory(status))
    layout.entries_ = std::make_shared<const Entries>(TRY(list_archive(path)));
  return layout;
}

Result<Layout::Entries> Layout::list_archive(const fs::path& path) {
  UniqueFd fd = TRY(bartizan::open_file(path, O_RDONLY | O_NONBLOCK));
  uint64_t size = TRY(size_of_regular(fd.get(), path));
  TRY(check_is_tar(fd.get(), size, path));
  std::string name = path.string();
  tar::FileSource source(fd.get(), 0, size, name);
  tar::TarReader reader(source, name);
  Entries entries;
  for (size_t count = 0;; ++count) {
    auto entry = TRY(reader.next());
    if (!entry) return entries;
    if (count == kMaxArchiveEntries) {
      return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: more than {} entries", name,
                        kMaxArchiveEntries);
    }
    // Links cannot stand for blobs here: a layout has none.
    if (entry->kind != tar::TarKind::regular || entry->sparse) continue;
    std::string key = tar::join_path(TRY(tar::split_path(entry->path, name)));
    // Of two files of one name, unpackers keep the last; others may not.
    if (!entries.emplace(key, Extent{reader.data_offset(), entry->size}).second) {
      return make_error(ErrorCode::corrupt, kOrigin, "{}: \"{}\" is in it twice", name,
                        key.substr(0, 200));
    }
  }
}

Result<Layout::File> Layout::open_file(const std::string& name) const {
  if (!is_archive()) {
    fs::path path = path_ / name;
    UniqueFd fd = TRY(bartizan::open_file(path, O_RDONLY | O_NONBLOCK));
    uint64_t size = TRY(size_of_regular(fd.get(), path));
    return File{std::move(fd), path, 0, size};
  }
  auto found = entries_->find(name);
  if (found == entries_->end()) {
    return make_error(ErrorCode::not_found, kOrigin, "{}: no \"{}\" in it", path_.string(), name);
  }
  UniqueFd fd = TRY(bartizan::open_file(path_, O_RDONLY | O_NONBLOCK));
  return File{std::move(fd), path_, found->second.offset, found->second.size};
}

Result<Bytes> Layout::read(const std::string& name, uint64_t limit) const {
  File file = TRY(open_file(name));
  if (file.size > limit) {
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: {}: {} bytes, the limit is {}",
                      path_.string(), name, file.size, limit);
  }
  Bytes content(file.size);
  TRY(read_exactly(file.fd.get(), content, file.offset, path_.string()));
  return content;
}

}  // namespace bartizan::image::oci
