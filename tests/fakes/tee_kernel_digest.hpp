// Launch digests as the firmware computes them from the calls that arrive, and the VMSA page that
// KVM makes of the registers it was given. Written from the vendors' and the kernel's documents and
// on OpenSSL alone; shares no code with src/tee, which these are to be compared with.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fakes/tee_kernel_host.hpp"

namespace bartizan::fakes {

using Digest256 = std::array<uint8_t, 32>;
using Digest384 = std::array<uint8_t, 48>;
using Page = std::array<uint8_t, 4096>;

Digest256 fake_sha256(std::span<const uint8_t> bytes);
Digest384 fake_sha384(std::span<const uint8_t> bytes);
// The first bytes of a SHA-256, as transcripts show contents.
std::string short_hash(std::span<const uint8_t> bytes);
Digest256 fake_hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> bytes);

// A running hash; `copy().finish()` looks at it in between.
class RunningHash {
 public:
  enum class Kind { sha256, sha384 };
  explicit RunningHash(Kind kind);
  RunningHash(RunningHash&&) noexcept;
  RunningHash& operator=(RunningHash&&) noexcept;
  ~RunningHash();
  void add(std::span<const uint8_t> bytes);
  std::vector<uint8_t> value() const;  // of what was added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SEV-SNP: a chain of PAGE_INFO records (SNP firmware ABI, "Launch Digest").
class SnpChain {
 public:
  static constexpr uint8_t kVmsaType = 2;
  // KVM's INITIAL_VMSA_GPA, the same for every vCPU
  static constexpr uint64_t kVmsaGpa = 0xfffffffff000;
  void add(uint8_t page_type, uint64_t gpa, std::span<const uint8_t, 4096> content);
  const Digest384& value() const { return value_; }
  uint64_t records() const { return records_; }

 private:
  Digest384 value_{};
  uint64_t records_ = 0;
};

// TDX: MRTD, a hash over what TDH.MEM.PAGE.ADD and TDH.MR.EXTEND append, in call order.
class TdxChain {
 public:
  void page_add(uint64_t gpa);
  void extend(uint64_t gpa, std::span<const uint8_t, 256> chunk);
  Digest384 value() const;

 private:
  RunningHash hash_{RunningHash::Kind::sha384};
};

// What of a vCPU goes into its VMSA: what the VMM set, or the reset values.
struct VcpuRegisters {
  kvm_regs regs{};
  kvm_sregs sregs{};
  kvm_fpu fpu{};
  uint64_t xcr0 = 1;
  uint64_t dr7 = 0x400;
  std::map<uint32_t, uint64_t> msrs;
};

// After KVM_CREATE_VCPU, as KVM_GET_REGS and KVM_GET_SREGS show it (SVM sets the accessed and busy
// bits on reading).
VcpuRegisters reset_registers();

struct VmsaRules {
  uint64_t sev_features = 0;
  bool machine_check = true;  // CR4.MCE forced
  bool copies_fpu = true;     // from Linux 6.10, except on the legacy INIT path
};
// `sregs_set`: KVM_SET_SREGS was called; otherwise segments keep the reset attributes, which
// reading does not show.
Page make_vmsa(const VcpuRegisters& from, const VmsaRules& rules, bool sregs_set);

}  // namespace bartizan::fakes
