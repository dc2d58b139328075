#include "plan/tee/snp/digest.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace bartizan::plan::tee::snp {
namespace {

// PAGE_INFO (SNP firmware ABI, SNP_LAUNCH_UPDATE): 0 digest so far, 0x30 contents, 0x60 length,
// 0x62 page type, then IMI flag and VMPL permissions, all zero here, 0x68 guest address.
constexpr size_t kPageInfoBytes = 0x70;

bool content_counts(PageKind kind) {
  return kind == PageKind::normal || kind == PageKind::vmsa;
}

}  // namespace

void LaunchDigest::update(PageKind kind, uint64_t guest_address, ByteView page) {
  crypto::Sha384Digest contents{};
  if (content_counts(kind)) contents = crypto::sha384(page);
  std::array<uint8_t, kPageInfoBytes> info{};
  std::copy(value_.begin(), value_.end(), info.begin());
  std::copy(contents.begin(), contents.end(), info.begin() + 0x30);
  store_le<uint16_t>(&info[0x60], kPageInfoBytes);
  info[0x62] = static_cast<uint8_t>(kind);
  store_le(&info[0x68], guest_address);
  value_ = crypto::sha384(info);
}

void LaunchDigest::update_range(PageKind kind, uint64_t guest_address, uint64_t size,
                                ByteView bytes) {
  for (uint64_t offset = 0; offset < size; offset += kPageSize) {
    std::array<uint8_t, kPageSize> padded{};
    ByteView page = padded;
    if (offset + kPageSize <= bytes.size()) {
      page = bytes.subspan(offset, kPageSize);
    } else if (offset < bytes.size()) {
      std::copy(bytes.begin() + static_cast<ptrdiff_t>(offset), bytes.end(), padded.begin());
    }
    update(kind, guest_address + offset, page);
  }
}

void LaunchDigest::update_item(const PlanItem& item) {
  update_range(item.kind, item.address.value, item.size,
               item.bytes ? ByteView(*item.bytes) : ByteView());
}

crypto::Sha384Digest resume_launch_digest(const crypto::Sha384Digest& so_far, size_t items_done,
                                          const LaunchPlan& plan, const VmsaOptions& options) {
  LaunchDigest digest(so_far);
  for (size_t i = items_done; i < plan.items.size(); i++) digest.update_item(plan.items[i]);
  for (const auto& cpu : plan.cpus) {
    digest.update(PageKind::vmsa, kVmsaAddress, vmsa_page(cpu, options));
  }
  return digest.value();
}

crypto::Sha384Digest launch_digest(const LaunchPlan& plan, const VmsaOptions& options) {
  return resume_launch_digest({}, 0, plan, options);
}

}  // namespace bartizan::plan::tee::snp
