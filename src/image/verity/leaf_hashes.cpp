#include "image/verity/leaf_hashes.hpp"

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "image/verity/tree.hpp"

namespace bartizan::image::verity {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kHashBytes = 32;
constexpr uint64_t kHashesPerBlock = kBlockSize / kHashBytes;
constexpr uint64_t kBlocksAtOnce = 64;

// struct verity_sb of cryptsetup ("dm-verity" on-disk header, version 1), in a block of its own.
Bytes superblock(const guest_abi::Manifest::Verity& verity, ByteView uuid) {
  Bytes block(kBlockSize);
  auto put = [&block](size_t at, ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), block.begin() + static_cast<ptrdiff_t>(at));
  };
  put(0, as_bytes("verity"));
  store_le<uint32_t>(&block[8], 1);   // version
  store_le<uint32_t>(&block[12], 1);  // hash type: the salt comes first
  put(16, uuid);
  put(32, as_bytes(verity.algorithm));
  store_le<uint32_t>(&block[64], verity.block_size);
  store_le<uint32_t>(&block[68], verity.block_size);
  store_le<uint64_t>(&block[72], verity.data_blocks);
  store_le<uint16_t>(&block[80], static_cast<uint16_t>(verity.salt.size()));
  put(88, verity.salt);
  return block;
}

// One level after the other, lowest first; each lies before the one that it covers.
class TreeWriter {
 public:
  TreeWriter(int fd, uint64_t end, ByteView salt, const std::string& name)
      : fd_(fd), end_(end), hasher_(salt), name_(name) {}

  // The lowest level, from the file of hashes. Leaves the hashes of its blocks in hashes().
  Result<void> copy_leaves(int leaves, uint64_t count, const std::string& leaves_name) {
    uint64_t blocks = (count + kHashesPerBlock - 1) / kHashesPerBlock;
    uint64_t at = end_ -= blocks * kBlockSize;
    Bytes buffer(kBlocksAtOnce * kBlockSize);
    for (uint64_t done = 0; done < count;) {
      uint64_t part = std::min(kBlocksAtOnce * kHashesPerBlock, count - done);
      TRY(read_exactly(leaves, std::span(buffer).first(part * kHashBytes), done * kHashBytes,
                       leaves_name));
      uint64_t used = (part + kHashesPerBlock - 1) / kHashesPerBlock * kBlockSize;
      std::fill(buffer.begin() + static_cast<ptrdiff_t>(part * kHashBytes),
                buffer.begin() + static_cast<ptrdiff_t>(used), 0);
      TRY(put(ByteView(buffer).first(used), at));
      at += used;
      done += part;
    }
    return {};
  }

  // Levels above, up to the one block whose hash is the root.
  Result<void> climb() {
    while (hashes_.size() > kHashBytes) {
      Bytes level = std::exchange(hashes_, {});
      level.resize((level.size() + kBlockSize - 1) / kBlockSize * kBlockSize);
      end_ -= level.size();
      TRY(put(level, end_));
    }
    return {};
  }
  Bytes root() { return std::move(hashes_); }

 private:
  Result<void> put(ByteView blocks, uint64_t at) {
    for (size_t i = 0; i < blocks.size(); i += kBlockSize) {
      auto digest = hasher_.hash(blocks.subspan(i, kBlockSize));
      hashes_.insert(hashes_.end(), digest.begin(), digest.end());
    }
    return write_exactly(fd_, blocks, at, name_);
  }

  int fd_;
  uint64_t end_;
  crypto::PrefixHasher hasher_;
  const std::string& name_;
  Bytes hashes_;
};

}  // namespace

Result<LeafHashes> LeafHashes::create(const fs::path& folder, Bytes salt) {
  return LeafHashes(TRY(unnamed_file(folder)), (folder / "hashes").string(), std::move(salt));
}

Result<void> LeafHashes::add(uint64_t first, ByteView blocks) const {
  crypto::PrefixHasher hasher(salt_);
  Bytes hashes;
  hashes.reserve(blocks.size() / kHashesPerBlock);
  for (size_t i = 0; i < blocks.size(); i += kBlockSize) {
    auto digest = hasher.hash(blocks.subspan(i, kBlockSize));
    hashes.insert(hashes.end(), digest.begin(), digest.end());
  }
  return write_exactly(file_.get(), hashes, first * kHashBytes, name_);
}

Result<guest_abi::Manifest::Verity> LeafHashes::write_tree(int fd, uint64_t start,
                                                           uint64_t data_bytes, ByteView uuid,
                                                           const std::string& name) const {
  guest_abi::Manifest::Verity verity;
  verity.salt = salt_;
  verity.data_blocks = data_bytes / kBlockSize;
  verity.hash_offset = data_bytes + kBlockSize;
  TRY(write_exactly(fd, superblock(verity, uuid), start + data_bytes, name));
  uint64_t end = start + verity.hash_offset + verity_tree_blocks(verity.data_blocks) * kBlockSize;
  TreeWriter tree(fd, end, salt_, name);
  TRY(tree.copy_leaves(file_.get(), verity.data_blocks, name_));
  TRY(tree.climb());
  verity.root_hash = tree.root();
  return verity;
}

}  // namespace bartizan::image::verity
