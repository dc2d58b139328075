#include "image/tar/tar_reader.hpp"

#include <numeric>

#include "base/checked.hpp"
#include "base/units.hpp"
#include "image/tar/pax.hpp"
#include "image/tar/tar_writer.hpp"

namespace bartizan::image::tar {
namespace {

// A header extension larger than this comes from an attacker who wants our memory. Linux limits all
// xattrs of a file to far less, and a path to 4096 bytes.
constexpr uint64_t kMaxPaxBytes = kMiB;
constexpr uint64_t kMaxLongName = 64 * kKiB;
// One entry after the other may carry extensions and no file: bounded, or a small layer keeps us
// busy in one next().
constexpr int kMaxExtensionsInARow = 64;
constexpr uint64_t kMaxEntryBytes = uint64_t{1} << 50;  // so that sums below cannot wrap

// Offsets and sizes of the fields, POSIX.1-2008 pax, "ustar Header Block".
struct Field {
  size_t offset, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kMtime{136, 12}, kChecksum{148, 8}, kLinkName{157, 100}, kMagic{257, 6}, kDevMajor{329, 8},
    kDevMinor{337, 8}, kPrefix{345, 155};
constexpr size_t kTypeFlag = 156;

std::string_view field_bytes(const uint8_t* header, Field field) {
  return {reinterpret_cast<const char*>(header) + field.offset, field.size};
}

std::string text_field(const uint8_t* header, Field field) {
  std::string_view bytes = field_bytes(header, field);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

// GNU's base-256: top bit set, two's complement in the rest, big endian.
std::optional<int64_t> base256(std::string_view bytes) {
  int64_t value = (bytes[0] & 0x40) ? -1 : 0;
  uint8_t first = static_cast<uint8_t>(bytes[0]) & 0x7f;
  if (bytes[0] & 0x40) first |= 0x80;
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint8_t byte = i == 0 ? first : static_cast<uint8_t>(bytes[i]);
    int64_t shifted;
    if (__builtin_mul_overflow(value, int64_t{256}, &shifted)) return std::nullopt;
    value = shifted | byte;
  }
  return value;
}

std::optional<int64_t> number_field(const uint8_t* header, Field field) {
  std::string_view bytes = field_bytes(header, field);
  if (bytes[0] & 0x80) return base256(bytes);
  size_t begin = bytes.find_first_not_of(' ');
  int64_t value = 0;
  for (size_t i = begin; i < bytes.size() && bytes[i] != '\0' && bytes[i] != ' '; ++i) {
    if (bytes[i] < '0' || bytes[i] > '7') return std::nullopt;
    value = value * 8 + (bytes[i] - '0');
  }
  return value;
}

bool checksum_fits(const uint8_t* header) {
  auto stored = number_field(header, kChecksum);
  if (!stored) return false;
  std::array<uint8_t, kTarBlock> bytes;  // with spaces where the sum is
  std::copy_n(header, kTarBlock, bytes.begin());
  std::fill_n(bytes.begin() + kChecksum.offset, kChecksum.size, ' ');
  if (*stored == std::accumulate(bytes.begin(), bytes.end(), 0)) return true;
  // As some historic writers counted.
  auto add_signed = [](int sum, uint8_t byte) { return sum + static_cast<int8_t>(byte); };
  return *stored == std::accumulate(bytes.begin(), bytes.end(), 0, add_signed);
}

std::optional<TarKind> kind_of(char type, std::string_view path) {
  switch (type) {
    case '\0':
    case '0':
    case '7':
    case 'S':
      return path.ends_with('/') ? TarKind::directory
                                 : TarKind::regular;  // V7 had no type for folders
    case '1':
      return TarKind::hard_link;
    case '2':
      return TarKind::symlink;
    case '3':
      return TarKind::char_device;
    case '4':
      return TarKind::block_device;
    case '5':
      return TarKind::directory;
    case '6':
      return TarKind::fifo;
    default:
      return std::nullopt;
  }
}

std::string printable(char type) {
  return type >= ' ' && type < 127 ? std::string(1, type)
                                   : fmt::format("\\x{:02x}", static_cast<uint8_t>(type));
}

}  // namespace

struct TarReader::Extensions {
  std::optional<std::string> path, link;  // GNU 'L' and 'K'
  PaxRecords pax;
};

Error TarReader::corrupt(std::string_view why) const {
  return make_error(ErrorCode::corrupt, "image/tar", "{}: tar entry \"{}\" before byte {}: {}",
                    what_, current_.substr(0, 200), position_, why);
}

Result<void> TarReader::skip_data() {
  uint64_t count = left_ + padding_;
  if (count == 0) return {};
  uint64_t skipped = TRY(source_.skip(count));
  position_ += skipped;
  // The last entry's padding may be missing: some writers stop right after the data.
  if (skipped < left_) return corrupt("archive is cut off inside its data");
  left_ = padding_ = 0;
  return {};
}

Result<size_t> TarReader::read(std::span<uint8_t> to) {
  if (!sparse_) return read_stored(to);
  SparseRun run = sparse_run(*sparse_, sparse_piece_, sparse_at_);
  to = to.first(std::min<uint64_t>(to.size(), run.bytes));
  size_t got = to.size();
  if (run.stored) {
    got = TRY(read_stored(to));
  } else {
    std::fill(to.begin(), to.end(), 0);
  }
  sparse_at_ += got;
  return got;
}

Result<ByteView> TarReader::take(std::span<uint8_t> space) {
  if (sparse_) return ByteView(space.first(TRY(read(space))));
  return take_stored(space);
}

Result<size_t> TarReader::read_stored(std::span<uint8_t> to) {
  if (left_ == 0) return size_t{0};
  size_t got = TRY(source_.read(to.first(std::min<uint64_t>(to.size(), left_))));
  if (got == 0) return corrupt("archive is cut off inside its data");
  left_ -= got;
  position_ += got;
  return got;
}

Result<ByteView> TarReader::take_stored(std::span<uint8_t> space) {
  if (left_ == 0) return ByteView();
  ByteView piece = TRY(source_.take(space.first(std::min<uint64_t>(space.size(), left_))));
  if (piece.empty()) return corrupt("archive is cut off inside its data");
  left_ -= piece.size();
  position_ += piece.size();
  return piece;
}

Result<std::string> TarReader::read_text(uint64_t size, uint64_t limit) {
  if (size > limit) {
    return make_error(ErrorCode::resource_exhausted, "image/tar",
                      "{}: a header extension of {} bytes, the limit is {}", what_, size, limit);
  }
  std::string text(size, '\0');
  auto space = std::span(reinterpret_cast<uint8_t*>(text.data()), text.size());
  for (size_t done = 0; done < size;) done += TRY(read_stored(space.subspan(done)));
  return text;
}

// False at the end of the archive.
Result<bool> TarReader::read_header(std::span<uint8_t> header) {
  TRY(skip_data());
  sparse_.reset();
  size_t got = TRY(read_full(source_, header));
  position_ += got;
  if (got == 0) return false;
  if (got < kTarBlock) return corrupt("archive is cut off inside the header after it");
  if (std::all_of(header.begin(), header.end(), [](uint8_t byte) { return byte == 0; })) {
    return false;
  }
  if (!checksum_fits(header.data())) return corrupt("header after it has a wrong checksum");
  auto size = number_field(header.data(), kSize);
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > kMaxEntryBytes) {
    return corrupt("header after it has a bad size");
  }
  left_ = static_cast<uint64_t>(*size);
  padding_ = align_up(left_, kTarBlock) - left_;
  data_offset_ = position_;
  return true;
}

// Takes entries that only describe the next one; false if `type` is another one.
Result<bool> TarReader::read_extension(char type, uint64_t size, Extensions& extensions) {
  switch (type) {
    case 'L':
    case 'K': {
      std::string text = TRY(read_text(size, kMaxLongName));
      text.resize(std::min(text.size(), text.find('\0')));
      (type == 'L' ? extensions.path : extensions.link) = std::move(text);
      return true;
    }
    case 'x':
      extensions.pax = TRY(parse_pax(TRY(read_text(size, kMaxPaxBytes)), what_));
      return true;
    case 'g':  // defaults for all that follows; tools of OCI images write only comments there, and
               // readers ignore it
      TRY(read_text(size, kMaxPaxBytes));
      return true;
    default:
      return false;
  }
}

Result<std::optional<TarEntry>> TarReader::next() {
  Extensions extensions;
  for (int i = 0; i < kMaxExtensionsInARow; ++i) {
    std::array<uint8_t, kTarBlock> header;
    if (!TRY(read_header(header))) return std::optional<TarEntry>();
    char type = static_cast<char>(header[kTypeFlag]);
    if (TRY(read_extension(type, left_, extensions))) continue;
    return std::optional<TarEntry>(TRY(make_entry(header.data(), type, extensions)));
  }
  return corrupt("too many header extensions in a row after it");
}

namespace {

// Numbers of the header, overridden by PAX. Nothing if any is out of range.
bool fill_numbers(const uint8_t* header, const PaxRecords& pax, TarEntry& entry) {
  auto number = [&](Field field, const char* key, uint64_t most) -> std::optional<uint64_t> {
    auto record = pax.find(key);
    std::optional<uint64_t> value;
    if (record != pax.end()) {
      value = parse_decimal(record->second);
    } else if (auto stored = number_field(header, field); stored && *stored >= 0) {
      value = static_cast<uint64_t>(*stored);
    }
    return value && *value <= most ? value : std::nullopt;
  };
  auto mode = number(kMode, "", UINT64_MAX);
  auto uid = number(kUid, "uid", UINT32_MAX), gid = number(kGid, "gid", UINT32_MAX);
  auto mtime = number_field(header, kMtime);
  if (!mode || !uid || !gid || !mtime) return false;
  entry.mode = static_cast<uint32_t>(*mode & 07777);
  entry.uid = static_cast<uint32_t>(*uid);
  entry.gid = static_cast<uint32_t>(*gid);
  entry.mtime = *mtime;
  if (auto record = pax.find("mtime"); record != pax.end()) {
    auto time = parse_pax_time(record->second);
    if (!time) return false;
    entry.mtime = time->seconds;
    entry.mtime_nsec = time->nanoseconds;
  }
  return true;
}

bool fill_device(const uint8_t* header, TarEntry& entry) {
  constexpr int64_t kMaxMajor = (1 << 12) - 1, kMaxMinor = (1 << 20) - 1;  // Linux dev_t
  auto major = number_field(header, kDevMajor), minor = number_field(header, kDevMinor);
  if (!major || !minor || *major < 0 || *minor < 0 || *major > kMaxMajor || *minor > kMaxMinor) {
    return false;
  }
  entry.device_major = static_cast<uint32_t>(*major);
  entry.device_minor = static_cast<uint32_t>(*minor);
  return true;
}

void fill_names(const PaxRecords& pax, TarEntry& entry) {
  constexpr std::string_view kXattr = "SCHILY.xattr.";
  if (auto record = pax.find("path"); record != pax.end()) entry.path = record->second;
  // Of sparse files, whose own path is a place for readers that do not know them.
  if (auto record = pax.find("GNU.sparse.name"); record != pax.end()) entry.path = record->second;
  if (auto record = pax.find("linkpath"); record != pax.end()) entry.link = record->second;
  for (auto record = pax.lower_bound(std::string(kXattr));
       record != pax.end() && record->first.starts_with(kXattr); ++record) {
    entry.xattrs[record->first.substr(kXattr.size())] = record->second;
  }
}

}  // namespace

Result<TarEntry> TarReader::make_entry(const uint8_t* header, char type, Extensions& extensions) {
  TarEntry entry;
  entry.path = text_field(header, kName);
  bool posix = field_bytes(header, kMagic) == std::string_view("ustar\0", 6);
  std::string prefix = posix ? text_field(header, kPrefix) : "";  // GNU keeps other things there
  if (!prefix.empty()) entry.path = prefix + "/" + entry.path;
  entry.link = text_field(header, kLinkName);
  if (extensions.path) entry.path = std::move(*extensions.path);
  if (extensions.link) entry.link = std::move(*extensions.link);
  fill_names(extensions.pax, entry);
  current_ = entry.path;
  auto kind = kind_of(type, entry.path);
  if (!kind) {
    return make_error(ErrorCode::unsupported, "image/tar", "{}: \"{}\": tar entry type '{}'", what_,
                      current_, printable(type));
  }
  entry.kind = *kind;
  if (auto record = extensions.pax.find("size"); record != extensions.pax.end()) {
    auto size = parse_decimal(record->second);
    if (!size || *size > kMaxEntryBytes) return corrupt("bad size");
    left_ = *size;
    padding_ = align_up(left_, kTarBlock) - left_;
  }
  bool device = *kind == TarKind::char_device || *kind == TarKind::block_device;
  if (!fill_numbers(header, extensions.pax, entry) || (device && !fill_device(header, entry))) {
    return corrupt("a number in its header is malformed or out of range");
  }
  if (*kind != TarKind::regular)
    left_ = padding_ = 0;  // whatever size they claim, no data follows them
  if (*kind == TarKind::regular) TRY(find_sparse(header, type, extensions.pax));
  entry.sparse = sparse_.has_value();
  entry.size = entry.sparse ? sparse_->size : left_;
  return entry;
}

Result<void> TarReader::find_sparse(const uint8_t* header, char type, const PaxMap& pax) {
  if (type == 'S') return read_old_sparse({header, kTarBlock});
  bool sparse = pax.contains("GNU.sparse.major") || pax.contains("GNU.sparse.map") ||
                pax.contains("GNU.sparse.size");
  return sparse ? read_sparse_map(pax) : Result<void>();
}

Result<void> TarReader::begin_sparse(SparseMap map) {
  if (map.size > kMaxEntryBytes) return corrupt("sparse file of an impossible size");
  TRY(check_sparse(map, left_, current_));
  holes_ += map.size - left_;
  if (holes_ > kMaxHoleBytes) {
    return make_error(ErrorCode::resource_exhausted, "image/tar",
                      "{}: \"{}\": {} bytes of holes in sparse files, the limit is {}", what_,
                      current_.substr(0, 200), holes_, kMaxHoleBytes);
  }
  sparse_ = std::move(map);
  sparse_piece_ = 0;
  sparse_at_ = 0;
  return {};
}

// GNU tar's struct oldgnu_header and struct sparse_header: pairs of offset and size, four in the
// header and 21 in each block after it, as long as a flag marks that there are more.
Result<void> TarReader::read_old_sparse(std::span<const uint8_t> header) {
  constexpr size_t kPairs = 386, kMore = 482, kMoreInBlock = 504, kPairBytes = 24;
  constexpr Field kRealSize{483, 12};
  SparseMap map;
  auto take = [&map](const uint8_t* block, size_t at, size_t count) {
    for (size_t i = 0; i < count; ++i, at += kPairBytes) {
      if (block[at] == 0) return true;
      auto offset = number_field(block, {at, 12}), size = number_field(block, {at + 12, 12});
      if (!offset || !size || *offset < 0 || *size < 0) return false;
      map.pieces.push_back({static_cast<uint64_t>(*offset), static_cast<uint64_t>(*size)});
    }
    return true;
  };
  auto size = number_field(header.data(), kRealSize);
  if (!size || *size < 0 || !take(header.data(), kPairs, 4)) return corrupt("bad sparse header");
  map.size = static_cast<uint64_t>(*size);
  std::array<uint8_t, kTarBlock> block;
  for (bool more = header[kMore] != 0; more; more = block[kMoreInBlock] != 0) {
    if (map.pieces.size() > kMaxSparsePieces) return corrupt("too many pieces of a sparse file");
    size_t got = TRY(read_full(source_, block));
    position_ += got;
    if (got < kTarBlock) return corrupt("archive is cut off inside a sparse header");
    if (!take(block.data(), 0, 21)) return corrupt("bad sparse header");
  }
  return begin_sparse(std::move(map));
}

Result<uint64_t> TarReader::read_map_line() {
  constexpr size_t kMaxDigits = 20;
  std::string digits;
  for (uint8_t byte = 0; digits.size() <= kMaxDigits;) {
    if (TRY(read_stored({&byte, 1})) == 0) break;
    if (byte == '\n') break;
    digits += static_cast<char>(byte);
  }
  auto value = parse_decimal(digits);
  if (!value) return corrupt("bad map of a sparse file");
  return *value;
}

// PAX 0.1: the map is a record. PAX 1.0: it is lines at the beginning of the data, up to a full
// block. The older 0.0 repeats records, which no record list here can hold: refused.
Result<void> TarReader::read_sparse_map(const PaxMap& pax) {
  auto number = [&pax](const char* key) {
    auto record = pax.find(key);
    return record == pax.end() ? std::nullopt : parse_decimal(record->second);
  };
  SparseMap map;
  bool lines = number("GNU.sparse.major") == 1u && number("GNU.sparse.minor") == 0u;
  auto size = number(lines ? "GNU.sparse.realsize" : "GNU.sparse.size");
  if (!lines && !pax.contains("GNU.sparse.map")) {
    return make_error(ErrorCode::unsupported, "image/tar", "{}: \"{}\": this form of sparse files",
                      what_, current_.substr(0, 200));
  }
  if (!size) return corrupt("sparse file without a size");
  map.size = *size;
  if (!lines) {
    map.pieces = TRY(parse_sparse_list(pax.find("GNU.sparse.map")->second, current_));
    return begin_sparse(std::move(map));
  }
  uint64_t begin = position_, count = TRY(read_map_line());
  if (count > kMaxSparsePieces) return corrupt("too many pieces of a sparse file");
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t offset = TRY(read_map_line());
    map.pieces.push_back({offset, TRY(read_map_line())});
  }
  uint64_t used = position_ - begin, rest = align_up(used, kTarBlock) - used;
  std::array<uint8_t, kTarBlock> ignored;
  while (rest > 0) {
    size_t got = TRY(read_stored(std::span(ignored).first(rest)));
    if (got == 0) return corrupt("archive is cut off inside a map");
    rest -= got;
  }
  return begin_sparse(std::move(map));
}

}  // namespace bartizan::image::tar
