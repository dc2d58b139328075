#include "fakes/tee_kernel_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace bartizan::fakes {
namespace {

constexpr size_t kChunk = 1 << 16;
constexpr uint32_t kKnownSlotFlags =
    vmm::kvm::kSlotLogDirty | vmm::kvm::kSlotReadOnly | vmm::kvm::kSlotGuestMemfd;

bool aligned(uint64_t value) {
  return value % kPage == 0;
}

bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

}  // namespace

UserMemory::UserMemory() : scratch_(::memfd_create("fake-tee-copy", MFD_CLOEXEC)) {}

// The raw calls: sanitizers check the arguments of the wrapped ones, and these may be bad on
// purpose.
bool UserMemory::read(uint64_t from, void* to, size_t size) {
  auto* out = static_cast<uint8_t*>(to);
  for (size_t done = 0; done < size;) {
    size_t part = std::min(kChunk, size - done);
    long written = ::syscall(SYS_pwrite64, scratch_.get(), from + done, part, 0L);
    if (written != static_cast<long>(part)) return false;
    if (::pread(scratch_.get(), out + done, part, 0) != written) return false;
    done += part;
  }
  return true;
}

bool UserMemory::write(uint64_t to, const void* from, size_t size) {
  auto* in = static_cast<const uint8_t*>(from);
  for (size_t done = 0; done < size;) {
    size_t part = std::min(kChunk, size - done);
    if (::pwrite(scratch_.get(), in + done, part, 0) != static_cast<ssize_t>(part)) return false;
    long copied = ::syscall(SYS_pread64, scratch_.get(), to + done, part, 0L);
    if (copied != static_cast<long>(part)) return false;
    done += part;
  }
  return true;
}

std::optional<uint64_t> file_identity(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return std::nullopt;
  return about.st_ino ^ about.st_dev << 48;
}

void PageSet::insert(uint64_t first, uint64_t count) {
  if (count == 0) return;
  uint64_t end = first + count;
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin() && std::prev(next)->second >= first) --next;
  while (next != ranges_.end() && next->first <= end) {
    first = std::min(first, next->first);
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  ranges_[first] = end;
}

void PageSet::erase(uint64_t first, uint64_t count) {
  uint64_t end = first + count;
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin() && std::prev(next)->second > first) --next;
  while (next != ranges_.end() && next->first < end) {
    auto [start, stop] = *next;
    next = ranges_.erase(next);
    if (start < first) ranges_[start] = first;
    if (stop > end) ranges_[end] = stop;
  }
}

bool PageSet::contains(uint64_t page) const {
  return intersects(page, 1);
}

bool PageSet::intersects(uint64_t first, uint64_t count) const {
  auto next = ranges_.lower_bound(first + count);
  return next != ranges_.begin() && std::prev(next)->second > first;
}

std::optional<uint64_t> PageSet::first_missing(uint64_t first, uint64_t count) const {
  auto next = ranges_.upper_bound(first);
  if (next == ranges_.begin() || std::prev(next)->second <= first) return first;
  uint64_t covered = std::prev(next)->second;
  if (covered >= first + count) return std::nullopt;
  return covered;  // neighbours are merged: the next range does not start here
}

uint64_t PageSet::size() const {
  uint64_t total = 0;
  for (auto [first, end] : ranges_) total += end - first;
  return total;
}

int SlotTable::create_guest_memfd(const vmm::kvm::CreateGuestMemfd& wish) {
  if (!has_private_memory_) return -EINVAL;
  if ((wish.flags & ~vmm::kvm::kGuestMemfdMmap) != 0)
    return -EINVAL;  // INIT_SHARED: not with private memory
  if (wish.size == 0 || !aligned(wish.size)) return -EINVAL;
  if (wish.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return -EINVAL;
  int fd = ::memfd_create("fake-gmem", MFD_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(wish.size)) != 0) return -ENOMEM;
  auto file = std::make_shared<GuestMemfd>();
  file->file = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  file->identity = file_identity(fd).value_or(0);
  file->size = wish.size;
  file->number = files_.size();
  files_.push_back(file);
  return fd;
}

std::shared_ptr<GuestMemfd> SlotTable::file_of(int fd) const {
  auto identity = file_identity(fd);
  for (const auto& file : files_) {
    if (identity && file->identity == *identity) return file;
  }
  return nullptr;
}

int SlotTable::check_new(const vmm::kvm::MemoryRegion2& region,
                         std::shared_ptr<GuestMemfd>& file) const {
  for (const auto& [id, other] : slots_) {
    if (id != region.slot &&
        overlap(region.guest_phys_addr, region.memory_size, other.gpa, other.size)) {
      return -EEXIST;
    }
  }
  if ((region.flags & vmm::kvm::kSlotGuestMemfd) == 0) return 0;
  if (!file_identity(static_cast<int>(region.guest_memfd))) return -EBADF;
  file = file_of(static_cast<int>(region.guest_memfd));
  if (!file) return -EINVAL;  // another kind of file, or another VM's
  uint64_t offset = region.guest_memfd_offset;
  if (offset > file->size || region.memory_size > file->size - offset) return -EINVAL;
  return file->bound.intersects(offset / kPage, region.memory_size / kPage) ? -EEXIST : 0;
}

int SlotTable::remove(uint32_t id) {
  auto old = slots_.find(id);
  if (old == slots_.end()) return -EINVAL;
  if (old->second.file) {
    old->second.file->bound.erase(old->second.file_offset / kPage, old->second.size / kPage);
  }
  slots_.erase(old);
  return 0;
}

int SlotTable::set_region(const vmm::kvm::MemoryRegion2& region, bool second_version) {
  bool wants_file = (region.flags & vmm::kvm::kSlotGuestMemfd) != 0;
  if ((region.flags & ~kKnownSlotFlags) != 0) return -EINVAL;
  if (wants_file && (!second_version || !has_private_memory_)) return -EINVAL;
  if (wants_file && (region.flags & ~vmm::kvm::kSlotGuestMemfd) != 0) return -EINVAL;
  if (!aligned(region.guest_phys_addr) || !aligned(region.memory_size) ||
      !aligned(region.userspace_addr) || (wants_file && !aligned(region.guest_memfd_offset))) {
    return -EINVAL;
  }
  if (region.guest_phys_addr + region.memory_size < region.guest_phys_addr) return -EINVAL;
  if (region.memory_size == 0) return remove(region.slot);
  auto old = slots_.find(region.slot);
  if (old != slots_.end() && (old->second.file || wants_file)) return -EINVAL;
  if (old != slots_.end() && old->second.size != region.memory_size) return -EINVAL;
  std::shared_ptr<GuestMemfd> file;
  if (int refused = check_new(region, file); refused != 0) return refused;
  if (file) file->bound.insert(region.guest_memfd_offset / kPage, region.memory_size / kPage);
  slots_[region.slot] = {
      region.flags, region.guest_phys_addr,   region.memory_size, region.userspace_addr,
      file,         region.guest_memfd_offset};
  return 0;
}

int SlotTable::set_attributes(const vmm::kvm::MemoryAttributes& wish) {
  if (!has_private_memory_ || wish.flags != 0) return -EINVAL;
  if ((wish.attributes & ~vmm::kvm::kAttributePrivate) != 0) return -EINVAL;
  if (wish.size == 0 || wish.address + wish.size < wish.address) return -EINVAL;
  if (!aligned(wish.address) || !aligned(wish.size)) return -EINVAL;
  if (wish.attributes != 0)
    private_.insert(wish.address / kPage, wish.size / kPage);
  else
    private_.erase(wish.address / kPage, wish.size / kPage);
  return 0;
}

const Slot* SlotTable::find(uint64_t gpa) const {
  for (const auto& [id, slot] : slots_) {
    if (slot.holds(gpa)) return &slot;
  }
  return nullptr;
}

void SlotTable::allocate_private(uint64_t gpa) {
  const Slot* slot = find(gpa);
  if (slot == nullptr || !slot->file) return;
  auto at = static_cast<off_t>(gpa / kPage * kPage - slot->gpa + slot->file_offset);
  const uint8_t mark = 1;  // written, not only allocated: SEEK_DATA sees written pages
  if (::pwrite(slot->file->file.get(), &mark, 1, at) != 1) errno = 0;
}

bool SlotTable::private_side_held(const Slot& slot, uint64_t gpa) const {
  auto at = static_cast<off_t>(gpa - slot.gpa + slot.file_offset);
  return ::lseek(slot.file->file.get(), at, SEEK_DATA) == at;
}

uint64_t SlotTable::pages_held_twice() const {
  uint64_t held = 0;
  for (const auto& [id, slot] : slots_) {
    if (!slot.file) continue;
    std::vector<unsigned char> resident(slot.size / kPage);
    ::mincore(reinterpret_cast<void*>(slot.hva), slot.size, resident.data());
    for (uint64_t i = 0; i < resident.size(); ++i) {
      uint64_t gpa = slot.gpa + i * kPage;
      bool is_private = private_.contains(gpa / kPage);
      held += is_private ? resident[i] & 1 : private_side_held(slot, gpa);
    }
  }
  return held;
}

}  // namespace bartizan::fakes
