#include "image/filesystem/tree.hpp"

#include <algorithm>
#include <cstring>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::filesystem {
namespace {

constexpr char kOrigin[] = "image/filesystem";
constexpr size_t kRecordUnit = 4;
constexpr size_t kFixedBytes = 20;  // of a record: owners and time

}  // namespace

// Without a seed that nobody knows, a layer could choose the order of its names so that a folder's
// treap is a list. The file system's bytes do not depend on it, so one that could not be drawn is
// no failure.
Tree::Tree(std::filesystem::path folder) : spill_(std::move(folder)) {
  std::array<uint8_t, sizeof seed_> drawn{};
  (void)crypto::random_bytes(drawn);
  std::memcpy(&seed_, drawn.data(), sizeof seed_);
  nodes_.add();
}

std::string_view Tree::name_at(uint32_t at) const {
  const char* text = names_[at / kNamesChunk].get() + at % kNamesChunk;
  return {text + 1, static_cast<uint8_t>(*text)};
}

std::string_view Tree::name(NodeId id) const {
  return name_at(nodes_[id].name);
}

Result<uint32_t> Tree::keep_name(std::string_view name, std::string_view what) {
  const auto bytes = static_cast<uint32_t>(1 + name.size());
  uint32_t at = names_end_;
  if (at % kNamesChunk + bytes > kNamesChunk) at = align_up(at, kNamesChunk);
  if (at + bytes > kMaxNameBytes) {
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{}: names of more than {} bytes in sum, the limit for an image", what,
                      kMaxNameBytes);
  }
  if (at / kNamesChunk == names_.size())
    names_.push_back(std::make_unique_for_overwrite<char[]>(kNamesChunk));
  char* text = names_[at / kNamesChunk].get() + at % kNamesChunk;
  *text = static_cast<char>(name.size());
  std::copy(name.begin(), name.end(), text + 1);
  names_end_ = at + bytes;
  return at;
}

uint64_t Tree::priority(NodeId id) const {  // splitmix64
  uint64_t mixed = seed_ + id * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

NodeId Tree::find(NodeId folder, std::string_view name) const {
  NodeId at = nodes_[folder].children;
  while (at != 0) {
    int order = name.compare(this->name(at));
    if (order == 0) break;
    at = order < 0 ? nodes_[at].left : nodes_[at].right;
  }
  return at;
}

void Tree::split(NodeId from, std::string_view name, NodeId* lower, NodeId* higher) {
  while (from != 0) {
    Node& node = nodes_[from];
    bool low = this->name(from) < name;
    NodeId*& to = low ? lower : higher;
    *to = from;
    to = low ? &node.right : &node.left;
    from = *to;
  }
  *lower = *higher = 0;
}

NodeId Tree::join(NodeId lower, NodeId higher) {
  NodeId joined = 0;
  NodeId* at = &joined;
  while (lower != 0 && higher != 0) {
    bool low = priority(lower) > priority(higher);
    *at = low ? lower : higher;
    at = low ? &nodes_[lower].right : &nodes_[higher].left;
    (low ? lower : higher) = *at;
  }
  *at = lower != 0 ? lower : higher;
  return joined;
}

Result<NodeId> Tree::insert(NodeId folder, uint32_t name, std::string_view what) {
  if (nodes_.size() > kMaxNames) {
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{}: more than {} names, the limit for an image", what, kMaxNames);
  }
  NodeId fresh = nodes_.add();
  Node& node = nodes_[fresh];
  node.parent = folder;
  node.name = name;
  std::string_view text = name_at(name);
  NodeId* at = &nodes_[folder].children;
  while (*at != 0 && priority(*at) > priority(fresh))
    at = text < this->name(*at) ? &nodes_[*at].left : &nodes_[*at].right;
  split(*at, text, &node.left, &node.right);
  *at = fresh;
  return fresh;
}

Result<NodeId> Tree::child(NodeId folder, std::string_view name, std::string_view what) {
  if (NodeId found = find(folder, name)) return found;
  return insert(folder, TRY(keep_name(name, what)), what);
}

Result<NodeId> Tree::child_like(NodeId folder, NodeId namesake, std::string_view what) {
  if (NodeId found = find(folder, name(namesake))) return found;
  return insert(folder, nodes_[namesake].name, what);
}

void Tree::erase(NodeId child) {
  NodeId* at = &nodes_[nodes_[child].parent].children;
  while (*at != child) at = name(child) < name(*at) ? &nodes_[*at].left : &nodes_[*at].right;
  *at = join(nodes_[child].left, nodes_[child].right);
}

std::vector<NodeId> Tree::children(NodeId folder) const {
  std::vector<NodeId> list;
  Children children(*this, folder);
  while (NodeId child = children.next()) list.push_back(child);
  return list;
}

Result<InodeId> Tree::make_inode(std::string_view what) {
  if (inodes_.size() > kMaxNames) {
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{}: more than {} files, the limit for an image", what, kMaxNames);
  }
  return inodes_.add();
}

InodeId Tree::resolve(InodeId id) const {
  while (id != 0 && inodes_[id].type == FileType::alias) id = inodes_[id].block;
  return id;
}

Result<void> Tree::set_attributes(InodeId id, const Attributes& attributes) {
  if (spill_.size() / kRecordUnit >= UINT32_MAX) {
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "file system: attributes and ends of files beyond {} bytes", spill_.size());
  }
  Inode& inode = inodes_[id];
  inode.record = static_cast<uint32_t>(spill_.size() / kRecordUnit) + 1;
  inode.xattr_words = static_cast<uint16_t>(attributes.xattrs.size() / 4);
  inode.tail_bytes = static_cast<uint16_t>(attributes.tail.size());
  std::array<uint8_t, kFixedBytes> fixed;
  store_le<uint32_t>(&fixed[0], attributes.uid);
  store_le<uint32_t>(&fixed[4], attributes.gid);
  store_le<int64_t>(&fixed[8], attributes.mtime);
  store_le<uint32_t>(&fixed[16], attributes.mtime_nsec);
  TRY(spill_.append(fixed));
  TRY(spill_.append(as_bytes(attributes.xattrs)));
  TRY(spill_.append(as_bytes(attributes.tail)));
  static constexpr std::array<uint8_t, kRecordUnit> zeros{};
  return spill_.append(ByteView(zeros).first(align_up(spill_.size(), kRecordUnit) - spill_.size()));
}

Result<Attributes> Tree::attributes(InodeId id) {
  const Inode& inode = inodes_[id];
  Attributes attributes;
  if (inode.record == 0) return attributes;
  uint64_t at = (uint64_t{inode.record} - 1) * kRecordUnit;
  std::array<uint8_t, kFixedBytes> fixed;
  TRY(spill_.read(at, fixed));
  attributes.uid = load_le<uint32_t>(&fixed[0]);
  attributes.gid = load_le<uint32_t>(&fixed[4]);
  attributes.mtime = load_le<int64_t>(&fixed[8]);
  attributes.mtime_nsec = load_le<uint32_t>(&fixed[16]);
  attributes.xattrs.resize(inode.xattr_bytes());
  attributes.tail.resize(inode.tail_bytes);
  auto space = [](std::string& text) {
    return std::span(reinterpret_cast<uint8_t*>(text.data()), text.size());
  };
  TRY(spill_.read(at + kFixedBytes, space(attributes.xattrs)));
  TRY(spill_.read(at + kFixedBytes + inode.xattr_bytes(), space(attributes.tail)));
  return attributes;
}

Tree::Totals Tree::count_links() {
  Totals totals;
  std::vector<NodeId> folders = {kRoot};
  inode_of(kRoot).links = 2;  // "." and ".."
  while (!folders.empty()) {
    NodeId folder = folders.back();
    folders.pop_back();
    Children children(*this, folder);
    while (NodeId child = children.next()) {
      ++totals.entries;
      Inode& inode = inode_of(child);
      if (inode.type == FileType::directory) {
        ++inode_of(folder).links;
        ++inode.links;
        folders.push_back(child);
      }
      if (++inode.links == 1 && inode.type == FileType::regular) totals.content_bytes += inode.size;
    }
  }
  return totals;
}

}  // namespace bartizan::image::filesystem
