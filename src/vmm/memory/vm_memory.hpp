// GuestMemory: the RAM of one VM, with the private/shared state of each page.
//
// It owns one anonymous mapping; regions lie in it one after another ("RAM offset": bytes of RAM
// counted from 0, without holes). Devices see it as DeviceMemory: shared pages only. Loaders write
// before the guest runs. All calls may come from any thread; page states change by atomic words, on
// vCPU threads, while devices work.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "bartizan/secret_bytes.hpp"
#include "base/units.hpp"
#include "vmm/memory/guest_memory.hpp"

namespace bartizan::vmm::memory {

// What RAM is made of. A TEE's private pages are KVM's own and 4 KiB each: for them this is about
// the shared side alone.
enum class Backing {
  pages,        // of 4 KiB, as the guest touches them
  transparent,  // 2 MiB where the kernel can, as the guest touches them
  reserved,     // 2 MiB from the host's pool, all at once; they are never given back before the end
};

// Patterns longer than this are refused: each search keeps one in memory beside its window.
constexpr size_t kMaxPatternBytes = 64 * kKiB;

class GuestMemory final : public DeviceMemory {
 public:
  // `regions`: ascending, disjoint, whole pages. All pages start as `initial`. Draws the key of the
  // host's view. resource_exhausted: the pool has too few reserved pages.
  static Result<std::unique_ptr<GuestMemory>> create(std::vector<RamRegion> regions,
                                                     PageState initial,
                                                     Backing backing = Backing::pages);
  ~GuestMemory() override;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  // DeviceMemory: shared pages only.
  Result<void> read(GuestAddress from, std::span<uint8_t> to) override;
  Result<void> write(GuestAddress to, ByteView from) override;
  Result<std::span<uint8_t>> window(GuestAddress at, uint64_t size) override;

  // For launch, before the guest runs: private pages too.
  Result<void> load(GuestAddress to, ByteView from);

  // A guest's page-state call: what of [at, at + pages) is RAM becomes `state`. Counted, whatever
  // it hits.
  void set_state(GuestAddress at, uint64_t pages, PageState state);
  PageState state(GuestAddress page) const;  // `private_` where there is no RAM

  // What of [at, at + pages) is RAM, region by region.
  struct Piece {
    size_t region = 0;
    GuestAddress address;
    uint64_t size = 0;  // bytes
  };
  std::vector<Piece> ram_in(GuestAddress at, uint64_t pages) const;
  // Gives the host memory behind a piece back to the kernel; it reads as zeros afterwards. Reserved
  // pages stay as they are: another user of the pool could take them, and the next touch would kill
  // the process.
  Result<void> discard(const Piece& piece);

  const std::vector<RamRegion>& regions() const { return regions_; }
  uint8_t* host_address(size_t region) const {
    return base_ + offsets_[region];
  }  // for memory slots
  uint64_t size() const { return size_; }

  uint64_t private_refusals() const { return refusals_.load(std::memory_order_relaxed); }
  uint64_t state_changes() const { return changes_.load(std::memory_order_relaxed); }
  uint64_t shared_pages() const;
  uint64_t bookkeeping_bytes() const { return private_.size() * sizeof private_[0]; }

  // Both views count RAM offsets. The host's view: shared pages as they are, private ones encrypted
  // with AES-256-XTS under this VM's key, the tweak being the page's guest address, as an AMD
  // memory controller would show them.
  Result<void> read_raw(uint64_t offset, std::span<uint8_t> to) const;
  Result<void> read_host_view(uint64_t offset, std::span<uint8_t> to) const;
  // How often `pattern` starts in all of RAM, also across page boundaries.
  Result<uint64_t> count_raw(ByteView pattern) const;
  Result<uint64_t> count_host_view(ByteView pattern) const;

 private:
  struct Mapping {
    uint8_t* base = nullptr;
    uint64_t size = 0;
    Backing backing = Backing::pages;
  };
  static Result<Mapping> map(uint64_t size, Backing backing);
  GuestMemory(std::vector<RamRegion> regions, Mapping mapping, uint64_t size, PageState initial,
              SecretBytes key);
  std::optional<uint64_t> offset_of(GuestAddress at, uint64_t size) const;
  bool all_shared(uint64_t offset, uint64_t size) const;
  bool is_private(uint64_t page) const;
  void set_pages(uint64_t first, uint64_t count, PageState state);
  uint64_t address_of(uint64_t offset) const;

  std::vector<RamRegion> regions_;
  std::vector<uint64_t> offsets_;  // RAM offset of each region
  Mapping mapping_;
  uint8_t* base_ = nullptr;  // of RAM, in the mapping
  uint64_t size_ = 0;
  std::vector<std::atomic<uint64_t>> private_;  // one bit a page, set: private
  std::atomic<uint64_t> refusals_{0};
  std::atomic<uint64_t> changes_{0};
  SecretBytes view_key_;
};

}  // namespace bartizan::vmm::memory
