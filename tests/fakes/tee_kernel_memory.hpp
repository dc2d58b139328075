// The memory half of the fake kernel: this process's memory as a kernel sees it, memory slots,
// guest_memfds and private attributes. Functions that play an ioctl return what the kernel does: 0
// or more, or a negative errno.
//
// Owned by a TeeVm; under TeeKernel's lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/unique_fd.hpp"
#include "vmm/kvm/gmem_abi.hpp"

namespace bartizan::fakes {

constexpr uint64_t kPage = 4096;

// Copies from and to this process by system calls, so that a bad address is EFAULT instead of a
// crash.
class UserMemory {
 public:
  UserMemory();
  bool read(uint64_t from, void* to, size_t size);
  bool write(uint64_t to, const void* from, size_t size);
  template <typename T>
  bool read(uint64_t from, T& to) {
    return read(from, &to, sizeof to);
  }
  template <typename T>
  bool write(uint64_t to, const T& from) {
    return write(to, &from, sizeof from);
  }

 private:
  UniqueFd scratch_;
};

// Which file a descriptor is, so that a number that was closed and given out again is told apart.
std::optional<uint64_t> file_identity(int fd);

// A set of page numbers, kept as ranges: guests have millions of pages and few borders.
class PageSet {
 public:
  void insert(uint64_t first, uint64_t count);
  void erase(uint64_t first, uint64_t count);
  bool contains(uint64_t page) const;
  std::optional<uint64_t> first_missing(uint64_t first, uint64_t count) const;
  bool intersects(uint64_t first, uint64_t count) const;
  uint64_t size() const;
  const std::map<uint64_t, uint64_t>& ranges() const { return ranges_; }  // first -> one past last

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

struct GuestMemfd {
  UniqueFd file;  // a duplicate, as a slot of a real kernel holds a reference
  uint64_t identity = 0;
  uint64_t size = 0;
  PageSet bound;
  size_t number = 0;  // for transcripts
};

struct Slot {
  uint32_t flags = 0;
  uint64_t gpa = 0, size = 0, hva = 0;
  std::shared_ptr<GuestMemfd> file;
  uint64_t file_offset = 0;
  bool holds(uint64_t address) const { return address >= gpa && address - gpa < size; }
};

class SlotTable {
 public:
  explicit SlotTable(bool has_private_memory) : has_private_memory_(has_private_memory) {}

  int set_region(const vmm::kvm::MemoryRegion2& region, bool second_version);
  int create_guest_memfd(const vmm::kvm::CreateGuestMemfd& wish);
  int set_attributes(const vmm::kvm::MemoryAttributes& wish);

  const Slot* find(uint64_t gpa) const;
  const std::map<uint32_t, Slot>& slots() const { return slots_; }
  bool is_private(uint64_t page) const { return private_.contains(page); }
  const PageSet& private_pages() const { return private_; }
  bool is_guest_memfd(int fd) const { return file_of(fd) != nullptr; }
  std::shared_ptr<GuestMemfd> file_of(int fd) const;

  // The guest (or the firmware for it) gets a private page: guest_memfd allocates it.
  void allocate_private(uint64_t gpa);
  // Pages whose other side still holds memory: private ones with host memory behind them, shared
  // ones that guest_memfd still holds. What a VMM must give back at each conversion.
  uint64_t pages_held_twice() const;

 private:
  int check_new(const vmm::kvm::MemoryRegion2& region, std::shared_ptr<GuestMemfd>& file) const;
  int remove(uint32_t id);
  bool private_side_held(const Slot& slot, uint64_t gpa) const;

  bool has_private_memory_;
  std::map<uint32_t, Slot> slots_;
  std::vector<std::shared_ptr<GuestMemfd>> files_;
  PageSet private_;
};

}  // namespace bartizan::fakes
