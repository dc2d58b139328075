// Spill: bytes that are put aside and read back once, more than fits in memory: a few MiB of
// pages stay, the others go to a file without a name in the folder of the build. That folder is
// where the image goes, and maybe no place for the source's contents: pages are encrypted there,
// under a key of this object alone. One thread.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "crypto/aes_xts.hpp"

namespace bartizan::image::filesystem {

class Spill {
 public:
  // No file is made in `folder` before the first page has to go there.
  explicit Spill(std::filesystem::path folder) : folder_(std::move(folder)) {}

  uint64_t size() const { return size_; }  // where the next bytes go
  Result<void> append(ByteView bytes);
  // Precondition: all of it was appended.
  Result<void> read(uint64_t offset, std::span<uint8_t> to);

 private:
  static constexpr size_t kPagesHeld = 2048;
  struct Slot {
    uint64_t page = 0;
    Bytes bytes;         // empty: holds nothing
    bool stored = true;  // also in the file
  };

  Result<void> open();
  Result<void> keep(uint64_t page, Bytes bytes, bool stored);
  Result<ByteView> page(uint64_t number);

  std::filesystem::path folder_;
  UniqueFd file_;
  std::optional<crypto::AesXts> encrypt_, decrypt_;
  std::vector<Slot> slots_;  // page N in slot N modulo their number
  Bytes last_;               // the page that is being filled
  uint64_t size_ = 0;
};

}  // namespace bartizan::image::filesystem
