#include "image/filesystem/spill.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::filesystem {
namespace {

constexpr char kName[] = "metadata put aside";

}  // namespace

Result<void> Spill::open() {
  constexpr size_t kKeyBytes = 64;
  SecretBytes key = TRY(crypto::random_secret(kKeyBytes));
  using Direction = crypto::AesXts::Direction;
  encrypt_.emplace(TRY(crypto::AesXts::create(key.bytes(), kPageSize, Direction::encrypt)));
  decrypt_.emplace(TRY(crypto::AesXts::create(key.bytes(), kPageSize, Direction::decrypt)));
  file_ = TRY(unnamed_file(folder_));
  return {};
}

// Puts a page into its slot; who was there before goes to the file.
Result<void> Spill::keep(uint64_t page, Bytes bytes, bool stored) {
  if (slots_.empty()) slots_.resize(kPagesHeld);
  Slot& slot = slots_[page % kPagesHeld];
  if (!slot.stored) {
    if (!file_.valid()) TRY(open());
    TRY(encrypt_->process(slot.bytes, slot.bytes, slot.page * kPageSize));
    TRY(write_exactly(file_.get(), slot.bytes, slot.page * kPageSize, kName));
  }
  slot = {page, std::move(bytes), stored};
  return {};
}

Result<void> Spill::append(ByteView bytes) {
  while (!bytes.empty()) {
    last_.reserve(kPageSize);
    size_t part = std::min(kPageSize - last_.size(), bytes.size());
    last_.insert(last_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    size_ += part;
    if (last_.size() == kPageSize)
      TRY(keep(size_ / kPageSize - 1, std::exchange(last_, {}), false));
  }
  return {};
}

Result<ByteView> Spill::page(uint64_t number) {
  if (number == size_ / kPageSize) return ByteView(last_);
  Slot& slot = slots_[number % kPagesHeld];
  if (slot.page != number || slot.bytes.empty()) {
    Bytes bytes(kPageSize);
    TRY(read_exactly(file_.get(), bytes, number * kPageSize, kName));
    TRY(decrypt_->process(bytes, bytes, number * kPageSize));
    TRY(keep(number, std::move(bytes), true));
  }
  return ByteView(slot.bytes);
}

Result<void> Spill::read(uint64_t offset, std::span<uint8_t> to) {
  if (offset > size_ || to.size() > size_ - offset)
    return make_error(ErrorCode::internal, "image/filesystem", "{}: {} bytes at {} of {}", kName,
                      to.size(), offset, size_);
  while (!to.empty()) {
    size_t within = offset % kPageSize;
    ByteView found = TRY(page(offset / kPageSize)).subspan(within);
    size_t part = std::min(found.size(), to.size());
    std::copy_n(found.begin(), part, to.begin());
    to = to.subspan(part);
    offset += part;
  }
  return {};
}

}  // namespace bartizan::image::filesystem
