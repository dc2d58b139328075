// MRTD, the launch measurement of a trust domain (TDX module ABI, TDH.MEM.PAGE.ADD, TDH.MR.EXTEND):
// SHA-384 over a record for each page that is added and for each 256 bytes that are extended, in
// call order. Pure computation.
//
// KVM adds and extends page by page, so the order is ADD, sixteen EXTENDs, ADD, …: VMMs that add
// first and extend later get another MRTD from the same memory. vCPUs, registers and attributes do
// not count.
#pragma once

#include "crypto/hash.hpp"
#include "plan/tee/launch_plan.hpp"

namespace bartizan::plan::tee::tdx {

// How an item reaches the trust domain: not at all, added (its address counts), or added and
// extended (its content counts too). Zero pages are extended: else a host could fill them.
enum class Load : uint8_t { none, add, add_and_extend };
Load load_of(PageKind kind);

class Mrtd {
 public:
  void add_page(uint64_t guest_address);
  void extend(uint64_t guest_address, ByteView chunk);  // 256 bytes
  void add_and_extend_page(uint64_t guest_address, ByteView page);
  void update_item(const PlanItem& item);
  crypto::Sha384Digest finish();

 private:
  crypto::Hasher hasher_{crypto::HashKind::sha384};
};

crypto::Sha384Digest launch_digest(const LaunchPlan& plan);

// The runtime measurement registers when Linux starts, as the boot stub extends them
// (TDG.MR.RTMR.EXTEND): from zeros, each time SHA-384 of the register and the 48 bytes.
std::array<crypto::Sha384Digest, 4> runtime_registers(const LaunchPlan& plan);

}  // namespace bartizan::plan::tee::tdx
