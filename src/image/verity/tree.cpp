#include "image/verity/tree.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan::image::verity {
namespace {

constexpr uint64_t kHashBytes = 32;
constexpr uint64_t kHashesPerBlock = kBlockSize / kHashBytes;
constexpr uint64_t kBlocksAtOnce = 256;

// Sizes in blocks, lowest level (hashes of data) first; the last is the one block under the root.
std::vector<uint64_t> level_sizes(uint64_t data_blocks) {
  std::vector<uint64_t> sizes;
  for (uint64_t blocks = data_blocks; blocks > 1 || sizes.empty();) {
    blocks = (blocks + kHashesPerBlock - 1) / kHashesPerBlock;
    sizes.push_back(blocks);
  }
  return sizes;
}

// Compares the hashes of one level's blocks with what the level above stores.
class LevelCheck {
 public:
  LevelCheck(int fd, const guest_abi::Manifest::Verity& verity, const std::string& name,
             Meter& meter)
      : fd_(fd),
        verity_(verity),
        name_(name),
        meter_(meter),
        data_(kBlocksAtOnce * kBlockSize),
        stored_(kBlockSize) {}

  // Blocks [0, count) at byte `at` against the hash blocks at byte `hashes`. `data`: names what is
  // wrong, counts as progress.
  Result<void> run(uint64_t at, uint64_t count, uint64_t hashes, bool data) {
    for (uint64_t first = 0; first < count; first += kBlocksAtOnce) {
      uint64_t part = std::min(kBlocksAtOnce, count - first);
      auto space = std::span(data_).first(part * kBlockSize);
      TRY(read_exactly(fd_, space, at + first * kBlockSize, name_));
      for (uint64_t i = 0; i < part; ++i) {
        TRY(check_block(ByteView(space).subspan(i * kBlockSize, kBlockSize), first + i, hashes,
                        data));
      }
      if (data) TRY(meter_.advance(part * kBlockSize));
    }
    return check_padding(count);
  }

  Bytes hash(ByteView block) const {
    crypto::Hasher hasher(crypto::HashKind::sha256);
    hasher.update(verity_.salt);
    hasher.update(block);
    return hasher.finish();
  }

  Error differs(ByteView expected, ByteView got, std::string what) const {
    return refused("image/verity", "verity", to_hex(expected), to_hex(got),
                   "{}: {} does not agree with the tree", name_, what);
  }

 private:
  Result<void> check_block(ByteView block, uint64_t number, uint64_t hashes, bool data) {
    uint64_t slot = number % kHashesPerBlock;
    if (slot == 0)
      TRY(read_exactly(fd_, stored_, hashes + number / kHashesPerBlock * kBlockSize, name_));
    Bytes found = hash(block);
    ByteView expected = ByteView(stored_).subspan(slot * kHashBytes, kHashBytes);
    if (std::equal(found.begin(), found.end(), expected.begin())) return {};
    return differs(expected, found, fmt::format("{} block {}", data ? "data" : "hash", number));
  }

  // What follows the last hash in its block must be zero.
  Result<void> check_padding(uint64_t count) const {
    uint64_t used = (count - 1) % kHashesPerBlock + 1;
    for (size_t i = used * kHashBytes; i < kBlockSize; ++i) {
      if (stored_[i] != 0)
        return refused("image/verity", "verity", "00", to_hex({&stored_[i], 1}),
                       "{}: padding of a hash block is not zero", name_);
    }
    return {};
  }

  int fd_;
  const guest_abi::Manifest::Verity& verity_;
  const std::string& name_;
  Meter& meter_;
  Bytes data_, stored_;
};

}  // namespace

uint64_t verity_tree_blocks(uint64_t data_blocks) {
  uint64_t sum = 0;
  for (uint64_t size : level_sizes(data_blocks)) sum += size;
  return sum;
}

Result<void> verify_tree(int fd, uint64_t start, const guest_abi::Manifest::Verity& verity,
                         const std::string& name, Meter& meter) {
  LevelCheck check(fd, verity, name, meter);
  std::vector<uint64_t> sizes = level_sizes(verity.data_blocks);
  // On disk the top level comes first.
  uint64_t end = start + verity.hash_offset + verity_tree_blocks(verity.data_blocks) * kBlockSize;
  uint64_t below = start, below_blocks = verity.data_blocks;
  for (uint64_t blocks : sizes) {
    uint64_t at = end - blocks * kBlockSize;
    TRY(check.run(below, below_blocks, at, below == start));
    end = below = at;
    below_blocks = blocks;
  }
  Bytes top(kBlockSize);
  TRY(read_exactly(fd, top, below, name));
  Bytes root = check.hash(top);
  if (root != verity.root_hash) return check.differs(verity.root_hash, root, "root hash");
  return {};
}

}  // namespace bartizan::image::verity
