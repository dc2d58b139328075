// MergedTree: what all layers together show, built from the highest layer down, so that an entry
// which a higher layer hides or replaces is known to be hidden before its data is read. Rules: OCI
// image-spec layer.md ("Applying Changesets"); where it is silent, what an unpacker that goes from
// the lowest layer up ends with.
//
// Folders that no layer gives are 0755 root:root at time 0. A path through a symbolic link of its
// own or a lower layer goes where the link points, always inside the root.
#pragma once

#include <string>
#include <vector>

#include "image/filesystem/tree.hpp"
#include "image/tar/path.hpp"

namespace bartizan::image::layer {

class MergedTree {
 public:
  explicit MergedTree(filesystem::Tree& tree) : tree_(tree) {}  // fresh, borrowed

  // Numbers fall: the highest layer first. `what` names it in errors.
  void begin_layer(uint16_t number, std::string what);

  // Where the current layer's entry goes, or 0: a higher layer hides it. Errors: corrupt (a
  // parent is not a folder, links in a loop), resource_exhausted (too many names).
  Result<filesystem::NodeId> resolve(const tar::Path& path);

  // Whether the entry is seen at that node; then the caller makes its inode, and `assign_inode()`
  // records whose it is.
  bool is_visible(filesystem::NodeId id, filesystem::FileType type);
  void assign_inode(filesystem::NodeId id, filesystem::InodeId inode);

  Result<void> whiteout(const tar::Path& path);
  Result<void> opaque(const tar::Path& path);

  // The node that the current layer itself gave at `path` (not a folder), or 0.
  filesystem::NodeId node_in_layer(const tar::Path& path);

  // When all layers are in, first moves what was given through links to where they point, then
  // (hard links being joined by now) completes the folders that nobody gave and joins inodes.
  Result<void> redirect();
  Result<void> complete();

  // The node at `path`, links in the way followed; 0 if there is none.
  filesystem::NodeId find(const tar::Path& path);

 private:
  struct Walk;
  Result<void> follow(Walk& walk);
  Result<bool> enter(Walk& walk, bool& followed);
  void clear_folder(filesystem::NodeId id);
  void note_implied(Walk& walk);
  Result<filesystem::NodeId> walk_to(const tar::Path& path, bool marks = false);
  bool is(filesystem::NodeId id, filesystem::FileType type) const;
  bool is_other_than_folder(filesystem::NodeId id) const;
  bool holds_inode(filesystem::NodeId id) const;
  template <typename Goes>
  void drop_below(filesystem::NodeId folder, Goes goes);
  struct LinkWays {
    std::vector<std::vector<filesystem::NodeId>> ways;
    size_t steps = 0;
  };
  Result<void> find_links_with_children(filesystem::NodeId id, std::vector<filesystem::NodeId>& way,
                                        LinkWays& found) const;
  Result<void> relocate(const std::vector<filesystem::NodeId>& way);
  Result<void> merge(filesystem::NodeId to_id, filesystem::NodeId from_id);
  Result<void> merge_children(filesystem::NodeId to,
                              const std::vector<filesystem::NodeId>& children);
  Result<bool> complete_node(filesystem::NodeId id);

  filesystem::Tree& tree_;
  uint16_t layer_ = 0;
  bool redirecting_ = false;  // all layers count as the current one
  std::string what_;
};

}  // namespace bartizan::image::layer
