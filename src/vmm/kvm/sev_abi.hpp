// SEV, SEV-ES and SEV-SNP: the commands of KVM_MEMORY_ENCRYPT_OP, their structures, and the
// firmware's error codes. Mirrored here because linux-libc-dev 6.1 has only the older half.
// Layouts: Linux Documentation/virt/kvm/x86/amd-memory-encryption.rst; held against the newest
// packaged kernel headers by tests/fake_kvm/tee_abi_mirror.py.
//
// The ioctl takes a pointer to a SevCommand; SevCommand::data is the address of the command's own
// structure.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>

#include "vmm/kvm/gmem_abi.hpp"
#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::kvm {

// Numeric order is not call order: SECRET comes after MEASURE.
enum class SevCommandId : uint32_t {
  init = 0,
  es_init = 1,
  launch_start = 2,
  launch_update_data = 3,
  launch_update_vmsa = 4,
  launch_secret = 5,
  launch_measure = 6,
  launch_finish = 7,
  guest_status = 16,
  debug_decrypt = 17,
  debug_encrypt = 18,
  get_attestation_report = 20,
  init2 = 22,
  snp_launch_start = 100,
  snp_launch_update = 101,
  snp_launch_finish = 102,
  snp_enable_req_certs = 103,
};

struct SevCommand {
  uint32_t id = 0;
  uint32_t pad0 = 0;
  uint64_t data = 0;
  uint32_t error = 0;  // out: SevFirmwareError; UINT32_MAX: the firmware was not called
  // /dev/sev, in every command that reaches the firmware, SNP_LAUNCH_FINISH included
  uint32_t sev_fd = 0;
};
static_assert(sizeof(SevCommand) == 24 && offsetof(SevCommand, data) == 8);
static_assert(offsetof(SevCommand, error) == 16 && offsetof(SevCommand, sev_fd) == 20);

struct SevInit2 {  // before the first vCPU
  uint64_t vmsa_features = 0;
  uint32_t flags = 0;
  uint16_t ghcb_version = 0;  // 0: the kernel's choice (2 for ES and SNP); must be 0 for plain SEV
  uint16_t pad1 = 0;
  uint32_t pad2[8] = {};
};
static_assert(sizeof(SevInit2) == 48 && offsetof(SevInit2, flags) == 8);
static_assert(offsetof(SevInit2, ghcb_version) == 12 && offsetof(SevInit2, pad2) == 16);

struct SevLaunchStart {
  uint32_t handle = 0;  // in 0: a new guest; out
  uint32_t policy = 0;
  uint64_t dh_uaddr = 0;  // both blobs absent: a launch that nobody can attest
  uint32_t dh_len = 0;
  uint32_t pad0 = 0;
  uint64_t session_uaddr = 0;
  uint32_t session_len = 0;
  uint32_t pad1 = 0;
};
static_assert(sizeof(SevLaunchStart) == 40 && offsetof(SevLaunchStart, dh_uaddr) == 8);
static_assert(offsetof(SevLaunchStart, session_uaddr) == 24);
static_assert(offsetof(SevLaunchStart, session_len) == 32);

struct SevLaunchUpdateData {
  uint64_t uaddr = 0;  // host address; encrypted in place
  uint32_t len = 0;    // both multiples of 16
  uint32_t pad0 = 0;
};
static_assert(sizeof(SevLaunchUpdateData) == 16 && offsetof(SevLaunchUpdateData, len) == 8);

struct SevLaunchMeasure {
  uint64_t uaddr = 0;
  uint32_t len = 0;  // in/out; 0 asks for the size
  uint32_t pad0 = 0;
};
static_assert(sizeof(SevLaunchMeasure) == 16 && offsetof(SevLaunchMeasure, len) == 8);

struct SevLaunchSecret {
  uint64_t hdr_uaddr = 0;
  uint32_t hdr_len = 0;
  uint32_t pad0 = 0;
  uint64_t guest_uaddr = 0;
  uint32_t guest_len = 0;
  uint32_t pad1 = 0;
  uint64_t trans_uaddr = 0;
  uint32_t trans_len = 0;
  uint32_t pad2 = 0;
};
static_assert(sizeof(SevLaunchSecret) == 48 && offsetof(SevLaunchSecret, hdr_len) == 8);
static_assert(offsetof(SevLaunchSecret, guest_uaddr) == 16);
static_assert(offsetof(SevLaunchSecret, guest_len) == 24);
static_assert(offsetof(SevLaunchSecret, trans_uaddr) == 32);
static_assert(offsetof(SevLaunchSecret, trans_len) == 40);

enum class SevGuestState : uint32_t { invalid = 0, launching = 1, secret = 2, running = 3 };
struct SevGuestStatus {
  uint32_t handle = 0;
  uint32_t policy = 0;
  uint32_t state = 0;  // SevGuestState
};
static_assert(sizeof(SevGuestStatus) == 12 && offsetof(SevGuestStatus, state) == 8);

struct SevAttestationReport {
  uint8_t mnonce[16] = {};
  uint64_t uaddr = 0;
  uint32_t len = 0;
  uint32_t pad0 = 0;
};
static_assert(sizeof(SevAttestationReport) == 32 && offsetof(SevAttestationReport, uaddr) == 16);
static_assert(offsetof(SevAttestationReport, len) == 24);

struct SevDebug {
  uint64_t src_uaddr = 0;
  uint64_t dst_uaddr = 0;
  uint32_t len = 0;
  uint32_t pad0 = 0;
};
static_assert(sizeof(SevDebug) == 24 && offsetof(SevDebug, dst_uaddr) == 8);
static_assert(offsetof(SevDebug, len) == 16);

struct SnpLaunchStart {
  uint64_t policy = 0;
  uint8_t gosvw[16] = {};
  uint16_t flags = 0;
  uint8_t pad0[6] = {};
  uint64_t pad1[4] = {};
};
static_assert(sizeof(SnpLaunchStart) == 64 && offsetof(SnpLaunchStart, gosvw) == 8);
static_assert(offsetof(SnpLaunchStart, flags) == 24 && offsetof(SnpLaunchStart, pad1) == 32);

// What KVM accepts from user space; VMSA pages (2) are made by LAUNCH_FINISH.
enum class SnpPageType : uint8_t { normal = 1, zero = 3, unmeasured = 4, secrets = 5, cpuid = 6 };

// Success may be partial: gfn_start, uaddr and len are advanced to what is left, so repeat until
// len is 0.
struct SnpLaunchUpdate {
  uint64_t gfn_start = 0;  // frame number, not an address
  uint64_t uaddr = 0;
  uint64_t len = 0;  // bytes
  uint8_t type = 0;  // SnpPageType
  uint8_t pad0 = 0;
  uint16_t flags = 0;
  uint32_t pad1 = 0;
  uint64_t pad2[4] = {};
};
static_assert(sizeof(SnpLaunchUpdate) == 64 && offsetof(SnpLaunchUpdate, uaddr) == 8);
static_assert(offsetof(SnpLaunchUpdate, len) == 16 && offsetof(SnpLaunchUpdate, type) == 24);
static_assert(offsetof(SnpLaunchUpdate, flags) == 26 && offsetof(SnpLaunchUpdate, pad2) == 32);

constexpr size_t kSnpIdBlockSize = 96;
constexpr size_t kSnpIdAuthSize = 4096;
constexpr size_t kSnpHostDataSize = 32;

struct SnpLaunchFinish {
  uint64_t id_block_uaddr = 0;
  uint64_t id_auth_uaddr = 0;
  uint8_t id_block_en = 0;
  uint8_t auth_key_en = 0;
  uint8_t vcek_disabled = 0;
  uint8_t host_data[kSnpHostDataSize] = {};  // at the odd offset 19
  uint8_t pad0[3] = {};
  uint16_t flags = 0;
  uint64_t pad1[4] = {};
};
static_assert(sizeof(SnpLaunchFinish) == 88 && offsetof(SnpLaunchFinish, id_auth_uaddr) == 8);
static_assert(offsetof(SnpLaunchFinish, id_block_en) == 16);
static_assert(offsetof(SnpLaunchFinish, auth_key_en) == 17);
static_assert(offsetof(SnpLaunchFinish, vcek_disabled) == 18);
static_assert(offsetof(SnpLaunchFinish, host_data) == 19);
static_assert(offsetof(SnpLaunchFinish, flags) == 54 && offsetof(SnpLaunchFinish, pad1) == 56);

// KVM_EXIT_SNP_REQ_CERTS, at kExitDataOffset in kvm_run: write the certificate table to gpa.
constexpr uint32_t kExitSnpReqCerts = 43;
struct ExitSnpReqCerts {
  uint64_t gpa = 0;
  uint64_t npages = 0;  // in: capacity; out with ret ENOSPC: what is needed
  uint64_t ret = 0;     // 0, ENOSPC, EAGAIN or EIO, as positive numbers
};
static_assert(sizeof(ExitSnpReqCerts) == 24 && offsetof(ExitSnpReqCerts, ret) == 16);

// SevCommand::error (SEV API and SNP ABI specifications, status codes).
enum class SevFirmwareError : uint32_t {
  success = 0,
  invalid_platform_state = 1,
  invalid_guest_state = 2,
  invalid_config = 3,
  invalid_length = 4,
  policy_failure = 7,
  inactive = 8,
  invalid_address = 9,
  bad_signature = 0xa,
  bad_measurement = 0xb,
  asid_owned = 0xc,
  invalid_guest = 0x10,
  invalid_parameter = 0x16,
  invalid_page_state = 0x1a,
  invalid_page_owner = 0x1c,
  invalid_key = 0x27,
  not_called = UINT32_MAX,
};

// Memory that the firmware encrypts in place (SEV, SEV-ES): pinned by
// KVM_MEMORY_ENCRYPT_REG_REGION.
struct EncryptedRegion {
  uint64_t addr = 0;  // host address
  uint64_t size = 0;
};
static_assert(sizeof(EncryptedRegion) == 16 && offsetof(EncryptedRegion, size) == 8);

// DeviceAttribute on /dev/kvm.
constexpr uint32_t kDeviceGroupSev = 1;
constexpr uint64_t kDeviceSevVmsaFeatures = 0;  // mask accepted in SevInit2::vmsa_features
constexpr uint64_t kDeviceSnpPolicyBits = 1;    // mask accepted in SnpLaunchStart::policy
constexpr uint64_t kDeviceSnpReqCertsSupport = 2;

constexpr uint32_t kSystemEventSevTerminate = 6;  // data[0]: value of the GHCB MSR

namespace request {
constexpr unsigned long kMemoryEncryptOp = _IOWR(KVMIO, 0xba, uint64_t);
constexpr IoctlRequest register_encrypted_region{_IOR(KVMIO, 0xbb, EncryptedRegion),
                                                 "KVM_MEMORY_ENCRYPT_REG_REGION"};
constexpr IoctlRequest unregister_encrypted_region{_IOR(KVMIO, 0xbc, EncryptedRegion),
                                                   "KVM_MEMORY_ENCRYPT_UNREG_REGION"};

// The one ioctl by the name of the command in it, for errors and transcripts.
constexpr IoctlRequest sev(SevCommandId id) {
  switch (id) {
    case SevCommandId::init:
      return {kMemoryEncryptOp, "KVM_SEV_INIT"};
    case SevCommandId::es_init:
      return {kMemoryEncryptOp, "KVM_SEV_ES_INIT"};
    case SevCommandId::launch_start:
      return {kMemoryEncryptOp, "KVM_SEV_LAUNCH_START"};
    case SevCommandId::launch_update_data:
      return {kMemoryEncryptOp, "KVM_SEV_LAUNCH_UPDATE_DATA"};
    case SevCommandId::launch_update_vmsa:
      return {kMemoryEncryptOp, "KVM_SEV_LAUNCH_UPDATE_VMSA"};
    case SevCommandId::launch_secret:
      return {kMemoryEncryptOp, "KVM_SEV_LAUNCH_SECRET"};
    case SevCommandId::launch_measure:
      return {kMemoryEncryptOp, "KVM_SEV_LAUNCH_MEASURE"};
    case SevCommandId::launch_finish:
      return {kMemoryEncryptOp, "KVM_SEV_LAUNCH_FINISH"};
    case SevCommandId::guest_status:
      return {kMemoryEncryptOp, "KVM_SEV_GUEST_STATUS"};
    case SevCommandId::debug_decrypt:
      return {kMemoryEncryptOp, "KVM_SEV_DBG_DECRYPT"};
    case SevCommandId::debug_encrypt:
      return {kMemoryEncryptOp, "KVM_SEV_DBG_ENCRYPT"};
    case SevCommandId::get_attestation_report:
      return {kMemoryEncryptOp, "KVM_SEV_GET_ATTESTATION_REPORT"};
    case SevCommandId::init2:
      return {kMemoryEncryptOp, "KVM_SEV_INIT2"};
    case SevCommandId::snp_launch_start:
      return {kMemoryEncryptOp, "KVM_SEV_SNP_LAUNCH_START"};
    case SevCommandId::snp_launch_update:
      return {kMemoryEncryptOp, "KVM_SEV_SNP_LAUNCH_UPDATE"};
    case SevCommandId::snp_launch_finish:
      return {kMemoryEncryptOp, "KVM_SEV_SNP_LAUNCH_FINISH"};
    case SevCommandId::snp_enable_req_certs:
      return {kMemoryEncryptOp, "KVM_SEV_SNP_ENABLE_REQ_CERTS"};
  }
  return {kMemoryEncryptOp, "KVM_MEMORY_ENCRYPT_OP"};
}
}  // namespace request

static_assert(request::kMemoryEncryptOp == 0xc008aeba);
static_assert(request::register_encrypted_region.number == 0x8010aebb);
static_assert(request::unregister_encrypted_region.number == 0x8010aebc);

}  // namespace bartizan::vmm::kvm
