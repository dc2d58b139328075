// The scripted guest: what a vCPU of the fake kernel does while it is "in the guest". Each step may
// end KVM_RUN in an exit, as on hardware; after a memory fault the same step is tried again, after
// a hypercall the answer is checked.
//
// Every touch is checked against the shadow of page states (attribute, slot, validated or
// accepted): what would kill a guest on hardware kills it here, with a line in
// TeeKernel::findings().
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace bartizan::fakes {

struct GuestStep {
  enum class Kind {
    touch_private,
    touch_shared,
    write_private,
    expect_private,
    expect_shared,
    write_shared,
    validate,
    map_gpa,
    tdvmcall,
    request_certs,
    exit,
  };
  Kind kind = Kind::touch_private;
  uint64_t gpa = 0;
  uint64_t size = 0;
  bool flag = false;  // map_gpa: to private
  std::vector<uint8_t> bytes;
  std::vector<uint64_t> arguments;
  // Must not call the kernel: its lock is held.
  std::function<int(kvm_run&)>
      exit;  // fills kvm_run; returns what KVM_RUN returns (negative: an errno)
};

namespace guest {

using Kind = GuestStep::Kind;
inline GuestStep touch_private(uint64_t gpa, uint64_t size = 1) {
  return {.kind = Kind::touch_private, .gpa = gpa, .size = size};
}
inline GuestStep touch_shared(uint64_t gpa, uint64_t size = 1) {
  return {.kind = Kind::touch_shared, .gpa = gpa, .size = size};
}
inline GuestStep write_private(uint64_t gpa, std::vector<uint8_t> bytes) {
  return {.kind = Kind::write_private, .gpa = gpa, .size = bytes.size(), .bytes = std::move(bytes)};
}
inline GuestStep expect_private(uint64_t gpa, std::vector<uint8_t> bytes) {
  return {
      .kind = Kind::expect_private, .gpa = gpa, .size = bytes.size(), .bytes = std::move(bytes)};
}
inline GuestStep write_shared(uint64_t gpa, std::vector<uint8_t> bytes) {
  return {.kind = Kind::write_shared, .gpa = gpa, .size = bytes.size(), .bytes = std::move(bytes)};
}
inline GuestStep expect_shared(uint64_t gpa, std::vector<uint8_t> bytes) {
  return {.kind = Kind::expect_shared, .gpa = gpa, .size = bytes.size(), .bytes = std::move(bytes)};
}
// PVALIDATE or TDG.MEM.PAGE.ACCEPT of each page. A page that already is: an attack or a bug, the
// guest stops.
inline GuestStep validate(uint64_t gpa, uint64_t size) {
  return {.kind = Kind::validate, .gpa = gpa, .size = size};
}
// SNP page state change or TDX MapGPA: KVM_HC_MAP_GPA_RANGE at the VMM.
inline GuestStep map_gpa(uint64_t gpa, uint64_t size, bool to_private) {
  return {.kind = Kind::map_gpa, .gpa = gpa, .size = size, .flag = to_private};
}
// TDX, KVM_EXIT_TDX. GetQuote: {buffer, size}; others: their registers.
inline GuestStep tdvmcall(uint64_t number, std::vector<uint64_t> arguments) {
  return {.kind = Kind::tdvmcall, .gpa = number, .arguments = std::move(arguments)};
}
// SNP extended report: KVM_EXIT_SNP_REQ_CERTS, if the VMM enabled it.
inline GuestStep request_certs(uint64_t gpa, uint64_t pages) {
  return {.kind = Kind::request_certs, .gpa = gpa, .size = pages};
}
inline GuestStep exit(std::function<int(kvm_run&)> fill) {
  return {.kind = Kind::exit, .exit = std::move(fill)};
}

}  // namespace guest
}  // namespace bartizan::fakes
