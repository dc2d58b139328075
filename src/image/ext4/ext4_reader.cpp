#include "image/ext4/ext4_reader.hpp"

#include <sys/stat.h>

#include <unordered_map>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "image/ext4/filesystem.hpp"
#include "image/tar/sparse.hpp"

namespace bartizan::image::ext4 {
namespace {

constexpr char kOrigin[] = "image/ext4";
// Names that wait to be visited are held in memory: those of the folders from the root to here.
constexpr uint64_t kMaxWaitingBytes = 64 * kMiB;
constexpr uint64_t kMaxNamesInAll = 2'000'000;     // as of an image's layers
constexpr uint64_t kMaxHardLinkBytes = 64 * kMiB;  // first paths of files with several names
constexpr uint64_t kHardLinkCost = 64;             // of one, besides its path
constexpr size_t kMaxFolderDepth = 1024;           // as of a layer's paths
constexpr uint64_t kMaxTargetBytes = 4095;         // PATH_MAX without its zero byte
constexpr std::string_view kLostAndFound = "lost+found";

// The time's low 32 bits are signed; two more bits count on from 2038 (Linux fs/ext4/ext4.h).
int64_t seconds_of(uint32_t time, uint32_t extra) {
  return static_cast<int32_t>(time) + (static_cast<int64_t>(extra & 3) << 32);
}

// include/linux/kdev_t.h: the old form in the first word, else the new one in the second.
void set_device(const ext2_inode_large& inode, tar::TarEntry& entry) {
  const uint32_t old = inode.i_block[0], now = inode.i_block[1];
  entry.device_major = old != 0 ? (old >> 8) & 0xff : (now & 0xfff00) >> 8;
  entry.device_minor = old != 0 ? old & 0xff : (now & 0xff) | ((now >> 12) & 0xfff00);
}

std::optional<tar::TarKind> kind_of(uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return tar::TarKind::regular;
    case S_IFDIR:
      return tar::TarKind::directory;
    case S_IFLNK:
      return tar::TarKind::symlink;
    case S_IFCHR:
      return tar::TarKind::char_device;
    case S_IFBLK:
      return tar::TarKind::block_device;
    case S_IFIFO:
      return tar::TarKind::fifo;
    default:
      return std::nullopt;
  }
}

// The content of one file, piece by piece.
class Content {
 public:
  static Result<Content> open(FileSystem& fs, ext2_ino_t number, const ext2_inode_large& inode) {
    Content content(number, inode);
    if ((inode.i_flags & EXT4_INLINE_DATA_FL) == 0) return content;
    content.inline_ = TRY(fs.inline_content(number, content.inode_));
    if (content.size_ > content.inline_.size())
      return fs.corrupt(fmt::format("inode {}: has {} of {} bytes in it", number,
                                    content.inline_.size(), content.size_));
    content.is_inline_ = true;
    return content;
  }

  uint64_t left() const { return size_ - at_; }

  // Fills a part of `to` and returns how much; `holes`: how much of it was on no block.
  Result<size_t> read(FileSystem& fs, std::span<uint8_t> to, uint64_t& holes) {
    if (is_inline_) return copy_inline(to);
    const uint64_t block = fs.block_size();
    const uint64_t most = std::min<uint64_t>(left(), to.size() / block * block);
    if (most == 0) return size_t{0};
    const uint64_t first = TRY(fs.block_of(number_, inode_, at_ / block));
    uint64_t blocks = 1;
    // While the next ones follow on the disk, or are holes too.
    while (blocks * block < most) {
      const uint64_t next = TRY(fs.block_of(number_, inode_, at_ / block + blocks));
      if (next != (first == 0 ? 0 : first + blocks)) break;
      ++blocks;
    }
    const auto part = to.first(std::min(blocks * block, most));
    if (first == 0) {
      std::fill(part.begin(), part.end(), 0);
      holes += part.size();
    } else {
      TRY(fs.read_blocks(first, part));
    }
    at_ += part.size();
    return part.size();
  }

 private:
  Content(ext2_ino_t number, const ext2_inode_large& inode)
      : number_(number), inode_(inode), size_(EXT2_I_SIZE(&inode)) {}

  size_t copy_inline(std::span<uint8_t> to) {
    const size_t count = std::min<uint64_t>(left(), to.size());
    std::copy_n(inline_.begin() + static_cast<ptrdiff_t>(at_), count, to.begin());
    at_ += count;
    return count;
  }

  ext2_ino_t number_;
  ext2_inode_large inode_;
  uint64_t size_, at_ = 0;
  Bytes inline_;
  bool is_inline_ = false;
};

}  // namespace

class Ext4Reader::Walk {
 public:
  explicit Walk(std::unique_ptr<FileSystem> fs)
      : fs_(std::move(fs)), seen_(uint64_t{fs_->inodes()} + 1) {}

  Result<std::optional<tar::TarEntry>> next() {
    content_.reset();
    if (!begun_) {
      begun_ = true;
      return TRY(visit(EXT2_ROOT_INO, {}));
    }
    while (!folders_.empty()) {
      Folder& folder = folders_.back();
      if (folder.at == folder.names.size()) {
        waiting_ -= folder.names.size();
        path_.resize(folder.parent_path);
        folders_.pop_back();
        continue;
      }
      auto [number, name] = take_name(folder);
      if (auto entry = TRY(visit(number, name))) return entry;
    }
    return std::optional<tar::TarEntry>();
  }

  Result<ByteView> take(std::span<uint8_t> space) {
    if (!content_ || content_->left() == 0) return ByteView();
    const uint64_t holes = holes_;
    const size_t got = TRY(content_->read(*fs_, space, holes_));
    if (holes_ > tar::kMaxHoleBytes)
      return exhausted("bytes in holes of sparse files", tar::kMaxHoleBytes);
    stored_ += got - (holes_ - holes);
    // A block belongs to one file: more than the disk holds comes from blocks that have several.
    if (stored_ > fs_->disk_size()) return fs_->corrupt("files share blocks");
    return ByteView(space.first(got));
  }

  Result<std::optional<std::string>> read_root_file(const std::string& file, uint64_t limit) {
    const ext2_ino_t number = TRY(fs_->find_in_root(file));
    if (number == 0) return std::optional<std::string>();
    const ext2_inode_large inode = TRY(fs_->inode(number));
    if ((inode.i_mode & S_IFMT) != S_IFREG)
      return fs_->corrupt(fmt::format("/{}: not a regular file", file));
    return std::optional<std::string>(TRY(whole(number, inode, limit, "/" + file)));
  }

  const FileSystem& fs() const { return *fs_; }

 private:
  // Its entries: number (4 bytes), length of the name (1), name.
  struct Folder {
    Bytes names;
    size_t at = 0;
    size_t parent_path = 0;  // length of the path when it is left
  };

  Error exhausted(std::string_view what, uint64_t limit) const {
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: ext4: more {} than {}",
                      fs_->name(), what, limit);
  }

  static std::pair<ext2_ino_t, std::string> take_name(Folder& folder) {
    const uint8_t* at = folder.names.data() + folder.at;
    const size_t length = at[4];
    std::string name(reinterpret_cast<const char*>(at + 5), length);
    folder.at += 5 + length;
    return {load_le<uint32_t>(at), std::move(name)};
  }

  // Nothing: it is left out. A folder's entries come next.
  Result<std::optional<tar::TarEntry>> visit(ext2_ino_t number, std::string_view name) {
    const ext2_inode_large inode = TRY(fs_->inode(number));
    const auto kind = kind_of(inode.i_mode);
    if (!kind && (inode.i_mode & S_IFMT) == S_IFSOCK) return std::optional<tar::TarEntry>();
    if (!kind) return fs_->corrupt(fmt::format("inode {}: mode {:o}", number, inode.i_mode));
    const size_t parent_path = path_.size();
    std::string path = parent_path == 0 ? std::string(name) : path_ + "/" + std::string(name);
    if (seen_[number]) return TRY(hard_link(number, *kind, std::move(path)));
    seen_[number] = true;
    if (*kind == tar::TarKind::directory) TRY(enter(number, inode, path, parent_path));
    if (is_lost_and_found(path)) return leave_out();
    if (*kind != tar::TarKind::directory && inode.i_links_count > 1) TRY(remember(number, path));
    return TRY(describe(number, inode, *kind, std::move(path)));
  }

  bool is_lost_and_found(std::string_view path) const {
    return path == kLostAndFound && path_ == path && folders_.back().names.empty();
  }
  std::optional<tar::TarEntry> leave_out() {
    path_.resize(folders_.back().parent_path);
    folders_.pop_back();
    return std::nullopt;
  }

  Result<void> enter(ext2_ino_t number, const ext2_inode_large& inode, const std::string& path,
                     size_t parent_path) {
    if (folders_.size() > kMaxFolderDepth) return exhausted("folders in a path", kMaxFolderDepth);
    Folder folder;
    folder.parent_path = parent_path;
    TRY(fs_->list(number, inode, [&](ext2_ino_t entry, std::string_view name) -> Result<void> {
      if (++names_ > kMaxNamesInAll) return exhausted("names", kMaxNamesInAll);
      const size_t at = folder.names.size();
      folder.names.resize(at + 5);
      store_le<uint32_t>(folder.names.data() + at, entry);
      folder.names[at + 4] = static_cast<uint8_t>(name.size());
      folder.names.insert(folder.names.end(), name.begin(), name.end());
      if (waiting_ + folder.names.size() > kMaxWaitingBytes)
        return exhausted("bytes of names in folders of one path", kMaxWaitingBytes);
      return {};
    }));
    waiting_ += folder.names.size();
    folders_.push_back(std::move(folder));
    path_ = path;
    return {};
  }

  Result<std::optional<tar::TarEntry>> hard_link(ext2_ino_t number, tar::TarKind kind,
                                                 std::string path) {
    auto first = links_.find(number);
    if (kind == tar::TarKind::directory || first == links_.end())
      return fs_->corrupt(fmt::format("inode {}: has more names than it counts", number));
    tar::TarEntry entry;
    entry.kind = tar::TarKind::hard_link;
    entry.path = std::move(path);
    entry.link = first->second;
    return std::optional<tar::TarEntry>(std::move(entry));
  }

  Result<void> remember(ext2_ino_t number, const std::string& path) {
    link_bytes_ += path.size() + kHardLinkCost;
    if (link_bytes_ > kMaxHardLinkBytes)
      return exhausted("bytes of paths of files with several names", kMaxHardLinkBytes);
    links_.emplace(number, path);
    return {};
  }

  Result<std::optional<tar::TarEntry>> describe(ext2_ino_t number, const ext2_inode_large& inode,
                                                tar::TarKind kind, std::string path) {
    tar::TarEntry entry;
    entry.kind = kind;
    entry.path = std::move(path);
    entry.mode = inode.i_mode & 07777;
    entry.uid = inode_uid(inode);
    entry.gid = inode_gid(inode);
    constexpr size_t kUpToMtime = offsetof(ext2_inode_large, i_mtime_extra) + 4 - 128;
    const uint32_t extra = inode.i_extra_isize >= kUpToMtime ? inode.i_mtime_extra : 0;
    entry.mtime = seconds_of(inode.i_mtime, extra);
    entry.mtime_nsec = std::min(extra >> 2, 999'999'999u);
    entry.xattrs = TRY(fs_->xattrs(number));
    if (kind == tar::TarKind::symlink) entry.link = TRY(target(number, inode));
    if (kind == tar::TarKind::char_device || kind == tar::TarKind::block_device)
      set_device(inode, entry);
    if (kind == tar::TarKind::regular) {
      entry.size = EXT2_I_SIZE(&inode);
      content_ = TRY(Content::open(*fs_, number, inode));
    }
    return std::optional<tar::TarEntry>(std::move(entry));
  }

  Result<std::string> target(ext2_ino_t number, ext2_inode_large inode) {
    const uint64_t size = EXT2_I_SIZE(&inode);
    if (size > kMaxTargetBytes)
      return fs_->corrupt(fmt::format("inode {}: a symbolic link to {} bytes", number, size));
    if (ext2fs_is_fast_symlink(reinterpret_cast<ext2_inode*>(&inode)) == 0)
      return whole(number, inode, kMaxTargetBytes, fmt::format("inode {}", number));
    if (size > sizeof inode.i_block)
      return fs_->corrupt(fmt::format("inode {}: a symbolic link without its target", number));
    return std::string(reinterpret_cast<const char*>(inode.i_block), size);
  }

  Result<std::string> whole(ext2_ino_t number, const ext2_inode_large& inode, uint64_t limit,
                            const std::string& what) {
    if (EXT2_I_SIZE(&inode) > limit) return exhausted("bytes in " + what, limit);
    Content content = TRY(Content::open(*fs_, number, inode));
    Bytes space(align_up(std::max<uint64_t>(content.left(), 1), fs_->block_size()));
    std::string text;
    uint64_t holes = 0;
    while (content.left() > 0) {
      const size_t got = TRY(content.read(*fs_, space, holes));
      text.append(as_text(ByteView(space).first(got)));
    }
    return text;
  }

  std::unique_ptr<FileSystem> fs_;
  std::vector<bool> seen_;  // inodes that had their turn
  std::unordered_map<ext2_ino_t, std::string> links_;
  std::vector<Folder> folders_;  // from the root to the one that is being read
  std::string path_;             // of the last one
  std::optional<Content> content_;
  uint64_t waiting_ = 0, names_ = 0, link_bytes_ = 0, holes_ = 0, stored_ = 0;
  bool begun_ = false;
};

Ext4Reader::Ext4Reader(std::unique_ptr<Walk> walk) : walk_(std::move(walk)) {}
Ext4Reader::~Ext4Reader() = default;

Result<std::unique_ptr<Ext4Reader>> Ext4Reader::open(DiskBytes& disk, std::string name) {
  auto fs = TRY(FileSystem::open(disk, std::move(name)));
  return std::unique_ptr<Ext4Reader>(new Ext4Reader(std::make_unique<Walk>(std::move(fs))));
}

Result<std::optional<tar::TarEntry>> Ext4Reader::next() {
  return walk_->next();
}

Result<ByteView> Ext4Reader::take(std::span<uint8_t> space) {
  return walk_->take(space);
}

Result<std::optional<std::string>> Ext4Reader::read_root_file(const std::string& file,
                                                              uint64_t limit) {
  return walk_->read_root_file(file, limit);
}

uint64_t Ext4Reader::used_bytes() const {
  return walk_->fs().used_bytes();
}

}  // namespace bartizan::image::ext4
