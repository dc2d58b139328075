// The SNP launch digest (SNP firmware ABI, SNP_LAUNCH_UPDATE and its PAGE_INFO): pure computation.
//
// LD starts as 48 zero bytes; each page turns it into SHA-384 of {LD, SHA-384 of the page or zeros,
// page type, permissions, guest address}. So order counts, and a page's address, and its kind.
#pragma once

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/hash.hpp"
#include "plan/tee/launch_plan.hpp"
#include "plan/tee/snp/vmsa.hpp"

namespace bartizan::plan::tee::snp {

// KVM gives every VMSA this address (INITIAL_VMSA_GPA, the all-ones frame number within 48 bits).
constexpr uint64_t kVmsaAddress = 0xfffffffff000;

class LaunchDigest {
 public:
  LaunchDigest() = default;
  explicit LaunchDigest(const crypto::Sha384Digest& so_far) : value_(so_far) {}

  // `page` is 4096 bytes for normal and vmsa pages and ignored for the other kinds, whose content
  // is not measured.
  void update(PageKind kind, uint64_t guest_address, ByteView page = {});

  // `size` bytes from `guest_address` on; `bytes` may be shorter: the rest is zero.
  void update_range(PageKind kind, uint64_t guest_address, uint64_t size, ByteView bytes = {});
  void update_item(const PlanItem& item);

  const crypto::Sha384Digest& value() const { return value_; }

 private:
  crypto::Sha384Digest value_{};
};

// The digest of a whole plan: its items in order, then one VMSA for each vCPU.
crypto::Sha384Digest launch_digest(const LaunchPlan& plan, const VmsaOptions& options = {});

// Goes on from the digest of the plan's first items.
crypto::Sha384Digest resume_launch_digest(const crypto::Sha384Digest& so_far, size_t items_done,
                                          const LaunchPlan& plan, const VmsaOptions& options);

}  // namespace bartizan::plan::tee::snp
