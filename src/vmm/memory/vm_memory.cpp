#include "vmm/memory/vm_memory.hpp"

#include <sys/mman.h>

#include <linux/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "crypto/hash.hpp"

namespace bartizan::vmm::memory {
namespace {

constexpr const char* kOrigin = "memory";
constexpr uint64_t kBits = 64;
constexpr size_t kViewKeyBytes = 64;  // AES-256-XTS

Result<uint64_t> checked_size(const std::vector<RamRegion>& regions) {
  uint64_t size = 0, end = 0;
  for (const RamRegion& region : regions) {
    auto region_end = checked_add(region.base.value, region.size);
    bool whole_pages = region.base.value % kPageSize == 0 && region.size % kPageSize == 0;
    if (!region_end || !whole_pages || region.size == 0 || region.base.value < end) {
      return make_error(ErrorCode::invalid_argument, kOrigin,
                        "RAM region {:#x}+{:#x}: not whole pages in ascending order",
                        region.base.value, region.size);
    }
    end = *region_end;
    size += region.size;
  }
  if (size == 0) return make_error(ErrorCode::invalid_argument, kOrigin, "no RAM");
  return size;
}

// `count` bits of a word from `first` on.
uint64_t mask_of(uint64_t first, uint64_t count) {
  return (count == kBits ? ~0ull : (1ull << count) - 1) << first;
}

uint8_t* align_to_huge(uint8_t* at) {
  auto value = reinterpret_cast<uintptr_t>(at);
  return at + (kLargePageSize - value % kLargePageSize) % kLargePageSize;
}

}  // namespace

GuestMemory::GuestMemory(std::vector<RamRegion> regions, Mapping mapping, uint64_t size,
                         PageState initial, SecretBytes key)
    : regions_(std::move(regions)),
      mapping_(mapping),
      base_(mapping.backing == Backing::transparent ? align_to_huge(mapping.base) : mapping.base),
      size_(size),
      private_((size / kPageSize + kBits - 1) / kBits),
      view_key_(std::move(key)) {
  uint64_t offset = 0;
  for (const RamRegion& region : regions_) {
    offsets_.push_back(offset);
    offset += region.size;
  }
  set_pages(0, size / kPageSize, initial);
}

GuestMemory::~GuestMemory() {
  ::munmap(mapping_.base, mapping_.size);
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(std::vector<RamRegion> regions,
                                                         PageState initial, Backing backing) {
  uint64_t size = TRY(checked_size(regions));
  SecretBytes key = TRY(crypto::random_secret(kViewKeyBytes));
  Mapping mapping = TRY(map(size, backing));
  // DONTFORK: a forked child of the caller must not copy guest RAM.
  ::madvise(mapping.base, mapping.size, MADV_DONTFORK);
  ::madvise(mapping.base, mapping.size, MADV_DONTDUMP);
  if (backing == Backing::transparent) ::madvise(mapping.base, mapping.size, MADV_HUGEPAGE);
  return std::unique_ptr<GuestMemory>(
      new GuestMemory(std::move(regions), mapping, size, initial, std::move(key)));
}

// NORESERVE: a guest pays for what it touches. Not so in the pool, where a page that is missing on
// first touch kills the process. Transparent pages need space to start on a boundary of theirs.
Result<GuestMemory::Mapping> GuestMemory::map(uint64_t size, Backing backing) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  uint64_t whole = size;
  if (backing == Backing::reserved) {
    flags |= MAP_HUGETLB | MAP_HUGE_2MB;
    whole = checked_add(size, kLargePageSize - 1).value_or(0);
    whole = align_down(whole, kLargePageSize);
  } else {
    flags |= MAP_NORESERVE;
    if (backing == Backing::transparent) whole = checked_add(size, kLargePageSize).value_or(0);
  }
  void* base = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (base != MAP_FAILED) {
    ::madvise(base, whole, MADV_DONTDUMP);  // a core of the caller is not to hold its guests
    return Mapping{static_cast<uint8_t*>(base), whole, backing};
  }
  if (backing != Backing::reserved)
    return errno_error(errno, kOrigin, fmt::format("guest RAM of {} bytes: mmap", size));
  return errno_error(
      errno, kOrigin,
      fmt::format("guest RAM of {} bytes in reserved huge pages: {} of 2 MiB must be "
                  "free (/proc/sys/vm/nr_hugepages)",
                  size, whole / kLargePageSize));
}

std::optional<uint64_t> GuestMemory::offset_of(GuestAddress at, uint64_t size) const {
  for (size_t i = 0; i < regions_.size(); ++i) {
    const RamRegion& region = regions_[i];
    if (at < region.base) return std::nullopt;
    uint64_t inside = at.value - region.base.value;
    if (inside < region.size) {
      if (size > region.size - inside) return std::nullopt;
      return offsets_[i] + inside;
    }
  }
  return std::nullopt;
}

bool GuestMemory::is_private(uint64_t page) const {
  return (private_[page / kBits].load(std::memory_order_acquire) >> (page % kBits) & 1) != 0;
}

// Words, as in set_pages: a device's window may be gigabytes.
bool GuestMemory::all_shared(uint64_t offset, uint64_t size) const {
  if (size == 0) return true;
  uint64_t first = offset / kPageSize, end = (offset + size - 1) / kPageSize + 1;
  while (first < end) {
    uint64_t bit = first % kBits, take = std::min(kBits - bit, end - first);
    if ((private_[first / kBits].load(std::memory_order_acquire) & mask_of(bit, take)) != 0) {
      return false;
    }
    first += take;
  }
  return true;
}

Result<std::span<uint8_t>> GuestMemory::window(GuestAddress at, uint64_t size) {
  auto offset = offset_of(at, size);
  if (!offset) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "guest address {:#x}+{:#x}: not RAM",
                      at.value, size);
  }
  if (!all_shared(*offset, size)) {
    refusals_.fetch_add(1, std::memory_order_relaxed);
    return make_error(ErrorCode::permission_denied, kOrigin,
                      "guest address {:#x}+{:#x}: private page", at.value, size);
  }
  return std::span<uint8_t>(base_ + *offset, size);
}

Result<void> GuestMemory::read(GuestAddress from, std::span<uint8_t> to) {
  auto source = TRY(window(from, to.size()));
  std::memcpy(to.data(), source.data(), to.size());
  return {};
}

Result<void> GuestMemory::write(GuestAddress to, ByteView from) {
  auto target = TRY(window(to, from.size()));
  std::memcpy(target.data(), from.data(), from.size());
  return {};
}

Result<void> GuestMemory::load(GuestAddress to, ByteView from) {
  auto offset = offset_of(to, from.size());
  if (!offset) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "guest address {:#x}+{:#x}: not RAM",
                      to.value, from.size());
  }
  if (!from.empty()) std::memcpy(base_ + *offset, from.data(), from.size());
  return {};
}

// Whole words where possible: one guest call may name all of RAM, and must not cost an atomic
// operation a page.
void GuestMemory::set_pages(uint64_t first, uint64_t count, PageState state) {
  uint64_t end = first + count;
  while (first < end) {
    uint64_t bit = first % kBits, take = std::min(kBits - bit, end - first);
    uint64_t mask = mask_of(bit, take);
    std::atomic<uint64_t>& word = private_[first / kBits];
    if (state == PageState::private_) {
      word.fetch_or(mask, std::memory_order_acq_rel);
    } else {
      word.fetch_and(~mask, std::memory_order_acq_rel);
    }
    first += take;
  }
}

std::vector<GuestMemory::Piece> GuestMemory::ram_in(GuestAddress at, uint64_t pages) const {
  std::vector<Piece> pieces;
  uint64_t first = at.value / kPageSize;
  uint64_t end = checked_add(first, pages).value_or(UINT64_MAX);
  for (size_t i = 0; i < regions_.size(); ++i) {
    uint64_t region_first = regions_[i].base.value / kPageSize;
    uint64_t from = std::max(first, region_first);
    uint64_t to = std::min(end, region_first + regions_[i].size / kPageSize);
    if (from < to) pieces.push_back({i, {from * kPageSize}, (to - from) * kPageSize});
  }
  return pieces;
}

Result<void> GuestMemory::discard(const Piece& piece) {
  if (mapping_.backing == Backing::reserved) return {};
  uint64_t inside = piece.address.value - regions_[piece.region].base.value;
  if (::madvise(host_address(piece.region) + inside, piece.size, MADV_DONTNEED) == 0) return {};
  return errno_error(errno, kOrigin,
                     fmt::format("guest address {:#x}+{:#x}: madvise(MADV_DONTNEED)",
                                 piece.address.value, piece.size));
}

void GuestMemory::set_state(GuestAddress at, uint64_t pages, PageState state) {
  changes_.fetch_add(1, std::memory_order_relaxed);
  for (const Piece& piece : ram_in(at, pages)) {
    uint64_t inside = piece.address.value - regions_[piece.region].base.value;
    set_pages((offsets_[piece.region] + inside) / kPageSize, piece.size / kPageSize, state);
  }
}

PageState GuestMemory::state(GuestAddress page) const {
  auto offset = offset_of(page, 1);
  return offset && !is_private(*offset / kPageSize) ? PageState::shared : PageState::private_;
}

uint64_t GuestMemory::shared_pages() const {
  uint64_t hidden = 0;
  for (const auto& word : private_) {
    hidden += static_cast<uint64_t>(std::popcount(word.load(std::memory_order_relaxed)));
  }
  return size_ / kPageSize - hidden;
}

}  // namespace bartizan::vmm::memory
