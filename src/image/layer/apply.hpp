// LayerMerger: layers in (highest first), a merged tree and streamed file contents out.
//
//   for each layer, highest first:  apply(number, name, open)
//   then:                           finish()
//
// A file that a higher layer hides is passed over, never written. The one exception: hard links to
// it from the same layer keep it alive; as these follow it in the stream, such a layer is read a
// second time.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/units.hpp"
#include "image/filesystem/erofs_writer.hpp"
#include "image/layer/merged_tree.hpp"
#include "image/tar/byte_source.hpp"
#include "image/tar/tar_reader.hpp"

namespace bartizan::image::layer {

class LayerMerger {
 public:
  // Opens the layer's tar stream, decompressed. Called once or twice a layer.
  using Open = std::function<Result<std::unique_ptr<tar::ByteSource>>()>;
  using OpenEntries = std::function<Result<std::unique_ptr<tar::EntryReader>>()>;

  // `counted`: contents are passed over, for the sake of their sizes alone.
  enum class Contents { copied, counted };
  // `folder`: for what does not stay in memory.
  LayerMerger(filesystem::ErofsWriter& writer, std::filesystem::path folder,
              Contents contents = Contents::copied)
      : writer_(writer), contents_(contents), tree_(std::move(folder)), buffer_(kBufferBytes) {}

  // Reads the stream to its very end, so that the blob's digest is checked. `name` appears in
  // errors.
  Result<void> apply(uint16_t number, const std::string& name, const Open& open);

  // The same for a file system, where no name is a whiteout.
  Result<void> apply_entries(uint16_t number, const std::string& name, const OpenEntries& open);

  // A regular file that is in no layer, as layer `number`.
  Result<void> add_file(uint16_t number, const tar::Path& path, uint32_t mode, ByteView content);

  // The tree as it is to be written. corrupt: a hard link to nothing. The tree lives as long as
  // this object.
  Result<filesystem::Tree*> finish();
  const filesystem::Tree::Totals& totals() const { return totals_; }

 private:
  static constexpr size_t kBufferBytes = 256 * kKiB;

  Result<void> take(tar::EntryReader& reader, const tar::TarEntry& entry);
  Result<bool> apply_whiteout(tar::Path path);
  Result<void> take_link(const tar::TarEntry& entry, const tar::Path& path,
                         filesystem::NodeId node);
  Result<void> hide(const tar::Path& path, std::string link);
  Result<filesystem::InodeId> link_inode(tar::Path target);
  Result<filesystem::InodeId> make_placeholder();
  Result<void> hold_link(size_t bytes);
  Result<void> fill(tar::EntryReader& reader, const tar::TarEntry& entry, filesystem::InodeId id);
  Result<void> copy_content(tar::EntryReader& reader, uint64_t size);
  Result<void> apply_all(uint16_t number, const std::string& name, const OpenEntries& open);
  Result<void> read_again(const OpenEntries& open);
  Result<void> fill_file(tar::EntryReader& reader, const tar::TarEntry& entry,
                         filesystem::InodeId id, filesystem::Attributes& attributes);
  Result<void> place_file(filesystem::InodeId id, filesystem::Attributes& attributes);
  filesystem::InodeId take_pending(const std::string& path);
  Error corrupt(std::string_view path, std::string_view why) const;

  filesystem::ErofsWriter& writer_;
  Contents contents_;
  filesystem::Tree tree_;
  MergedTree merged_{tree_};
  Bytes buffer_;
  std::string name_;
  bool has_whiteouts_ = true;  // the current layer: in a file system they are names
  // Of the current layer: what higher layers hide, by the path's digest (paths are long, and there
  // may be as many as names). An entry is known by its number, as a path may come twice.
  struct Hidden {
    uint64_t entry = 0;
    std::unique_ptr<std::string> link;  // of a hard link: its target
  };
  using PathDigest = std::array<uint8_t, 16>;
  struct DigestHash {
    size_t operator()(const PathDigest& digest) const { return load_le<uint64_t>(digest.data()); }
  };
  static PathDigest digest_of(const std::string& path);
  std::unordered_map<PathDigest, Hidden, DigestHash> hidden_;
  uint64_t entry_ = 0;
  // Of the current layer: hidden files that a visible link needs, by entry.
  std::unordered_map<uint64_t, filesystem::InodeId> wanted_;
  // Targets of hard links that are still to come, in lower layers.
  std::map<std::string, filesystem::InodeId> pending_;
  uint64_t link_bytes_ = 0;  // that hard links to hidden and to lower files take
  uint64_t written_ = 0;
  filesystem::Tree::Totals totals_;
};

}  // namespace bartizan::image::layer
