#include "tee/snp/certificates.hpp"

#include <cerrno>

namespace bartizan::tee::snp {

void give_certificates(ByteView table, memory::GuestMemory& memory, kvm::ExitSnpReqCerts& request) {
  const memory::GuestAddress place{request.gpa};
  const uint64_t room = request.npages;
  const uint64_t needed = (table.size() + memory::kPageSize - 1) / memory::kPageSize;
  if (room < needed) {
    request.npages = needed;
    request.ret = ENOSPC;
    return;
  }
  Bytes pages(table.begin(), table.end());
  pages.resize(needed * memory::kPageSize);
  request.ret = memory.write(place, pages).ok() ? 0 : EIO;
}

}  // namespace bartizan::tee::snp
