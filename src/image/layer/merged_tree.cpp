#include "image/layer/merged_tree.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::image::layer {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel: links that lead to links without end
constexpr int kMaxRedirections = 40;
// Nodes on the way to links with children, in sum: deep paths to each of very many links would cost
// a thousand times what the links do.
constexpr size_t kMaxLinkSteps = 4'000'000;

}  // namespace

bool MergedTree::is(filesystem::NodeId id, filesystem::FileType type) const {
  return tree_.node(id).inode != 0 && tree_.inode_of(id).type == type;
}

bool MergedTree::is_other_than_folder(filesystem::NodeId id) const {
  return tree_.node(id).inode != 0 && tree_.inode_of(id).type != filesystem::FileType::directory;
}

bool MergedTree::holds_inode(filesystem::NodeId id) const {
  if (tree_.node(id).inode != 0) return true;
  filesystem::Children children(tree_, id);
  while (filesystem::NodeId child = children.next())
    if (holds_inode(child)) return true;
  return false;
}

// Takes away below `folder` what layers chosen by `goes` gave, and names that nothing holds then.
template <typename Goes>
void MergedTree::drop_below(filesystem::NodeId folder, Goes goes) {
  for (filesystem::NodeId child : tree_.children(folder)) {
    drop_below(child, goes);
    filesystem::Node& below = tree_.node(child);
    if (goes(below.layer)) below.inode = 0;
    if (goes(below.implied)) below.implied = 0;
    bool idle = below.inode == 0 && below.children == 0 && below.whiteout == 0 &&
                below.opaque == 0 && below.implied == 0;
    if (idle) tree_.erase(child);
  }
}

// Where links are that have children, each as its way from the root.
Result<void> MergedTree::find_links_with_children(filesystem::NodeId id,
                                                  std::vector<filesystem::NodeId>& way,
                                                  LinkWays& found) const {
  if (is(id, filesystem::FileType::symlink) && tree_.node(id).children != 0) {
    found.steps += way.size() + sizeof(way) / sizeof(filesystem::NodeId);
    if (found.steps > kMaxLinkSteps) {
      return make_error(ErrorCode::resource_exhausted, "image/layer",
                        "{}: too much lies behind symbolic links of lower layers", what_);
    }
    found.ways.push_back(way);
    return {};
  }
  filesystem::Children children(tree_, id);
  while (filesystem::NodeId child = children.next()) {
    way.push_back(child);
    TRY(find_links_with_children(child, way, found));
    way.pop_back();
  }
  return {};
}

// False if nothing is there.
Result<bool> MergedTree::complete_node(filesystem::NodeId id) {
  for (filesystem::NodeId child : tree_.children(id))
    if (!TRY(complete_node(child))) tree_.erase(child);
  filesystem::Node& node = tree_.node(id);
  if (node.inode == 0) {
    if (id != filesystem::Tree::kRoot && node.children == 0 && node.implied == 0) return false;
    node.inode = TRY(tree_.make_inode(what_));
  }
  node.inode = tree_.resolve(node.inode);
  if (is_other_than_folder(id)) tree_.clear_children(id);
  return true;
}

// A path on its way through the tree.
struct MergedTree::Walk {
  std::vector<filesystem::NodeId> trail;  // from the root to where it stands
  tar::Path rest;                         // still to go, last part first
  int links = 0;
  bool marks = false;  // on behalf of a whiteout

  explicit Walk(const tar::Path& path)
      : trail{filesystem::Tree::kRoot}, rest(path.rbegin(), path.rend()) {}
  filesystem::NodeId here() const { return trail.back(); }
  std::string take() {
    std::string part = std::move(rest.back());
    rest.pop_back();
    return part;
  }
  void up() {
    if (trail.size() > 1) trail.pop_back();
  }
};

void MergedTree::begin_layer(uint16_t number, std::string what) {
  layer_ = number;
  what_ = std::move(what);
}

// Stands on a symbolic link: goes on from where it points.
Result<void> MergedTree::follow(Walk& walk) {
  if (++walk.links > kMaxLinks) {
    return make_error(ErrorCode::corrupt, "image/layer", "{}: symbolic links lead in a circle",
                      what_);
  }
  tar::LinkTarget target =
      tar::split_target(TRY(tree_.attributes(tree_.node(walk.here()).inode)).tail);
  if (target.absolute) {
    walk.trail.resize(1);
  } else {
    walk.up();
  }
  walk.rest.insert(walk.rest.end(), target.parts.rbegin(), target.parts.rend());
  return {};
}

// Whether the walk may go below where it stands; `followed` if it went elsewhere instead.
Result<bool> MergedTree::enter(Walk& walk, bool& followed) {
  const filesystem::Node& node = tree_.node(walk.here());
  followed = false;
  bool own = node.layer == layer_ || redirecting_;
  if (!redirecting_ && (node.whiteout > layer_ || node.opaque > layer_)) return false;
  if (!is_other_than_folder(walk.here())) return true;
  // A whiteout below what this layer replaced by a file or a link adds nothing: that hides it
  // all anyway.
  if (!own || walk.marks) return false;
  if (!is(walk.here(), filesystem::FileType::symlink)) {
    return make_error(ErrorCode::corrupt, "image/layer",
                      "{}: \"{}\" is below something that is not a folder", what_,
                      walk.rest.empty() ? std::string() : walk.rest.front());
  }
  TRY(follow(walk));
  followed = true;
  return true;
}

Result<filesystem::NodeId> MergedTree::walk_to(const tar::Path& path, bool marks) {
  Walk walk(path);
  walk.marks = marks;
  while (!walk.rest.empty()) {
    bool followed = false;
    if (!TRY(enter(walk, followed))) {
      note_implied(walk);
      return filesystem::NodeId{0};
    }
    if (followed) continue;
    std::string part = walk.take();
    if (part == ".") continue;
    if (part == "..") {
      walk.up();
    } else {
      walk.trail.push_back(TRY(tree_.child(walk.here(), part, what_)));
    }
  }
  filesystem::NodeId end = walk.here();
  // A hidden name leaves the folder in which an unpacker would have made and then removed it.
  if (tree_.node(end).whiteout > layer_) note_implied(walk);
  return end;
}

// What hides the walk's end stays as an empty folder, unless it is gone itself: then its parent
// does.
void MergedTree::note_implied(Walk& walk) {
  if (walk.marks) return;
  if (tree_.node(walk.here()).whiteout > layer_) walk.up();
  filesystem::Node& node = tree_.node(walk.here());
  if (node.implied == 0) node.implied = layer_;
}

Result<filesystem::NodeId> MergedTree::resolve(const tar::Path& path) {
  filesystem::NodeId id = TRY(walk_to(path));
  return id != 0 && tree_.node(id).whiteout > layer_ ? 0 : id;
}

// The current layer made `id` something else than a folder: what it and lower layers gave below
// is gone.
void MergedTree::clear_folder(filesystem::NodeId id) {
  drop_below(id, [this](uint16_t layer) { return layer == layer_; });
  filesystem::Node& node = tree_.node(id);
  node.opaque = std::max(node.opaque, layer_);
}

bool MergedTree::is_visible(filesystem::NodeId id, filesystem::FileType type) {
  filesystem::Node& node = tree_.node(id);
  bool folder = type == filesystem::FileType::directory;
  if (node.inode != 0 && node.layer > layer_) {
    // Below a folder that was not a folder in this layer, nothing of before remains.
    if (!folder) clear_folder(id);
    return false;
  }
  if (folder && is_other_than_folder(id)) node.opaque = std::max(node.opaque, layer_);
  if (folder || node.children == 0) return true;
  // Something else than a folder under a name that has children. Those of this very layer came
  // earlier: replaced.
  node.inode = 0;
  clear_folder(id);
  if (type == filesystem::FileType::symlink)
    return true;  // what higher layers put there goes where the link points
  if (!holds_inode(id)) {
    tree_.clear_children(id);
    return true;
  }
  return false;
}

void MergedTree::assign_inode(filesystem::NodeId id, filesystem::InodeId inode) {
  tree_.node(id).inode = inode;
  tree_.node(id).layer = layer_;
}

Result<void> MergedTree::whiteout(const tar::Path& path) {
  filesystem::NodeId id = TRY(walk_to(path, true));
  if (id != 0) tree_.node(id).whiteout = std::max(tree_.node(id).whiteout, layer_);
  return {};
}

Result<void> MergedTree::opaque(const tar::Path& path) {
  filesystem::NodeId id = TRY(walk_to(path, true));
  if (id != 0) tree_.node(id).opaque = std::max(tree_.node(id).opaque, layer_);
  return {};
}

filesystem::NodeId MergedTree::find(const tar::Path& path) {
  Walk walk(path);
  while (!walk.rest.empty()) {
    if (is(walk.here(), filesystem::FileType::symlink)) {
      if (!follow(walk).ok()) return 0;
      continue;
    }
    std::string part = walk.take();
    if (part == "..") {
      walk.up();
      continue;
    }
    filesystem::NodeId child = tree_.find(walk.here(), part);
    if (child == 0) return 0;
    walk.trail.push_back(child);
  }
  return walk.here();
}

filesystem::NodeId MergedTree::node_in_layer(const tar::Path& path) {
  filesystem::NodeId id = find(path);
  bool own = id != 0 && is_other_than_folder(id) && tree_.node(id).layer == layer_;
  return own ? id : 0;
}

// Both nodes are one name: the higher layer's entry is seen, folders join.
Result<void> MergedTree::merge(filesystem::NodeId to_id, filesystem::NodeId from_id) {
  filesystem::Node& to = tree_.node(to_id);
  const filesystem::Node& from = tree_.node(from_id);
  uint16_t gone = std::max(from.whiteout, from.opaque);
  drop_below(to_id, [gone](uint16_t layer) { return layer < gone; });
  if (to.layer < from.whiteout) to.inode = 0;
  if (is_other_than_folder(to_id) && to.layer > from.layer && from.inode != 0) return {};
  if (from.inode != 0 && (to.inode == 0 || from.layer >= to.layer)) {
    to.inode = from.inode;
    to.layer = from.layer;
    if (is_other_than_folder(from_id)) tree_.clear_children(to_id);
  } else if (is_other_than_folder(to_id) && !is(to_id, filesystem::FileType::symlink) &&
             holds_inode(from_id)) {
    to.inode = 0;
  }
  return merge_children(to_id, tree_.children(from_id));
}

Result<void> MergedTree::merge_children(filesystem::NodeId to,
                                        const std::vector<filesystem::NodeId>& children) {
  for (filesystem::NodeId child : children)
    TRY(merge(TRY(tree_.child_like(to, child, what_)), child));
  return {};
}

// `way` led to a symbolic link of a lower layer under which higher layers put something.
Result<void> MergedTree::relocate(const std::vector<filesystem::NodeId>& way) {
  filesystem::NodeId link = filesystem::Tree::kRoot;
  tar::Path inside;
  for (filesystem::NodeId step : way) {
    link = tree_.find(link, tree_.name(step));
    if (link == 0) return {};  // an earlier relocation took it away
    inside.emplace_back(tree_.name(step));
  }
  if (!is(link, filesystem::FileType::symlink)) return {};
  std::vector<filesystem::NodeId> moved = tree_.children(link);
  tree_.clear_children(link);
  inside.push_back(".");  // so that the walk follows the link itself
  return merge_children(TRY(walk_to(inside)), moved);
}

Result<void> MergedTree::redirect() {
  redirecting_ = true;
  for (int round = 0; round < kMaxRedirections; ++round) {
    std::vector<filesystem::NodeId> way;
    LinkWays links;
    TRY(find_links_with_children(filesystem::Tree::kRoot, way, links));
    if (links.ways.empty()) return {};
    for (const auto& link : links.ways) TRY(relocate(link));
  }
  return make_error(ErrorCode::corrupt, "image/layer", "{}: symbolic links lead in a circle",
                    what_);
}

Result<void> MergedTree::complete() {
  TRY(complete_node(filesystem::Tree::kRoot));
  return {};
}

}  // namespace bartizan::image::layer
