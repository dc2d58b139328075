#include "vmm/launch/snp/certificates.hpp"

#include <cerrno>

namespace bartizan::vmm::launch::snp {

void give_certificates(ByteView table, memory::GuestMemory& memory, kvm::ExitSnpReqCerts& request) {
  const memory::GuestAddress place{request.gpa};
  const uint64_t space = request.npages;
  const uint64_t needed = (table.size() + memory::kPageSize - 1) / memory::kPageSize;
  if (space < needed) {
    request.npages = needed;
    request.ret = ENOSPC;
    return;
  }
  Bytes pages(table.begin(), table.end());
  pages.resize(needed * memory::kPageSize);
  request.ret = memory.write(place, pages).ok() ? 0 : EIO;
}

}  // namespace bartizan::vmm::launch::snp
