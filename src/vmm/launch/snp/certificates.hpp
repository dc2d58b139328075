// KVM_EXIT_SNP_REQ_CERTS (Linux Documentation/virt/kvm/api.rst): the guest asks for an extended
// report, and KVM for the certificates that go with it (GHCB specification, SNP Extended Guest
// Request).
#pragma once

#include "base/bytes.hpp"
#include "vmm/kvm/sev_abi.hpp"
#include "vmm/memory/vm_memory.hpp"

namespace bartizan::vmm::launch::snp {

// Writes `table`, padded with zeros to whole pages, to where the guest wants it: shared RAM.
// Answers ENOSPC with the pages that are needed, or EIO if the place is none.
void give_certificates(ByteView table, memory::GuestMemory& memory, kvm::ExitSnpReqCerts& request);

}  // namespace bartizan::vmm::launch::snp
