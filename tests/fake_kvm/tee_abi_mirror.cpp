// Our mirrors of kernel structures against the kernel's own: compiled, never run, with the include
// path of a newer linux-libc-dev (tee_abi_mirror.py). A difference is a compile error that names
// the field.
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/psp-sev.h>

#include "vmm/kvm/gmem_abi.hpp"
#include "vmm/kvm/sev_abi.hpp"
#include "vmm/kvm/tdx_abi.hpp"

namespace bartizan::vmm::kvm {

#define SAME_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs))
#define SAME(ours, our_field, theirs, their_field)                            \
  static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) && \
                sizeof(ours::our_field) == sizeof(theirs::their_field))
#define SAME_NAME(ours, theirs, field) SAME(ours, field, theirs, field)
#define SAME_VALUE(ours, theirs) \
  static_assert(static_cast<uint64_t>(ours) == static_cast<uint64_t>(theirs))
#define SAME_REQUEST(ours, theirs) static_assert(request::ours.number == (theirs))

// gmem_abi.hpp
SAME_SIZE(MemoryRegion2, kvm_userspace_memory_region2);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, slot);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, flags);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, guest_phys_addr);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, memory_size);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, userspace_addr);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, guest_memfd_offset);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, guest_memfd);
SAME_NAME(MemoryRegion2, kvm_userspace_memory_region2, pad2);
SAME_SIZE(CreateGuestMemfd, kvm_create_guest_memfd);
SAME_NAME(CreateGuestMemfd, kvm_create_guest_memfd, size);
SAME_NAME(CreateGuestMemfd, kvm_create_guest_memfd, flags);
SAME_SIZE(MemoryAttributes, kvm_memory_attributes);
SAME_NAME(MemoryAttributes, kvm_memory_attributes, address);
SAME_NAME(MemoryAttributes, kvm_memory_attributes, size);
SAME_NAME(MemoryAttributes, kvm_memory_attributes, attributes);
SAME_NAME(MemoryAttributes, kvm_memory_attributes, flags);
SAME_SIZE(PreFaultMemory, kvm_pre_fault_memory);
SAME_NAME(PreFaultMemory, kvm_pre_fault_memory, gpa);
SAME_NAME(PreFaultMemory, kvm_pre_fault_memory, size);
SAME_NAME(PreFaultMemory, kvm_pre_fault_memory, flags);
SAME_SIZE(DeviceAttribute, kvm_device_attr);
SAME_NAME(DeviceAttribute, kvm_device_attr, group);
SAME_NAME(DeviceAttribute, kvm_device_attr, attr);
SAME_NAME(DeviceAttribute, kvm_device_attr, addr);
SAME_REQUEST(set_user_memory_region2, KVM_SET_USER_MEMORY_REGION2);
SAME_REQUEST(set_memory_attributes, KVM_SET_MEMORY_ATTRIBUTES);
SAME_REQUEST(create_guest_memfd, KVM_CREATE_GUEST_MEMFD);
SAME_REQUEST(pre_fault_memory, KVM_PRE_FAULT_MEMORY);
SAME_REQUEST(has_device_attr, KVM_HAS_DEVICE_ATTR);
SAME_REQUEST(get_device_attr, KVM_GET_DEVICE_ATTR);
SAME_VALUE(VmType::normal, KVM_X86_DEFAULT_VM);
SAME_VALUE(VmType::software_protected, KVM_X86_SW_PROTECTED_VM);
SAME_VALUE(VmType::sev, KVM_X86_SEV_VM);
SAME_VALUE(VmType::sev_es, KVM_X86_SEV_ES_VM);
SAME_VALUE(VmType::snp, KVM_X86_SNP_VM);
SAME_VALUE(VmType::tdx, KVM_X86_TDX_VM);
SAME_VALUE(kCapMaxVcpus, KVM_CAP_MAX_VCPUS);
SAME_VALUE(kCapSplitIrqchip, KVM_CAP_SPLIT_IRQCHIP);
SAME_VALUE(kCapX2apicApi, KVM_CAP_X2APIC_API);
SAME_VALUE(kCapExitHypercall, KVM_CAP_EXIT_HYPERCALL);
SAME_VALUE(kCapSysAttributes, KVM_CAP_SYS_ATTRIBUTES);
SAME_VALUE(kCapUserMemory2, KVM_CAP_USER_MEMORY2);
SAME_VALUE(kCapMemoryFaultInfo, KVM_CAP_MEMORY_FAULT_INFO);
SAME_VALUE(kCapMemoryAttributes, KVM_CAP_MEMORY_ATTRIBUTES);
SAME_VALUE(kCapGuestMemfd, KVM_CAP_GUEST_MEMFD);
SAME_VALUE(kCapVmTypes, KVM_CAP_VM_TYPES);
SAME_VALUE(kCapPreFaultMemory, KVM_CAP_PRE_FAULT_MEMORY);
SAME_VALUE(kCapGuestMemfdFlags, KVM_CAP_GUEST_MEMFD_FLAGS);
SAME_VALUE(kSlotLogDirty, KVM_MEM_LOG_DIRTY_PAGES);
SAME_VALUE(kSlotReadOnly, KVM_MEM_READONLY);
SAME_VALUE(kSlotGuestMemfd, KVM_MEM_GUEST_MEMFD);
SAME_VALUE(kGuestMemfdMmap, GUEST_MEMFD_FLAG_MMAP);
SAME_VALUE(kGuestMemfdInitShared, GUEST_MEMFD_FLAG_INIT_SHARED);
SAME_VALUE(kAttributePrivate, KVM_MEMORY_ATTRIBUTE_PRIVATE);
SAME_VALUE(kExitMemoryFault, KVM_EXIT_MEMORY_FAULT);
SAME_VALUE(kMemoryFaultPrivate, KVM_MEMORY_EXIT_FLAG_PRIVATE);
SAME_VALUE(kExitDataOffset, offsetof(kvm_run, memory_fault));
SAME_SIZE(ExitMemoryFault, kvm_run::memory_fault);
SAME_VALUE(kHypercallMapGpaRange, KVM_HC_MAP_GPA_RANGE);
SAME_VALUE(kMapGpaEncrypted, KVM_MAP_GPA_RANGE_ENCRYPTED);

// sev_abi.hpp
SAME_SIZE(SevCommand, kvm_sev_cmd);
SAME_NAME(SevCommand, kvm_sev_cmd, id);
SAME_NAME(SevCommand, kvm_sev_cmd, data);
SAME_NAME(SevCommand, kvm_sev_cmd, error);
SAME_NAME(SevCommand, kvm_sev_cmd, sev_fd);
SAME_SIZE(SevInit2, kvm_sev_init);
SAME_NAME(SevInit2, kvm_sev_init, vmsa_features);
SAME_NAME(SevInit2, kvm_sev_init, flags);
SAME_NAME(SevInit2, kvm_sev_init, ghcb_version);
SAME_SIZE(SevLaunchStart, kvm_sev_launch_start);
SAME_NAME(SevLaunchStart, kvm_sev_launch_start, handle);
SAME_NAME(SevLaunchStart, kvm_sev_launch_start, policy);
SAME_NAME(SevLaunchStart, kvm_sev_launch_start, dh_uaddr);
SAME_NAME(SevLaunchStart, kvm_sev_launch_start, dh_len);
SAME_NAME(SevLaunchStart, kvm_sev_launch_start, session_uaddr);
SAME_NAME(SevLaunchStart, kvm_sev_launch_start, session_len);
SAME_SIZE(SevLaunchUpdateData, kvm_sev_launch_update_data);
SAME_NAME(SevLaunchUpdateData, kvm_sev_launch_update_data, uaddr);
SAME_NAME(SevLaunchUpdateData, kvm_sev_launch_update_data, len);
SAME_SIZE(SevLaunchMeasure, kvm_sev_launch_measure);
SAME_NAME(SevLaunchMeasure, kvm_sev_launch_measure, uaddr);
SAME_NAME(SevLaunchMeasure, kvm_sev_launch_measure, len);
SAME_SIZE(SevLaunchSecret, kvm_sev_launch_secret);
SAME_NAME(SevLaunchSecret, kvm_sev_launch_secret, hdr_uaddr);
SAME_NAME(SevLaunchSecret, kvm_sev_launch_secret, hdr_len);
SAME_NAME(SevLaunchSecret, kvm_sev_launch_secret, guest_uaddr);
SAME_NAME(SevLaunchSecret, kvm_sev_launch_secret, guest_len);
SAME_NAME(SevLaunchSecret, kvm_sev_launch_secret, trans_uaddr);
SAME_NAME(SevLaunchSecret, kvm_sev_launch_secret, trans_len);
SAME_SIZE(SevGuestStatus, kvm_sev_guest_status);
SAME_NAME(SevGuestStatus, kvm_sev_guest_status, handle);
SAME_NAME(SevGuestStatus, kvm_sev_guest_status, policy);
SAME_NAME(SevGuestStatus, kvm_sev_guest_status, state);
SAME_SIZE(SevAttestationReport, kvm_sev_attestation_report);
SAME_NAME(SevAttestationReport, kvm_sev_attestation_report, mnonce);
SAME_NAME(SevAttestationReport, kvm_sev_attestation_report, uaddr);
SAME_NAME(SevAttestationReport, kvm_sev_attestation_report, len);
SAME_SIZE(SevDebug, kvm_sev_dbg);
SAME_NAME(SevDebug, kvm_sev_dbg, src_uaddr);
SAME_NAME(SevDebug, kvm_sev_dbg, dst_uaddr);
SAME_NAME(SevDebug, kvm_sev_dbg, len);
SAME_SIZE(SnpLaunchStart, kvm_sev_snp_launch_start);
SAME_NAME(SnpLaunchStart, kvm_sev_snp_launch_start, policy);
SAME_NAME(SnpLaunchStart, kvm_sev_snp_launch_start, gosvw);
SAME_NAME(SnpLaunchStart, kvm_sev_snp_launch_start, flags);
SAME_SIZE(SnpLaunchUpdate, kvm_sev_snp_launch_update);
SAME_NAME(SnpLaunchUpdate, kvm_sev_snp_launch_update, gfn_start);
SAME_NAME(SnpLaunchUpdate, kvm_sev_snp_launch_update, uaddr);
SAME_NAME(SnpLaunchUpdate, kvm_sev_snp_launch_update, len);
SAME_NAME(SnpLaunchUpdate, kvm_sev_snp_launch_update, type);
SAME_NAME(SnpLaunchUpdate, kvm_sev_snp_launch_update, flags);
SAME_SIZE(SnpLaunchFinish, kvm_sev_snp_launch_finish);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, id_block_uaddr);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, id_auth_uaddr);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, id_block_en);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, auth_key_en);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, vcek_disabled);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, host_data);
SAME_NAME(SnpLaunchFinish, kvm_sev_snp_launch_finish, flags);
SAME_SIZE(EncryptedRegion, kvm_enc_region);
SAME_NAME(EncryptedRegion, kvm_enc_region, addr);
SAME_NAME(EncryptedRegion, kvm_enc_region, size);
SAME_SIZE(ExitSnpReqCerts, kvm_exit_snp_req_certs);
SAME_NAME(ExitSnpReqCerts, kvm_exit_snp_req_certs, gpa);
SAME_NAME(ExitSnpReqCerts, kvm_exit_snp_req_certs, npages);
SAME_NAME(ExitSnpReqCerts, kvm_exit_snp_req_certs, ret);
SAME_VALUE(kExitSnpReqCerts, KVM_EXIT_SNP_REQ_CERTS);
SAME_VALUE(kExitDataOffset, offsetof(kvm_run, snp_req_certs));
SAME_VALUE(request::kMemoryEncryptOp, KVM_MEMORY_ENCRYPT_OP);
SAME_REQUEST(register_encrypted_region, KVM_MEMORY_ENCRYPT_REG_REGION);
SAME_REQUEST(unregister_encrypted_region, KVM_MEMORY_ENCRYPT_UNREG_REGION);
SAME_VALUE(SevCommandId::init, KVM_SEV_INIT);
SAME_VALUE(SevCommandId::es_init, KVM_SEV_ES_INIT);
SAME_VALUE(SevCommandId::launch_start, KVM_SEV_LAUNCH_START);
SAME_VALUE(SevCommandId::launch_update_data, KVM_SEV_LAUNCH_UPDATE_DATA);
SAME_VALUE(SevCommandId::launch_update_vmsa, KVM_SEV_LAUNCH_UPDATE_VMSA);
SAME_VALUE(SevCommandId::launch_secret, KVM_SEV_LAUNCH_SECRET);
SAME_VALUE(SevCommandId::launch_measure, KVM_SEV_LAUNCH_MEASURE);
SAME_VALUE(SevCommandId::launch_finish, KVM_SEV_LAUNCH_FINISH);
SAME_VALUE(SevCommandId::guest_status, KVM_SEV_GUEST_STATUS);
SAME_VALUE(SevCommandId::debug_decrypt, KVM_SEV_DBG_DECRYPT);
SAME_VALUE(SevCommandId::debug_encrypt, KVM_SEV_DBG_ENCRYPT);
SAME_VALUE(SevCommandId::get_attestation_report, KVM_SEV_GET_ATTESTATION_REPORT);
SAME_VALUE(SevCommandId::init2, KVM_SEV_INIT2);
SAME_VALUE(SevCommandId::snp_launch_start, KVM_SEV_SNP_LAUNCH_START);
SAME_VALUE(SevCommandId::snp_launch_update, KVM_SEV_SNP_LAUNCH_UPDATE);
SAME_VALUE(SevCommandId::snp_launch_finish, KVM_SEV_SNP_LAUNCH_FINISH);
SAME_VALUE(SevCommandId::snp_enable_req_certs, KVM_SEV_SNP_ENABLE_REQ_CERTS);
SAME_VALUE(SnpPageType::normal, KVM_SEV_SNP_PAGE_TYPE_NORMAL);
SAME_VALUE(SnpPageType::zero, KVM_SEV_SNP_PAGE_TYPE_ZERO);
SAME_VALUE(SnpPageType::unmeasured, KVM_SEV_SNP_PAGE_TYPE_UNMEASURED);
SAME_VALUE(SnpPageType::secrets, KVM_SEV_SNP_PAGE_TYPE_SECRETS);
SAME_VALUE(SnpPageType::cpuid, KVM_SEV_SNP_PAGE_TYPE_CPUID);
SAME_VALUE(kSnpIdBlockSize, KVM_SEV_SNP_ID_BLOCK_SIZE);
SAME_VALUE(kSnpIdAuthSize, KVM_SEV_SNP_ID_AUTH_SIZE);
SAME_VALUE(kSnpHostDataSize, KVM_SEV_SNP_FINISH_DATA_SIZE);
SAME_VALUE(kDeviceGroupSev, KVM_X86_GRP_SEV);
SAME_VALUE(kDeviceSevVmsaFeatures, KVM_X86_SEV_VMSA_FEATURES);
SAME_VALUE(kDeviceSnpPolicyBits, KVM_X86_SNP_POLICY_BITS);
SAME_VALUE(kDeviceSnpReqCertsSupport, KVM_X86_SEV_SNP_REQ_CERTS);
SAME_VALUE(kSystemEventSevTerminate, KVM_SYSTEM_EVENT_SEV_TERM);
SAME_VALUE(SevFirmwareError::invalid_platform_state, SEV_RET_INVALID_PLATFORM_STATE);
SAME_VALUE(SevFirmwareError::invalid_guest_state, SEV_RET_INVALID_GUEST_STATE);
SAME_VALUE(SevFirmwareError::invalid_config, SEV_RET_INVALID_CONFIG);
SAME_VALUE(SevFirmwareError::invalid_length, SEV_RET_INVALID_LEN);
SAME_VALUE(SevFirmwareError::policy_failure, SEV_RET_POLICY_FAILURE);
SAME_VALUE(SevFirmwareError::inactive, SEV_RET_INACTIVE);
SAME_VALUE(SevFirmwareError::invalid_address, SEV_RET_INVALID_ADDRESS);
SAME_VALUE(SevFirmwareError::bad_signature, SEV_RET_BAD_SIGNATURE);
SAME_VALUE(SevFirmwareError::bad_measurement, SEV_RET_BAD_MEASUREMENT);
SAME_VALUE(SevFirmwareError::asid_owned, SEV_RET_ASID_OWNED);
SAME_VALUE(SevFirmwareError::invalid_guest, SEV_RET_INVALID_GUEST);
SAME_VALUE(SevFirmwareError::invalid_parameter, SEV_RET_INVALID_PARAM);
SAME_VALUE(SevFirmwareError::invalid_page_state, SEV_RET_INVALID_PAGE_STATE);
SAME_VALUE(SevFirmwareError::invalid_page_owner, SEV_RET_INVALID_PAGE_OWNER);
SAME_VALUE(SevFirmwareError::invalid_key, SEV_RET_INVALID_KEY);

// tdx_abi.hpp. The kernel's cpuid tables end in a flexible array, whose sizeof differs between C
// and C++.
SAME_SIZE(TdxCommand, kvm_tdx_cmd);
SAME_NAME(TdxCommand, kvm_tdx_cmd, id);
SAME_NAME(TdxCommand, kvm_tdx_cmd, flags);
SAME_NAME(TdxCommand, kvm_tdx_cmd, data);
SAME_NAME(TdxCommand, kvm_tdx_cmd, hw_error);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, supported_attrs);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, supported_xfam);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, kernel_tdvmcallinfo_1_r11);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, user_tdvmcallinfo_1_r11);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, kernel_tdvmcallinfo_1_r12);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, user_tdvmcallinfo_1_r12);
SAME_NAME(TdxCapabilities, kvm_tdx_capabilities, reserved);
static_assert(offsetof(TdxCapabilities, cpuid) == offsetof(kvm_tdx_capabilities, cpuid));
static_assert(sizeof(TdxCapabilities) ==
              offsetof(kvm_tdx_capabilities, cpuid) + offsetof(kvm_cpuid2, entries));
SAME_NAME(TdxInitVm, kvm_tdx_init_vm, attributes);
SAME_NAME(TdxInitVm, kvm_tdx_init_vm, xfam);
SAME_NAME(TdxInitVm, kvm_tdx_init_vm, mrconfigid);
SAME_NAME(TdxInitVm, kvm_tdx_init_vm, mrowner);
SAME_NAME(TdxInitVm, kvm_tdx_init_vm, mrownerconfig);
SAME_NAME(TdxInitVm, kvm_tdx_init_vm, reserved);
static_assert(offsetof(TdxInitVm, cpuid) == offsetof(kvm_tdx_init_vm, cpuid));
static_assert(sizeof(TdxInitVm) ==
              offsetof(kvm_tdx_init_vm, cpuid) + offsetof(kvm_cpuid2, entries));
SAME_SIZE(TdxInitMemRegion, kvm_tdx_init_mem_region);
SAME_NAME(TdxInitMemRegion, kvm_tdx_init_mem_region, source_addr);
SAME_NAME(TdxInitMemRegion, kvm_tdx_init_mem_region, gpa);
SAME_NAME(TdxInitMemRegion, kvm_tdx_init_mem_region, nr_pages);
SAME_VALUE(TdxCommandId::capabilities, KVM_TDX_CAPABILITIES);
SAME_VALUE(TdxCommandId::init_vm, KVM_TDX_INIT_VM);
SAME_VALUE(TdxCommandId::init_vcpu, KVM_TDX_INIT_VCPU);
SAME_VALUE(TdxCommandId::init_mem_region, KVM_TDX_INIT_MEM_REGION);
SAME_VALUE(TdxCommandId::finalize_vm, KVM_TDX_FINALIZE_VM);
SAME_VALUE(TdxCommandId::get_cpuid, KVM_TDX_GET_CPUID);
SAME_VALUE(kTdxMeasureMemoryRegion, KVM_TDX_MEASURE_MEMORY_REGION);
SAME_VALUE(kExitTdx, KVM_EXIT_TDX);
SAME_VALUE(kExitDataOffset, offsetof(kvm_run, tdx));
SAME_SIZE(ExitTdx, kvm_run::tdx);
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, ret), offsetof(kvm_run, tdx.unknown.ret));
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, raw), offsetof(kvm_run, tdx.unknown.data));
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, get_quote.gpa),
           offsetof(kvm_run, tdx.get_quote.gpa));
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, get_quote.size),
           offsetof(kvm_run, tdx.get_quote.size));
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, get_tdvmcall_info.leaf),
           offsetof(kvm_run, tdx.get_tdvmcall_info.leaf));
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, get_tdvmcall_info.r14),
           offsetof(kvm_run, tdx.get_tdvmcall_info.r14));
SAME_VALUE(kExitDataOffset + offsetof(ExitTdx, setup_event_notify.vector),
           offsetof(kvm_run, tdx.setup_event_notify.vector));
SAME_VALUE(kSystemEventTdxFatal, KVM_SYSTEM_EVENT_TDX_FATAL);

}  // namespace bartizan::vmm::kvm
