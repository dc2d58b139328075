// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {

Result<ProbeOptions> from_c(const bartizan_probe_options* from) {
  const bartizan_probe_options options = TRY(options_of(from, "bartizan_probe_options"));
  ProbeOptions to;
  TRY(assign(options.kvm_device, "kvm_device", to.kvm_device));
  TRY(assign(options.guest_time_limit_ms, "guest_time_limit_ms", to.guest_time_limit_ms));
  TRY(assign(options.bundle, "bundle", to.bundle));
  return to;
}

Result<LaunchOptions> from_c(const bartizan_launch_options* from) {
  const bartizan_launch_options options = TRY(options_of(from, "bartizan_launch_options"));
  LaunchOptions to;
  TRY(assign_enum(options.tee, BARTIZAN_TEE_TDX, "tee", "BARTIZAN_TEE_*", to.tee));
  TRY(assign(options.vcpus, "vcpus", to.vcpus));
  TRY(assign(options.ram_mib, "ram_mib", to.ram_mib));
  TRY(assign(options.bundle, "bundle", to.bundle));
  TRY(assign(options.extra_command_line, "extra_command_line", to.extra_command_line));
  TRY(assign(options.guest_features, "guest_features", to.guest_features));
  TRY(assign(options.c_bit, "c_bit", to.c_bit));
  return to;
}

Result<MeasureOptions> from_c(const bartizan_measure_options* from) {
  const bartizan_measure_options options = TRY(options_of(from, "bartizan_measure_options"));
  MeasureOptions to;
  TRY(assign_enum(options.tee, BARTIZAN_TEE_TDX, "tee", "BARTIZAN_TEE_*", to.launch.tee));
  TRY(assign(options.vcpus, "vcpus", to.launch.vcpus));
  TRY(assign(options.max_vcpus, "max_vcpus", to.max_vcpus));
  TRY(assign(options.ram_mib, "ram_mib", to.launch.ram_mib));
  TRY(assign(options.bundle, "bundle", to.launch.bundle));
  TRY(assign(options.extra_command_line, "extra_command_line", to.launch.extra_command_line));
  TRY(assign(options.ovmf, "ovmf", to.firmware.ovmf));
  TRY(assign(options.kernel, "kernel", to.firmware.kernel));
  TRY(assign(options.initrd, "initrd", to.firmware.initrd));
  TRY(assign(options.append, "append", to.firmware.append));
  TRY(assign(options.ovmf_digest, "ovmf_digest", to.firmware.ovmf_digest));
  TRY(assign_enum(options.vmm, BARTIZAN_VMM_GCE, "vmm", "BARTIZAN_VMM_*", to.firmware.vmm));
  TRY(check_flags(options.host_kernels, BARTIZAN_HOST_KERNEL_SINCE_6_10 |
      BARTIZAN_HOST_KERNEL_BEFORE_6_10, "host_kernels"));
  TRY(assign_list(options.vcpu_types, options.vcpu_type_count, "vcpu_types", to.vcpu_types));
  TRY(assign_list(options.vcpu_signatures, options.vcpu_signature_count, "vcpu_signatures",
      to.vcpu_signatures));
  TRY(assign(options.guest_features, "guest_features", to.guest_features));
  TRY(assign_list(options.c_bits, options.c_bit_count, "c_bits", to.c_bits));
  TRY(finish(options, to));
  return to;
}

Result<IdBlockOptions> from_c(const bartizan_id_block_options* from) {
  const bartizan_id_block_options options = TRY(options_of(from, "bartizan_id_block_options"));
  IdBlockOptions to;
  TRY(assign(options.digest, "digest", to.digest));
  TRY(assign(options.family_id, "family_id", to.family_id));
  TRY(assign(options.image_id, "image_id", to.image_id));
  TRY(assign(options.policy, "policy", to.policy));
  TRY(assign(options.guest_svn, "guest_svn", to.guest_svn));
  TRY(require(options.id_key, "id_key"));
  TRY(assign(options.id_key, "id_key", to.id_key));
  TRY(assign(options.author_key, "author_key", to.author_key));
  return to;
}

Result<TeeOptions> from_c(const bartizan_tee_options* from) {
  const bartizan_tee_options options = TRY(options_of(from, "bartizan_tee_options"));
  TeeOptions to;
  TRY(assign(options.policy, "policy", to.policy));
  TRY(assign(options.guest_features, "guest_features", to.guest_features));
  TRY(assign(options.id_block, "id_block", to.id_block));
  TRY(assign(options.id_authentication, "id_authentication", to.id_authentication));
  TRY(assign(options.certificates, "certificates", to.certificates));
  TRY(assign(options.owner_certificate, "owner_certificate", to.owner_certificate));
  TRY(assign(options.session, "session", to.session));
  TRY(assign(options.quote_service, "quote_service", to.quote_service));
  TRY(check_flags(options.flags, BARTIZAN_TEE_REQUIRE_CERTIFICATES | BARTIZAN_TEE_NO_QUOTES,
      "flags"));
  to.require_certificates = (options.flags & BARTIZAN_TEE_REQUIRE_CERTIFICATES) != 0;
  TRY(assign(options.platform_certificates, "platform_certificates", to.platform_certificates));
  TRY(finish(options, to));
  return to;
}

}  // namespace bartizan::c
