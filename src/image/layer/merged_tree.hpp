// MergedTree: what all layers together show, built from the highest layer down, so that an entry
// which a higher layer hides or replaces is known to be hidden before its data is read. Rules: OCI
// image-spec layer.md ("Applying Changesets"); where it is silent, what an unpacker that goes from
// the lowest layer up ends with.
//
// Folders that no layer gives are 0755 root:root at time 0. A path through a symbolic link of its
// own or a lower layer goes where the link points, always inside the root.
#pragma once

#include <map>
#include <string>

#include "image/filesystem/tree.hpp"
#include "image/layer/path.hpp"

namespace bartizan::image {

class MergedTree {
 public:
  MergedTree() = default;

  // Numbers fall: the highest layer first. `what` names it in errors.
  void begin_layer(uint32_t number, std::string what);

  // Where the current layer's entry goes, or null: a higher layer hides it. Errors: corrupt (a
  // parent is not a folder, links in a loop), resource_exhausted (too many entries).
  Result<Node*> place(const Path& path);

  // Whether the entry is seen at `node`; then the caller sets `node.inode`, and `settle()` notes
  // whose it is.
  bool claim(Node& node, FileType type);
  void settle(Node& node, std::shared_ptr<Inode> inode);

  Result<void> whiteout(const Path& path);
  Result<void> opaque(const Path& path);

  // The node that the current layer itself gave at `path` (not a folder), or null.
  Node* own_node(const Path& path);

  // When all layers are in, first moves what was given through links to where they point, then
  // (hard links being joined by now) completes the folders that nobody gave and joins inodes.
  Result<void> redirect();
  Node& complete();

  // The node at `path`, links in the way followed; null if there is none.
  Node* find(const Path& path);

 private:
  struct Walk;
  Result<void> follow(Walk& walk);
  Result<bool> enter(const Node& node, Walk& walk, bool& followed);
  void clear_folder(Node& node);
  void note_implied(Walk& walk);
  Result<Node*> child_of(Node& node, const std::string& name);
  Result<Node*> walk_to(const Path& path, bool marks = false);
  Result<void> relocate(const Path& path);
  Result<void> merge(Node& to, std::unique_ptr<Node> from);

  Node root_;
  uint32_t layer_ = 0;
  bool redirecting_ = false;  // all layers count as the current one
  uint64_t nodes_ = 0;
  std::string what_;
};

}  // namespace bartizan::image
