#include "plan/tee/sev/digest.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace bartizan::plan::tee::sev {
namespace {

constexpr std::array<uint8_t, kPageSize> kZeros{};

}  // namespace

bool is_loaded(const PlanItem& item) {
  return item.kind == PageKind::normal || item.kind == PageKind::zero;
}

void LaunchDigest::update_item(const PlanItem& item) {
  if (!is_loaded(item)) return;
  uint64_t rest = item.size;
  if (item.kind == PageKind::normal && item.bytes) {
    ByteView bytes = ByteView(*item.bytes).first(std::min<uint64_t>(rest, item.bytes->size()));
    update(bytes);
    rest -= bytes.size();
  }
  for (; rest > 0; rest -= std::min<uint64_t>(rest, kZeros.size())) {
    update(ByteView(kZeros).first(std::min<uint64_t>(rest, kZeros.size())));
  }
}

crypto::Sha256Digest LaunchDigest::finish() {
  crypto::Sha256Digest digest;
  std::ranges::copy(hasher_.finish(), digest.begin());
  return digest;
}

crypto::Sha256Digest launch_digest(const LaunchPlan& plan, const snp::VmsaOptions& options) {
  LaunchDigest digest;
  for (const auto& item : plan.items) digest.update_item(item);
  if (plan.tee == Tee::sev_es) {
    for (const auto& cpu : plan.cpus) digest.update(snp::vmsa_page(cpu, options));
  }
  return digest.finish();
}

}  // namespace bartizan::plan::tee::sev
