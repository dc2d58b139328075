#include "image/layer/apply.hpp"

#include "crypto/hash.hpp"
#include "image/filesystem/xattrs.hpp"

namespace bartizan::image::layer {
namespace {

constexpr std::string_view kWhiteout = ".wh.", kAufs = ".wh..wh.", kOpaque = ".wh..wh..opq";
constexpr size_t kMaxTarget = 4095;  // PATH_MAX without its zero byte
// All contents of an image. Beyond this somebody wants to fill a disk, not to run a workload.
constexpr uint64_t kMaxContentBytes = kTiB;
constexpr int kMaxLinkHops = 64;  // hard links to hard links to … of hidden files
// For paths that hard links name and that are not at hand: a path may be a quarter of a MiB long.
constexpr uint64_t kMaxLinkBytes = 16 * kMiB;
constexpr uint64_t kLinkCost = 128;  // of one, besides its bytes

filesystem::FileType type_of(tar::TarKind kind) {
  switch (kind) {
    case tar::TarKind::directory:
      return filesystem::FileType::directory;
    case tar::TarKind::symlink:
      return filesystem::FileType::symlink;
    case tar::TarKind::char_device:
      return filesystem::FileType::char_device;
    case tar::TarKind::block_device:
      return filesystem::FileType::block_device;
    case tar::TarKind::fifo:
      return filesystem::FileType::fifo;
    case tar::TarKind::regular:
    case tar::TarKind::hard_link:
      break;
  }
  return filesystem::FileType::regular;
}

// A tar with the stream that it comes from, which is read to its very end.
class Archive : public tar::EntryReader {
 public:
  Archive(std::unique_ptr<tar::ByteSource> source, const std::string& name)
      : source_(std::move(source)), name_(name), reader_(*source_, name_) {}

  Result<std::optional<tar::TarEntry>> next() override {
    auto entry = TRY(reader_.next());
    if (!entry) TRY(source_->skip(UINT64_MAX));
    return entry;
  }
  Result<ByteView> take(std::span<uint8_t> space) override { return reader_.take(space); }

 private:
  std::unique_ptr<tar::ByteSource> source_;
  std::string name_;
  tar::TarReader reader_;
};

uint32_t device_number(const tar::TarEntry& entry) {  // Linux new_encode_dev()
  return (entry.device_minor & 0xff) | entry.device_major << 8 |
         (entry.device_minor & ~0xffu) << 12;
}

}  // namespace

Error LayerMerger::corrupt(std::string_view path, std::string_view why) const {
  return make_error(ErrorCode::corrupt, "image/layer", "{}: \"{}\": {}", name_, path.substr(0, 200),
                    why);
}

Result<void> LayerMerger::apply(uint16_t number, const std::string& name, const Open& open) {
  has_whiteouts_ = true;
  return apply_all(number, name, [&]() -> Result<std::unique_ptr<tar::EntryReader>> {
    return std::unique_ptr<tar::EntryReader>(std::make_unique<Archive>(TRY(open()), name));
  });
}

Result<void> LayerMerger::apply_entries(uint16_t number, const std::string& name,
                                        const OpenEntries& open) {
  has_whiteouts_ = false;
  return apply_all(number, name, open);
}

Result<void> LayerMerger::apply_all(uint16_t number, const std::string& name,
                                    const OpenEntries& open) {
  name_ = name;
  merged_.begin_layer(number, name);
  hidden_.clear();
  wanted_.clear();
  auto reader = TRY(open());
  for (entry_ = 0; auto entry = TRY(reader->next()); ++entry_) TRY(take(*reader, *entry));
  return wanted_.empty() ? Result<void>() : read_again(open);
}

Result<void> LayerMerger::add_file(uint16_t number, const tar::Path& path, uint32_t mode,
                                   ByteView content) {
  name_ = "bartizan";
  merged_.begin_layer(number, name_);
  filesystem::InodeId id = TRY(make_placeholder());
  tree_.inode(id).mode = static_cast<uint16_t>(mode);
  TRY(writer_.begin_file());
  TRY(writer_.append(content));
  filesystem::Attributes attributes;
  TRY(place_file(id, attributes));
  filesystem::NodeId node = TRY(merged_.resolve(path));
  if (node != 0 && merged_.is_visible(node, filesystem::FileType::regular))
    merged_.assign_inode(node, id);
  return {};
}

// Whiteouts and the like; false if `path` is an ordinary name.
Result<bool> LayerMerger::apply_whiteout(tar::Path path) {
  std::string base = path.back();
  if (!base.starts_with(kWhiteout)) return false;
  path.pop_back();
  if (base == kOpaque) {
    TRY(merged_.opaque(path));
    return true;
  }
  if (base.starts_with(kAufs))
    return true;  // AUFS's own bookkeeping, which tools still let through
  std::string hidden = base.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..")
    return corrupt(base, "whiteout of nothing");
  path.push_back(std::move(hidden));
  TRY(merged_.whiteout(path));
  return true;
}

filesystem::InodeId LayerMerger::take_pending(const std::string& path) {
  auto found = pending_.extract(path);
  return found ? found.mapped() : 0;
}

LayerMerger::PathDigest LayerMerger::digest_of(const std::string& path) {
  auto whole = crypto::sha256(as_bytes(path));
  PathDigest digest;
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

// Charges a retained hard-link target path against kMaxLinkBytes.
Result<void> LayerMerger::hold_link(size_t bytes) {
  link_bytes_ += bytes + kLinkCost;
  if (link_bytes_ <= kMaxLinkBytes) return {};
  return make_error(ErrorCode::resource_exhausted, "image/layer",
                    "{}: hard links to hidden files and to lower layers take more than {} bytes",
                    name_, kMaxLinkBytes);
}

// The current entry is not seen. `link`: its target, if it is a hard link.
Result<void> LayerMerger::hide(const tar::Path& path, std::string link) {
  if (hidden_.size() + tree_.names() > filesystem::kMaxNames) {
    return make_error(ErrorCode::resource_exhausted, "image/layer",
                      "{}: more than {} names with the hidden ones, the limit for an image", name_,
                      filesystem::kMaxNames);
  }
  Hidden& hidden = hidden_[digest_of(tar::join_path(path))];
  hidden = {entry_, nullptr};
  if (link.empty()) return {};
  TRY(hold_link(link.size()));
  hidden.link = std::make_unique<std::string>(std::move(link));
  return {};
}

Result<filesystem::InodeId> LayerMerger::make_placeholder() {
  filesystem::InodeId id = TRY(tree_.make_inode(name_));
  tree_.inode(id).type = filesystem::FileType::regular;
  return id;
}

Result<void> LayerMerger::take(tar::EntryReader& reader, const tar::TarEntry& entry) {
  tar::Path path = TRY(tar::split_path(entry.path, name_));
  if (!path.empty() && has_whiteouts_ && TRY(apply_whiteout(path))) return {};
  filesystem::FileType type = type_of(entry.kind);
  if (path.empty() && entry.kind != tar::TarKind::directory)
    return corrupt(entry.path, "the root is not a folder");
  filesystem::NodeId node = TRY(merged_.resolve(path));
  if (entry.kind == tar::TarKind::hard_link) return take_link(entry, path, node);
  bool seen = node != 0 && merged_.is_visible(node, type);
  filesystem::InodeId inode = 0;
  if (type != filesystem::FileType::directory) {
    inode = take_pending(tar::join_path(path));
    if (!seen && inode == 0) return hide(path, {});
  } else if (!seen) {
    return {};
  }
  if (inode == 0) inode = TRY(tree_.make_inode(name_));
  TRY(fill(reader, entry, inode));
  if (seen) merged_.assign_inode(node, inode);
  return {};
}

Result<void> LayerMerger::take_link(const tar::TarEntry& entry, const tar::Path& path,
                                    filesystem::NodeId node) {
  tar::Path target = TRY(tar::split_path(entry.link, name_));
  if (target.empty() || target == path)
    return corrupt(entry.path, "hard link to itself or the root");
  bool seen = node != 0 && merged_.is_visible(node, filesystem::FileType::regular);
  filesystem::InodeId pending = take_pending(tar::join_path(path));
  if (!seen && pending == 0) return hide(path, tar::join_path(target));
  filesystem::InodeId inode = TRY(link_inode(target));
  if (pending != 0) {
    pending = tree_.resolve(pending);
    if (inode == pending) return corrupt(entry.path, "hard links in a circle");
    tree_.inode(pending).type = filesystem::FileType::alias;
    tree_.inode(pending).block = inode;
  }
  if (seen) merged_.assign_inode(node, inode);
  return {};
}

// The inode behind a hard link's target: seen in this layer, hidden in it, or still to come from a
// lower one.
Result<filesystem::InodeId> LayerMerger::link_inode(tar::Path target) {
  for (int hop = 0; hop < kMaxLinkHops; ++hop) {
    if (filesystem::NodeId own = merged_.node_in_layer(target))
      return tree_.resolve(tree_.node(own).inode);
    std::string text = tar::join_path(target);
    auto hidden = hidden_.find(digest_of(text));
    bool alias = hidden != hidden_.end() && hidden->second.link != nullptr;
    if (!alias) {
      bool here = hidden != hidden_.end();
      filesystem::InodeId& inode = here ? wanted_[hidden->second.entry] : pending_[text];
      if (inode == 0) {
        if (!here) TRY(hold_link(text.size()));
        inode = TRY(make_placeholder());
      }
      return tree_.resolve(inode);
    }
    target = TRY(tar::split_path(*hidden->second.link, name_));
  }
  return corrupt(tar::join_path(target), "hard links in a circle");
}

Result<void> LayerMerger::copy_content(tar::EntryReader& reader, uint64_t size) {
  if (contents_ == Contents::counted) {
    writer_.count(size);
    return {};
  }
  for (;;) {
    ByteView piece = TRY(reader.take(buffer_));
    if (piece.empty()) return {};
    TRY(writer_.append(piece));
  }
}

Result<void> LayerMerger::fill(tar::EntryReader& reader, const tar::TarEntry& entry,
                               filesystem::InodeId id) {
  filesystem::Inode& inode = tree_.inode(id);
  inode.type = type_of(entry.kind);
  inode.mode = static_cast<uint16_t>(entry.kind == tar::TarKind::symlink ? 0777 : entry.mode);
  filesystem::Attributes attributes{entry.uid, entry.gid, entry.mtime, entry.mtime_nsec, {}, {}};
  attributes.xattrs = TRY(filesystem::encode_xattrs(entry.xattrs, entry.path));
  if (entry.kind == tar::TarKind::regular) return fill_file(reader, entry, id, attributes);
  if (entry.kind == tar::TarKind::symlink) {
    bool valid = !entry.link.empty() && entry.link.size() <= kMaxTarget &&
                 entry.link.find('\0') == std::string::npos;
    if (!valid) return corrupt(entry.path, "symbolic link with an impossible target");
    attributes.tail = entry.link;
  } else if (entry.kind == tar::TarKind::char_device || entry.kind == tar::TarKind::block_device) {
    inode.block = device_number(entry);
  }
  return tree_.set_attributes(id, attributes);
}

Result<void> LayerMerger::fill_file(tar::EntryReader& reader, const tar::TarEntry& entry,
                                    filesystem::InodeId id, filesystem::Attributes& attributes) {
  written_ += entry.size;
  if (written_ > kMaxContentBytes) {
    return make_error(ErrorCode::resource_exhausted, "image/layer",
                      "{}: \"{}\": contents beyond {} bytes, the limit for an image", name_,
                      entry.path.substr(0, 200), kMaxContentBytes);
  }
  TRY(writer_.begin_file());
  TRY(copy_content(reader, entry.size));
  return place_file(id, attributes);
}

// The writer's current file ends and is the content of that inode.
Result<void> LayerMerger::place_file(filesystem::InodeId id, filesystem::Attributes& attributes) {
  auto content = TRY(writer_.end_file(attributes.xattrs.size()));
  // A tail that was only counted takes its space all the same, for the tree reads it back.
  bool copied = contents_ == Contents::copied;
  attributes.tail =
      copied ? std::string(as_text(content.tail)) : std::string(content.tail.size(), '\0');
  TRY(tree_.set_attributes(id, attributes));
  filesystem::Inode& inode = tree_.inode(id);
  inode.size = content.size;
  inode.block = content.block;
  inode.tail_bytes = static_cast<uint16_t>(content.tail.size());
  return {};
}

Result<void> LayerMerger::read_again(const OpenEntries& open) {
  auto reader = TRY(open());
  for (entry_ = 0; auto entry = TRY(reader->next()); ++entry_) {
    auto wanted = wanted_.find(entry_);
    if (wanted != wanted_.end()) TRY(fill(*reader, *entry, wanted->second));
  }
  return {};
}

Result<filesystem::Tree*> LayerMerger::finish() {
  TRY(merged_.redirect());
  for (auto& [path, pending] : pending_) {
    filesystem::NodeId node = merged_.find(TRY(tar::split_path(path, name_)));
    filesystem::InodeId target = node != 0 ? tree_.resolve(tree_.node(node).inode) : 0;
    filesystem::InodeId inode = tree_.resolve(pending);
    bool valid = target != 0 && tree_.inode(target).type != filesystem::FileType::directory &&
                 target != inode;
    if (!valid) return corrupt(path, "hard link to a file that no layer holds");
    tree_.inode(inode).type = filesystem::FileType::alias;
    tree_.inode(inode).block = target;
  }
  TRY(merged_.complete());
  totals_ = tree_.count_links();
  return &tree_;
}

}  // namespace bartizan::image::layer
