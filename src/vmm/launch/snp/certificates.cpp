#include "vmm/launch/snp/certificates.hpp"

#include <cerrno>

#include "base/guest_address.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::launch::snp {

void give_certificates(ByteView table, memory::GuestMemory& memory, kvm::ExitSnpReqCerts& request) {
  const GuestAddress place{request.gpa};
  const uint64_t space = request.npages;
  const uint64_t needed = (table.size() + kPageSize - 1) / kPageSize;
  if (space < needed) {
    request.npages = needed;
    request.ret = ENOSPC;
    return;
  }
  Bytes pages(table.begin(), table.end());
  pages.resize(needed * kPageSize);
  request.ret = memory.write(place, pages).ok() ? 0 : EIO;
}

}  // namespace bartizan::vmm::launch::snp
