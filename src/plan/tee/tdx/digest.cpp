#include "plan/tee/tdx/digest.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace bartizan::plan::tee::tdx {
namespace {

// TDX module ABI: a record is 128 bytes: the call's name at 0, the guest address at 16.
constexpr size_t kRecordBytes = 128, kAddressOffset = 16;
constexpr uint64_t kChunkBytes = 256;  // of TDH.MR.EXTEND

std::array<uint8_t, kRecordBytes> record(std::string_view name, uint64_t guest_address) {
  std::array<uint8_t, kRecordBytes> bytes{};
  std::ranges::copy(name, bytes.begin());
  store_le(&bytes[kAddressOffset], guest_address);
  return bytes;
}

}  // namespace

Load load_of(PageKind kind) {
  if (kind == PageKind::normal || kind == PageKind::zero) return Load::add_and_extend;
  return kind == PageKind::unmeasured ? Load::add : Load::none;
}

void Mrtd::add_page(uint64_t guest_address) {
  hasher_.update(record("MEM.PAGE.ADD", guest_address));
}

void Mrtd::extend(uint64_t guest_address, ByteView chunk) {
  hasher_.update(record("MR.EXTEND", guest_address));
  hasher_.update(chunk);
}

void Mrtd::add_and_extend_page(uint64_t guest_address, ByteView page) {
  add_page(guest_address);
  for (uint64_t offset = 0; offset < kPageSize; offset += kChunkBytes) {
    extend(guest_address + offset, page.subspan(offset, kChunkBytes));
  }
}

void Mrtd::update_item(const PlanItem& item) {
  const Load load = load_of(item.kind);
  if (load == Load::none) return;
  ByteView bytes = item.kind == PageKind::normal && item.bytes ? ByteView(*item.bytes) : ByteView();
  for (uint64_t offset = 0; offset < item.size; offset += kPageSize) {
    uint64_t address = item.address.value + offset;
    if (load == Load::add) {
      add_page(address);
      continue;
    }
    std::array<uint8_t, kPageSize> page{};
    if (offset < bytes.size()) {
      std::ranges::copy(bytes.subspan(offset, std::min(kPageSize, bytes.size() - offset)),
                        page.begin());
    }
    add_and_extend_page(address, page);
  }
}

crypto::Sha384Digest Mrtd::finish() {
  crypto::Sha384Digest digest;
  std::ranges::copy(hasher_.finish(), digest.begin());
  return digest;
}

crypto::Sha384Digest launch_digest(const LaunchPlan& plan) {
  Mrtd mrtd;
  for (const auto& item : plan.items) mrtd.update_item(item);
  return mrtd.finish();
}

std::array<crypto::Sha384Digest, 4> runtime_registers(const LaunchPlan& plan) {
  std::array<crypto::Sha384Digest, 4> registers{};
  for (const RuntimeExtend& extend : plan.extends) {
    auto& value = registers.at(extend.index);
    Bytes both(value.begin(), value.end());
    both.insert(both.end(), extend.value.begin(), extend.value.end());
    value = crypto::sha384(both);
  }
  return registers;
}

}  // namespace bartizan::plan::tee::tdx
