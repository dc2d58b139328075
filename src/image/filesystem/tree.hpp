// The file system in memory: names and metadata, no content. Content has gone to disk when an Inode
// points to it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bartizan::image {

enum class FileType : uint8_t { regular, directory, symlink, char_device, block_device, fifo };

struct Inode {
  FileType type = FileType::directory;
  uint32_t mode = 0755;  // permission bits
  uint32_t uid = 0, gid = 0;
  int64_t mtime = 0;
  uint32_t mtime_nsec = 0;
  uint32_t device_major = 0, device_minor = 0;
  std::string xattrs;  // encoded as EROFS stores them (xattrs.hpp); empty: none

  uint64_t size = 0;         // of a regular file
  uint32_t first_block = 0;  // of its content, as far as that is in blocks
  std::string tail;          // the rest of it; or a symbolic link's target

  std::shared_ptr<Inode> same_as;  // a hard link found to be another inode: use that instead
};

// One name. Layers are numbered from 1 (lowest) and arrive highest first; a mark N hides what
// layers below N give.
struct Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
  std::shared_ptr<Inode> inode;  // null: nobody gave it yet, a child or a mark implies it
  uint32_t layer = 0;            // that gave the inode
  uint32_t whiteout = 0;         // hides here and below
  uint32_t opaque = 0;           // hides below only
  uint32_t implied =
      0;  // that had something hidden below: if nobody gives it, it is an empty folder
};

// The inode that a node finally shows.
inline std::shared_ptr<Inode> final_inode(std::shared_ptr<Inode> inode) {
  while (inode && inode->same_as) inode = inode->same_as;
  return inode;
}

}  // namespace bartizan::image
