// Two kinds of guest memory for device tests.
//
// PlainMemory is a block of bytes with private pages. RacingMemory shows the same bytes to a device
// once: a byte that is read a second time, without having been written in between, comes back
// changed, as if the guest had rewritten it between check and use. A device that copies once,
// validates and uses works on both alike. What the ring protocol itself makes a device read again
// (the available ring's flags, index and used_event) is exempt.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "vmm/memory/guest_memory.hpp"

namespace bartizan::fakes {

class PlainMemory : public vmm::memory::DeviceMemory {
 public:
  explicit PlainMemory(uint64_t size) : bytes_(size) {}

  Result<void> read(GuestAddress from, std::span<uint8_t> to) override;
  Result<void> write(GuestAddress to, ByteView from) override;
  Result<std::span<uint8_t>> window(GuestAddress at, uint64_t size) override;

  // The guest's side: private pages are its own.
  void guest_write(uint64_t at, ByteView from);
  Bytes guest_read(uint64_t at, uint64_t size);
  template <typename T>
  void guest_store(uint64_t at, T value) {
    guest_write(at, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
  }
  template <typename T>
  T guest_load(uint64_t at) {
    return load_le<T>(guest_read(at, sizeof(T)).data());
  }
  void make_private(uint64_t page_address, bool is_private = true);
  uint64_t refused() const;  // accesses of the device to private pages

 protected:
  virtual void on_read(uint64_t, std::span<uint8_t>) {}
  virtual void on_written(uint64_t, uint64_t) {}

  mutable std::mutex mutex_;  // held in on_read and on_written

 private:
  Result<void> check(uint64_t at, uint64_t size);

  std::vector<uint8_t> bytes_;
  std::set<uint64_t> private_;
  uint64_t refused_ = 0;
};

class RacingMemory : public PlainMemory {
 public:
  using PlainMemory::PlainMemory;
  void exempt(uint64_t at, uint64_t size);

 private:
  void on_read(uint64_t at, std::span<uint8_t> bytes) override;
  void on_written(uint64_t at, uint64_t size) override;

  std::map<uint64_t, uint64_t> exempt_;  // start -> end
  std::set<uint64_t> seen_;
};

}  // namespace bartizan::fakes
