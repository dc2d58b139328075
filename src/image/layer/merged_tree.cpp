#include "image/layer/merged_tree.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::image {
namespace {

// Names cost memory here and in the guest; more come from a bomb (a zstd layer can hold millions in
// a few KiB).
constexpr uint64_t kMaxNodes = 2'000'000;
constexpr int kMaxLinks = 40;  // as the kernel: links that lead to links without end
constexpr int kMaxRedirections = 40;

bool is(const Node& node, FileType type) {
  return node.inode && node.inode->type == type;
}
bool is_other_than_folder(const Node& node) {
  return node.inode && node.inode->type != FileType::directory;
}

bool holds_inode(const Node& node) {
  return node.inode || std::any_of(node.children.begin(), node.children.end(),
                                   [](const auto& child) { return holds_inode(*child.second); });
}

// Takes away below `node` what layers chosen by `goes` gave, and names that nothing holds then.
template <typename Goes>
void drop_below(Node& node, Goes goes) {
  for (auto child = node.children.begin(); child != node.children.end();) {
    Node& below = *child->second;
    drop_below(below, goes);
    if (below.inode && goes(below.layer)) below.inode.reset();
    if (goes(below.implied)) below.implied = 0;
    bool idle = !below.inode && below.children.empty() && below.whiteout == 0 &&
                below.opaque == 0 && below.implied == 0;
    child = idle ? node.children.erase(child) : std::next(child);
  }
}

void find_links_with_children(const Node& node, Path& path, std::vector<Path>& found) {
  if (is(node, FileType::symlink) && !node.children.empty()) {
    found.push_back(path);
    return;
  }
  for (const auto& [name, child] : node.children) {
    path.push_back(name);
    find_links_with_children(*child, path, found);
    path.pop_back();
  }
}

// False if nothing is there.
bool complete_node(Node& node) {
  std::erase_if(node.children, [](auto& child) { return !complete_node(*child.second); });
  if (!node.inode) {
    if (node.children.empty() && node.implied == 0) return false;
    node.inode = std::make_shared<Inode>();
  }
  node.inode = final_inode(node.inode);
  if (is_other_than_folder(node)) node.children.clear();
  return true;
}

}  // namespace

// A path on its way through the tree.
struct MergedTree::Walk {
  std::vector<Node*> trail;  // from the root to where it stands
  Path rest;                 // still to go, last part first
  int links = 0;
  bool marks = false;  // on behalf of a whiteout

  Walk(Node& root, const Path& path) : trail{&root}, rest(path.rbegin(), path.rend()) {}
  Node& here() { return *trail.back(); }
  std::string take() {
    std::string part = std::move(rest.back());
    rest.pop_back();
    return part;
  }
  void up() {
    if (trail.size() > 1) trail.pop_back();
  }
};

void MergedTree::begin_layer(uint32_t number, std::string what) {
  layer_ = number;
  what_ = std::move(what);
}

// Stands on a symbolic link: goes on from where it points.
Result<void> MergedTree::follow(Walk& walk) {
  if (++walk.links > kMaxLinks) {
    return make_error(ErrorCode::corrupt, "image/layer", "{}: symbolic links lead in a circle",
                      what_);
  }
  LinkTarget target = split_target(walk.here().inode->tail);
  if (target.absolute) {
    walk.trail.resize(1);
  } else {
    walk.up();
  }
  walk.rest.insert(walk.rest.end(), target.parts.rbegin(), target.parts.rend());
  return {};
}

// Whether the walk may go below `node`; `followed` if it went elsewhere instead.
Result<bool> MergedTree::enter(const Node& node, Walk& walk, bool& followed) {
  followed = false;
  bool own = node.layer == layer_ || redirecting_;
  if (!redirecting_ && (node.whiteout > layer_ || node.opaque > layer_)) return false;
  if (!is_other_than_folder(node)) return true;
  // A whiteout below what this layer replaced by a file or a link says nothing new: that hides it
  // all anyway.
  if (!own || walk.marks) return false;
  if (!is(node, FileType::symlink)) {
    return make_error(ErrorCode::corrupt, "image/layer",
                      "{}: \"{}\" is below something that is no folder", what_,
                      walk.rest.empty() ? std::string() : walk.rest.front());
  }
  TRY(follow(walk));
  followed = true;
  return true;
}

Result<Node*> MergedTree::child_of(Node& node, const std::string& name) {
  auto& child = node.children[name];
  if (!child) {
    if (++nodes_ > kMaxNodes) {
      return make_error(ErrorCode::resource_exhausted, "image/layer",
                        "{}: more than {} names, the limit for an image", what_, kMaxNodes);
    }
    child = std::make_unique<Node>();
  }
  return child.get();
}

Result<Node*> MergedTree::walk_to(const Path& path, bool marks) {
  Walk walk(root_, path);
  walk.marks = marks;
  while (!walk.rest.empty()) {
    bool followed = false;
    if (!TRY(enter(walk.here(), walk, followed))) {
      note_implied(walk);
      return nullptr;
    }
    if (followed) continue;
    std::string part = walk.take();
    if (part == ".") continue;
    if (part == "..") {
      walk.up();
    } else {
      walk.trail.push_back(TRY(child_of(walk.here(), part)));
    }
  }
  Node* end = &walk.here();
  // A hidden name leaves the folder in which an unpacker would have made and then removed it.
  if (end->whiteout > layer_) note_implied(walk);
  return end;
}

// What hides the walk's end stays as an empty folder, unless it is gone itself: then its parent
// does.
void MergedTree::note_implied(Walk& walk) {
  if (walk.marks) return;
  if (walk.here().whiteout > layer_) walk.up();
  if (walk.here().implied == 0) walk.here().implied = layer_;
}

Result<Node*> MergedTree::place(const Path& path) {
  Node* node = TRY(walk_to(path));
  return node != nullptr && node->whiteout > layer_ ? nullptr : node;
}

// The current layer made `node` something else than a folder: what it and lower layers gave below
// is gone.
void MergedTree::clear_folder(Node& node) {
  drop_below(node, [this](uint32_t layer) { return layer == layer_; });
  node.opaque = std::max(node.opaque, layer_);
}

bool MergedTree::claim(Node& node, FileType type) {
  bool folder = type == FileType::directory;
  if (node.inode && node.layer > layer_) {
    // Below a folder that was no folder in this layer, nothing of before remains.
    if (!folder) clear_folder(node);
    return false;
  }
  if (folder && is_other_than_folder(node)) node.opaque = std::max(node.opaque, layer_);
  if (folder || node.children.empty()) return true;
  // Something else than a folder under a name that has children. Those of this very layer came
  // earlier: replaced.
  node.inode.reset();
  clear_folder(node);
  if (type == FileType::symlink)
    return true;  // what higher layers put there goes where the link points
  if (!holds_inode(node)) {
    node.children.clear();
    return true;
  }
  return false;
}

void MergedTree::settle(Node& node, std::shared_ptr<Inode> inode) {
  node.inode = std::move(inode);
  node.layer = layer_;
}

Result<void> MergedTree::whiteout(const Path& path) {
  Node* node = TRY(walk_to(path, true));
  if (node != nullptr) node->whiteout = std::max(node->whiteout, layer_);
  return {};
}

Result<void> MergedTree::opaque(const Path& path) {
  Node* node = TRY(walk_to(path, true));
  if (node != nullptr) node->opaque = std::max(node->opaque, layer_);
  return {};
}

Node* MergedTree::find(const Path& path) {
  Walk walk(root_, path);
  while (!walk.rest.empty()) {
    if (is(walk.here(), FileType::symlink)) {
      if (!follow(walk).ok()) return nullptr;
      continue;
    }
    std::string part = walk.take();
    if (part == "..") {
      walk.up();
      continue;
    }
    auto child = walk.here().children.find(part);
    if (child == walk.here().children.end()) return nullptr;
    walk.trail.push_back(child->second.get());
  }
  return &walk.here();
}

Node* MergedTree::own_node(const Path& path) {
  Node* node = find(path);
  bool own = node != nullptr && is_other_than_folder(*node) && node->layer == layer_;
  return own ? node : nullptr;
}

// Both nodes are one name: the higher layer's entry is seen, folders join.
Result<void> MergedTree::merge(Node& to, std::unique_ptr<Node> from) {
  uint32_t gone = std::max(from->whiteout, from->opaque);
  drop_below(to, [gone](uint32_t layer) { return layer < gone; });
  if (to.inode && to.layer < from->whiteout) to.inode.reset();
  if (is_other_than_folder(to) && to.layer > from->layer && from->inode) return {};
  if (from->inode && (!to.inode || from->layer >= to.layer)) {
    to.inode = from->inode;
    to.layer = from->layer;
    if (is_other_than_folder(*from)) to.children.clear();
  } else if (is_other_than_folder(to) && !is(to, FileType::symlink) && holds_inode(*from)) {
    to.inode.reset();
  }
  for (auto& [name, child] : from->children) TRY(merge(*TRY(child_of(to, name)), std::move(child)));
  return {};
}

// `path` is a symbolic link of a lower layer under which higher layers put something.
Result<void> MergedTree::relocate(const Path& path) {
  Node* link = &root_;
  for (const std::string& part : path) {
    auto child = link->children.find(part);
    if (child == link->children.end()) return {};  // an earlier relocation took it away
    link = child->second.get();
  }
  if (!is(*link, FileType::symlink)) return {};
  auto moved = std::move(link->children);
  link->children.clear();
  Path inside = path;
  inside.push_back(".");  // so that the walk follows the link itself
  Node* folder = TRY(walk_to(inside));
  for (auto& [name, child] : moved) TRY(merge(*TRY(child_of(*folder, name)), std::move(child)));
  return {};
}

Result<void> MergedTree::redirect() {
  redirecting_ = true;
  for (int round = 0; round < kMaxRedirections; ++round) {
    std::vector<Path> links;
    Path path;
    find_links_with_children(root_, path, links);
    if (links.empty()) return {};
    for (const Path& link : links) TRY(relocate(link));
  }
  return make_error(ErrorCode::corrupt, "image/layer", "{}: symbolic links lead in a circle",
                    what_);
}

Node& MergedTree::complete() {
  if (!root_.inode) root_.inode = std::make_shared<Inode>();
  complete_node(root_);
  return root_;
}

}  // namespace bartizan::image
