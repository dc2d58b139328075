// PrivateMemory: RAM of which each page is either the guest's alone (guest_memfd) or shared with
// the host (the ordinary mapping of GuestMemory), and the change from one to the other. SNP and
// TDX.
//
// A page lives on one side only: whatever side it leaves gives its memory back to the host, so that
// a guest never costs more than its RAM, however often it converts.
#pragma once

#include <vector>

#include "base/mutex.hpp"
#include "base/unique_fd.hpp"
#include "vmm/kvm/vm.hpp"
#include "vmm/memory/vm_memory.hpp"

namespace bartizan::vmm::launch {

class PrivateMemory {
 public:
  // One guest_memfd and one slot a region.
  Result<void> map(kvm::Vm& vm, const memory::GuestMemory& memory);
  // All RAM, before the launch.
  Result<void> make_private(kvm::Vm& vm, const memory::GuestMemory& memory);
  // invalid_argument: not all of the range is RAM. Any thread.
  Result<void> convert(kvm::Vm& vm, memory::GuestMemory& memory, GuestAddress address,
                       uint64_t pages, memory::PageState state);

 private:
  using Piece = memory::GuestMemory::Piece;
  Result<void> to_private(kvm::Vm& vm, memory::GuestMemory& memory, const Piece& piece)
      BARTIZAN_REQUIRES(mutex_);
  Result<void> to_shared(kvm::Vm& vm, memory::GuestMemory& memory, const Piece& piece)
      BARTIZAN_REQUIRES(mutex_);
  Result<void> punch_hole(const memory::GuestMemory& memory, const Piece& piece);

  std::vector<UniqueFd> files_;  // of each region
  // Held while a page changes sides: two vCPUs may convert the same page, and its attribute and
  // its sides must agree.
  Mutex mutex_;
};

}  // namespace bartizan::vmm::launch
