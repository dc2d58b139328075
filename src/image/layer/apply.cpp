#include "image/layer/apply.hpp"

#include <unordered_set>

#include "image/filesystem/xattrs.hpp"

namespace bartizan::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.", kAufs = ".wh..wh.", kOpaque = ".wh..wh..opq";
constexpr size_t kMaxTarget = 4095;  // PATH_MAX without its zero byte
// All contents of an image. Beyond this somebody wants to fill a disk, not to run a workload.
constexpr uint64_t kMaxContentBytes = uint64_t{1} << 40;
constexpr int kMaxLinkHops = 64;  // hard links to hard links to … of hidden files

FileType type_of(TarKind kind) {
  switch (kind) {
    case TarKind::directory:
      return FileType::directory;
    case TarKind::symlink:
      return FileType::symlink;
    case TarKind::char_device:
      return FileType::char_device;
    case TarKind::block_device:
      return FileType::block_device;
    case TarKind::fifo:
      return FileType::fifo;
    case TarKind::regular:
    case TarKind::hard_link:
      break;
  }
  return FileType::regular;
}

std::shared_ptr<Inode> make_placeholder() {
  auto inode = std::make_shared<Inode>();
  inode->type = FileType::regular;
  return inode;
}

}  // namespace

Error LayerMerger::bad(std::string_view path, std::string_view why) const {
  return make_error(ErrorCode::corrupt, "image/layer", "{}: \"{}\": {}", name_, path.substr(0, 200),
                    why);
}

Result<void> LayerMerger::apply(uint32_t number, const std::string& name, const Open& open) {
  name_ = name;
  tree_.begin_layer(number, name);
  hidden_.clear();
  wanted_.clear();
  auto source = TRY(open());
  TarReader reader(*source, name_);
  for (entry_ = 0; auto entry = TRY(reader.next()); ++entry_) TRY(take(reader, *entry));
  TRY(source->skip(UINT64_MAX));
  return wanted_.empty() ? Result<void>() : read_again(open);
}

Result<void> LayerMerger::add_file(uint32_t number, const Path& path, uint32_t mode,
                                   ByteView content) {
  name_ = "bartizan";
  tree_.begin_layer(number, name_);
  auto inode = make_placeholder();
  inode->mode = mode;
  TRY(writer_.begin_file(*inode));
  TRY(writer_.append(content));
  TRY(writer_.end_file());
  Node* node = TRY(tree_.place(path));
  if (node != nullptr && tree_.claim(*node, FileType::regular))
    tree_.settle(*node, std::move(inode));
  return {};
}

// Whiteouts and the like; false if `path` is an ordinary name.
Result<bool> LayerMerger::take_mark(Path path) {
  std::string base = path.back();
  if (!base.starts_with(kWhiteout)) return false;
  path.pop_back();
  if (base == kOpaque) {
    TRY(tree_.opaque(path));
    return true;
  }
  if (base.starts_with(kAufs))
    return true;  // AUFS's own bookkeeping, which tools still let through
  std::string hidden = base.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..") return bad(base, "whiteout of nothing");
  path.push_back(std::move(hidden));
  TRY(tree_.whiteout(path));
  return true;
}

std::shared_ptr<Inode> LayerMerger::take_pending(const std::string& path) {
  auto found = pending_.extract(path);
  return found ? std::move(found.mapped()) : nullptr;
}

Result<void> LayerMerger::take(TarReader& reader, const TarEntry& entry) {
  Path path = TRY(split_path(entry.path, name_));
  if (!path.empty() && TRY(take_mark(path))) return {};
  FileType type = type_of(entry.kind);
  if (path.empty() && entry.kind != TarKind::directory)
    return bad(entry.path, "the root is no folder");
  Node* node = TRY(tree_.place(path));
  if (entry.kind == TarKind::hard_link) return take_link(entry, path, node);
  bool seen = node != nullptr && tree_.claim(*node, type);
  std::shared_ptr<Inode> inode;
  if (type != FileType::directory) {
    inode = take_pending(join_path(path));
    if (!seen && !inode) {
      hidden_[join_path(path)] = {entry_, {}};
      return {};
    }
  } else if (!seen) {
    return {};
  }
  if (!inode) inode = std::make_shared<Inode>();
  TRY(fill(reader, entry, *inode));
  if (seen) tree_.settle(*node, std::move(inode));
  return {};
}

Result<void> LayerMerger::take_link(const TarEntry& entry, const Path& path, Node* node) {
  Path target = TRY(split_path(entry.link, name_));
  if (target.empty() || target == path) return bad(entry.path, "hard link to itself or the root");
  bool seen = node != nullptr && tree_.claim(*node, FileType::regular);
  auto pending = take_pending(join_path(path));
  if (!seen && !pending) {
    hidden_[join_path(path)] = {entry_, join_path(target)};
    return {};
  }
  auto inode = TRY(link_inode(target));
  if (pending) {
    if (final_inode(inode) == final_inode(pending))
      return bad(entry.path, "hard links in a circle");
    pending->same_as = inode;
  }
  if (seen) tree_.settle(*node, std::move(inode));
  return {};
}

// The inode behind a hard link's target: seen in this layer, hidden in it, or still to come from a
// lower one.
Result<std::shared_ptr<Inode>> LayerMerger::link_inode(Path target) {
  for (int hop = 0; hop < kMaxLinkHops; ++hop) {
    if (Node* own = tree_.own_node(target)) return final_inode(own->inode);
    std::string text = join_path(target);
    auto hidden = hidden_.find(text);
    bool alias = hidden != hidden_.end() && !hidden->second.link.empty();
    if (!alias) {
      std::shared_ptr<Inode>& inode =
          hidden != hidden_.end() ? wanted_[hidden->second.entry] : pending_[text];
      if (!inode) inode = make_placeholder();
      return final_inode(inode);
    }
    target = TRY(split_path(hidden->second.link, name_));
  }
  return bad(join_path(target), "hard links in a circle");
}

Result<void> LayerMerger::copy_content(TarReader& reader, uint64_t size) {
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

Result<void> LayerMerger::fill(TarReader& reader, const TarEntry& entry, Inode& inode) {
  inode.type = type_of(entry.kind);
  inode.mode = entry.kind == TarKind::symlink ? 0777 : entry.mode;
  inode.uid = entry.uid;
  inode.gid = entry.gid;
  inode.mtime = entry.mtime;
  inode.mtime_nsec = entry.mtime_nsec;
  inode.device_major = entry.device_major;
  inode.device_minor = entry.device_minor;
  inode.xattrs = TRY(encode_xattrs(entry.xattrs, entry.path));
  if (entry.kind == TarKind::symlink) {
    bool honest = !entry.link.empty() && entry.link.size() <= kMaxTarget &&
                  entry.link.find('\0') == std::string::npos;
    if (!honest) return bad(entry.path, "symbolic link with an impossible target");
    inode.tail = entry.link;
  }
  if (entry.kind != TarKind::regular) return {};
  written_ += entry.size;
  if (written_ > kMaxContentBytes) {
    return make_error(ErrorCode::resource_exhausted, "image/layer",
                      "{}: \"{}\": contents beyond {} bytes, the limit for an image", name_,
                      entry.path.substr(0, 200), kMaxContentBytes);
  }
  TRY(writer_.begin_file(inode));
  TRY(copy_content(reader, entry.size));
  return writer_.end_file();
}

Result<void> LayerMerger::read_again(const Open& open) {
  auto source = TRY(open());
  TarReader reader(*source, name_);
  for (entry_ = 0; auto entry = TRY(reader.next()); ++entry_) {
    auto wanted = wanted_.find(entry_);
    if (wanted != wanted_.end()) TRY(fill(reader, *entry, *wanted->second));
  }
  TRY(source->skip(UINT64_MAX));
  return {};
}

void LayerMerger::count(const Node& root) {
  std::unordered_set<const Inode*> files;  // a file with several names counts its bytes once
  std::vector<const Node*> todo = {&root};
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    totals_.entries += node->children.size();
    for (const auto& [name, child] : node->children) todo.push_back(child.get());
    if (files.insert(node->inode.get()).second) totals_.content_bytes += node->inode->size;
  }
}

Result<Node*> LayerMerger::finish() {
  TRY(tree_.redirect());
  for (auto& [path, inode] : pending_) {
    Node* node = tree_.find(TRY(split_path(path, name_)));
    auto target = node != nullptr ? final_inode(node->inode) : nullptr;
    bool honest = target && target->type != FileType::directory && target != final_inode(inode);
    if (!honest) return bad(path, "hard link to a file that no layer holds");
    inode->same_as = target;
  }
  Node& root = tree_.complete();
  count(root);
  return &root;
}

}  // namespace bartizan::image
