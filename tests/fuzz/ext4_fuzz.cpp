// A hostile ext4. The input lists the blocks of 1024 bytes that a disk of kDiskBytes has, each
// behind its number (2 bytes, little endian); the others are zeros. The reading ends, gives no more
// than the disk and holes can hold, and what it gives merges into a tree or is refused.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/units.hpp"
#include "image/builder/foreign_source.hpp"
#include "image/ext4/ext4_reader.hpp"
#include "image/layer/apply.hpp"

namespace {

using namespace bartizan;  // NOLINT
constexpr size_t kDiskBytes = 128 * kKiB, kInputBlock = 1024, kEachBlock = 2 + kInputBlock;

class FuzzedDisk : public image::ext4::DiskBytes {
 public:
  explicit FuzzedDisk(ByteView input) : bytes_(kDiskBytes) {
    for (; input.size() > 2; input = input.subspan(std::min(input.size(), kEachBlock))) {
      const size_t at = load_le<uint16_t>(input.data()) * kInputBlock % kDiskBytes;
      const ByteView block = input.subspan(2, std::min(input.size() - 2, kInputBlock));
      std::copy(block.begin(), block.end(), bytes_.begin() + static_cast<ptrdiff_t>(at));
    }
  }
  uint64_t size() const override { return bytes_.size(); }
  Result<void> read(uint64_t offset, std::span<uint8_t> to) override {
    if (offset > bytes_.size() || to.size() > bytes_.size() - offset) std::abort();
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
    return {};
  }

 private:
  Bytes bytes_;
};

class NoSink : public image::filesystem::BlockSink {
 public:
  Result<void> write(uint64_t, ByteView) override { return {}; }
};

// What read() gives of all files.
class Counted : public image::tar::EntryReader {
 public:
  explicit Counted(std::unique_ptr<image::tar::EntryReader> reader) : reader_(std::move(reader)) {}
  Result<std::optional<image::tar::TarEntry>> next() override {
    if (++entries_ > kDiskBytes) std::abort();
    auto entry = reader_->next();
    holes_ = entry.ok() && *entry && (*entry)->size > kMiB;
    return entry;
  }
  Result<ByteView> take(std::span<uint8_t> space) override {
    if (holes_) return make_error(ErrorCode::unsupported, "fuzz", "a large sparse file");
    return reader_->take(space);
  }

 private:
  std::unique_ptr<image::tar::EntryReader> reader_;
  uint64_t entries_ = 0;
  bool holes_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDisk disk({data, size});
  auto first = image::ext4::Ext4Reader::open(disk, "disk");
  if (!first.ok()) return 0;
  auto config = (*first)->read_root_file(".krun_config.json", kMiB);
  if (config.ok() && *config) (void)image::builder::parse_foreign_config(**config);
  NoSink sink;
  image::filesystem::ErofsWriter writer(sink);
  image::layer::LayerMerger merger(writer, std::filesystem::temp_directory_path());
  auto applied =
      merger.apply_entries(1, "disk", [&]() -> Result<std::unique_ptr<image::tar::EntryReader>> {
        return std::unique_ptr<image::tar::EntryReader>(
            std::make_unique<Counted>(TRY(image::ext4::Ext4Reader::open(disk, "disk"))));
      });
  if (!applied.ok()) return 0;
  auto tree = merger.finish();
  if (tree.ok() && !writer.finish(**tree, {}).ok()) std::abort();
  return 0;
}
