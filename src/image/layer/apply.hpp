// LayerMerger: layers in (highest first), a merged tree and streamed file contents out.
//
//   for each layer, highest first:  apply(number, name, open)
//   then:                           finish()
//
// A file that a higher layer hides is passed over, never written. The one exception: hard links to
// it from the same layer keep it alive; as these follow it in the stream, such a layer is read a
// second time.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "image/filesystem/erofs_writer.hpp"
#include "image/layer/byte_source.hpp"
#include "image/layer/merged_tree.hpp"
#include "image/layer/tar_reader.hpp"

namespace bartizan::image {

class LayerMerger {
 public:
  // Opens the layer's tar stream, decompressed. Called once or twice a layer.
  using Open = std::function<Result<std::unique_ptr<ByteSource>>()>;

  // `counted`: contents are passed over, for the sake of their sizes alone.
  enum class Contents { copied, counted };
  explicit LayerMerger(ErofsWriter& writer, Contents contents = Contents::copied)
      : writer_(writer), contents_(contents), buffer_(kBufferBytes) {}

  // Reads the stream to its very end, so that the blob's digest is checked. `name` appears in
  // errors.
  Result<void> apply(uint32_t number, const std::string& name, const Open& open);

  // A regular file that is in no layer, as layer `number`.
  Result<void> add_file(uint32_t number, const Path& path, uint32_t mode, ByteView content);

  struct Totals {
    uint64_t entries = 0;        // names, the root not counted
    uint64_t content_bytes = 0;  // of regular files
  };
  // The tree as it is to be written. corrupt: a hard link to nothing. The tree lives as long as
  // this object.
  Result<Node*> finish();
  const Totals& totals() const { return totals_; }

 private:
  static constexpr size_t kBufferBytes = 256 * 1024;

  Result<void> take(TarReader& reader, const TarEntry& entry);
  Result<bool> take_mark(Path path);
  Result<void> take_link(const TarEntry& entry, const Path& path, Node* node);
  Result<std::shared_ptr<Inode>> link_inode(Path target);
  Result<void> fill(TarReader& reader, const TarEntry& entry, Inode& inode);
  Result<void> copy_content(TarReader& reader, uint64_t size);
  Result<void> read_again(const Open& open);
  std::shared_ptr<Inode> take_pending(const std::string& path);
  void count(const Node& node);
  Error bad(std::string_view path, std::string_view why) const;

  ErofsWriter& writer_;
  Contents contents_;
  MergedTree tree_;
  Bytes buffer_;
  std::string name_;
  // Of the current layer: what higher layers hide, by path. An entry is known by its number, as a
  // path may come twice.
  struct Hidden {
    uint64_t entry = 0;
    std::string link;  // of a hard link: its target
  };
  std::unordered_map<std::string, Hidden> hidden_;
  uint64_t entry_ = 0;
  // Of the current layer: hidden files that a visible link needs, by entry.
  std::unordered_map<uint64_t, std::shared_ptr<Inode>> wanted_;
  // Targets of hard links that are still to come, in lower layers.
  std::map<std::string, std::shared_ptr<Inode>> pending_;
  uint64_t written_ = 0;
  Totals totals_;
};

}  // namespace bartizan::image
