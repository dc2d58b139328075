#include "image/ext4/blocks.hpp"

#include <cstring>

namespace bartizan::image::ext4 {
namespace {

// libext2fs gives open() a name and no object: this thread's call of Blocks::open() leaves it here.
thread_local Blocks* opening = nullptr;

}  // namespace

// The functions that libext2fs calls; `private_data` of a channel is its Blocks.
struct BlockManager {
  static Blocks& of(io_channel channel) { return *static_cast<Blocks*>(channel->private_data); }

  static errcode_t open(const char* name, int, io_channel* to) {
    io_channel channel = nullptr;
    if (errcode_t code = ext2fs_get_memzero(sizeof(struct_io_channel), &channel)) return code;
    const size_t bytes = std::strlen(name) + 1;
    if (errcode_t code = ext2fs_get_mem(bytes, &channel->name)) {
      ext2fs_free_mem(&channel);
      return code;
    }
    std::memcpy(channel->name, name, bytes);
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = manager();
    channel->block_size = 1024;
    channel->refcount = 1;
    channel->private_data = opening;
    *to = channel;
    return 0;
  }
  static errcode_t close(io_channel channel) {
    if (--channel->refcount > 0) return 0;
    ext2fs_free_mem(&channel->name);
    return ext2fs_free_mem(&channel);
  }
  static errcode_t set_block_size(io_channel channel, int bytes) {
    channel->block_size = bytes;
    of(channel).set_block_size(static_cast<uint32_t>(bytes));
    return 0;
  }
  static errcode_t read(io_channel channel, unsigned long block, int count, void* to) {
    return of(channel).read(block, count, static_cast<uint8_t*>(to));
  }
  static errcode_t read64(io_channel channel, unsigned long long block, int count, void* to) {
    return of(channel).read(block, count, static_cast<uint8_t*>(to));
  }
  static errcode_t write(io_channel, unsigned long, int, const void*) { return EXT2_ET_RO_FILSYS; }
  static errcode_t write64(io_channel, unsigned long long, int, const void*) {
    return EXT2_ET_RO_FILSYS;
  }
  static errcode_t flush(io_channel) { return 0; }

  static io_manager manager() {
    static struct_io_manager functions = [] {
      struct_io_manager made{};
      made.magic = EXT2_ET_MAGIC_IO_MANAGER;
      made.name = "bartizan";
      made.open = open;
      made.close = close;
      made.set_blksize = set_block_size;
      made.read_blk = read;
      made.read_blk64 = read64;
      made.write_blk = write;
      made.write_blk64 = write64;
      made.flush = flush;
      return made;
    }();
    return &functions;
  }
};

errcode_t Blocks::open(ext2_filsys* fs) {
  opening = this;
  const errcode_t code =
      ext2fs_open2("disk", nullptr, EXT2_FLAG_64BITS, 0, 0, BlockManager::manager(), fs);
  opening = nullptr;
  return code;
}

void Blocks::set_block_size(uint32_t bytes) {
  block_size_ = bytes;
  for (Slot& slot : slots_) slot = Slot();
}

errcode_t Blocks::read_bytes(uint64_t offset, std::span<uint8_t> to) {
  if (offset > disk_.size() || to.size() > disk_.size() - offset) return EXT2_ET_SHORT_READ;
  auto done = disk_.read(offset, to);
  if (done.ok()) return 0;
  failure_ = done.error();
  return EXT2_ET_SHORT_READ;
}

// `count`: of blocks; if it is negative, of bytes.
errcode_t Blocks::read(uint64_t block, int count, uint8_t* to) {
  const uint64_t bytes =
      count < 0 ? -static_cast<int64_t>(count) : static_cast<uint64_t>(count) * block_size_;
  const uint64_t blocks = (bytes + block_size_ - 1) / block_size_;
  if (blocks > allowed_) {
    exhausted_ = true;
    return EXT2_ET_SHORT_READ;
  }
  allowed_ -= blocks;
  if (block > disk_.size() / block_size_) return EXT2_ET_SHORT_READ;
  if (count != 1) return read_bytes(block * block_size_, {to, bytes});
  Slot& slot = slots_[block % kRemembered];
  if (slot.number != block + 1) {
    slot.number = 0;
    slot.bytes.resize(block_size_);
    if (errcode_t code = read_bytes(block * block_size_, slot.bytes)) return code;
    slot.number = block + 1;
  }
  std::copy(slot.bytes.begin(), slot.bytes.end(), to);
  return 0;
}

}  // namespace bartizan::image::ext4
