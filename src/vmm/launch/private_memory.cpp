#include "vmm/launch/private_memory.hpp"

#include <fcntl.h>
#include <linux/falloc.h>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "vmm/launch/causes.hpp"

namespace bartizan::vmm::launch {

using memory::GuestMemory;
using memory::PageState;

Result<void> PrivateMemory::map(kvm::Vm& vm, const GuestMemory& memory) {
  const auto& regions = memory.regions();
  for (size_t i = 0; i < regions.size(); ++i) {
    auto file = vm.create_guest_memfd(regions[i].size);
    files_.push_back(TRY(explain(std::move(file), "KVM_CREATE_GUEST_MEMFD")));
    kvm::MemoryRegion2 slot;
    slot.slot = static_cast<uint32_t>(i);
    slot.flags = kvm::kSlotGuestMemfd;
    slot.guest_phys_addr = regions[i].base.value;
    slot.memory_size = regions[i].size;
    slot.userspace_addr = reinterpret_cast<uint64_t>(memory.host_address(i));
    slot.guest_memfd = static_cast<uint32_t>(files_.back().get());
    TRY(explain(vm.set_user_memory_region2(slot), "KVM_SET_USER_MEMORY_REGION2"));
  }
  return {};
}

Result<void> PrivateMemory::make_private(kvm::Vm& vm, const GuestMemory& memory) {
  for (const auto& region : memory.regions()) {
    auto set = vm.set_memory_attributes(region.base.value, region.size, kvm::kAttributePrivate);
    TRY(explain(std::move(set), "KVM_SET_MEMORY_ATTRIBUTES"));
  }
  return {};
}

Result<void> PrivateMemory::convert(kvm::Vm& vm, GuestMemory& memory, GuestAddress address,
                                    uint64_t pages, PageState state) {
  auto pieces = memory.ram_in(address, pages);
  uint64_t covered = 0;
  for (const Piece& piece : pieces) covered += piece.size / kPageSize;
  if (pages == 0 || covered != pages) {
    return make_error(ErrorCode::invalid_argument, "tee",
                      "guest address {:#x}, {} pages: only {} of them are RAM", address.value,
                      pages, covered);
  }
  MutexLock lock(mutex_);
  for (const Piece& piece : pieces) {
    TRY(state == PageState::private_ ? to_private(vm, memory, piece)
                                     : to_shared(vm, memory, piece));
  }
  return {};
}

// Devices lose the page before the guest has it.
Result<void> PrivateMemory::to_private(kvm::Vm& vm, GuestMemory& memory, const Piece& piece) {
  memory.set_state(piece.address, piece.size / kPageSize, PageState::private_);
  TRY(vm.set_memory_attributes(piece.address.value, piece.size, kvm::kAttributePrivate));
  return memory.discard(piece);
}

// Devices get the page when the guest has given it up.
Result<void> PrivateMemory::to_shared(kvm::Vm& vm, GuestMemory& memory, const Piece& piece) {
  TRY(vm.set_memory_attributes(piece.address.value, piece.size, 0));
  TRY(punch_hole(memory, piece));
  memory.set_state(piece.address, piece.size / kPageSize, PageState::shared);
  return {};
}

Result<void> PrivateMemory::punch_hole(const GuestMemory& memory, const Piece& piece) {
  uint64_t inside = piece.address.value - memory.regions()[piece.region].base.value;
  int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  int got = 0;
  do {
    got = ::fallocate(files_[piece.region].get(), mode, static_cast<off_t>(inside),
                      static_cast<off_t>(piece.size));
  } while (got != 0 && errno == EINTR);
  if (got == 0) return {};
  return errno_error(errno, "tee",
                     fmt::format("guest address {:#x}+{:#x}: fallocate(FALLOC_FL_PUNCH_HOLE)",
                                 piece.address.value, piece.size));
}

}  // namespace bartizan::vmm::launch
