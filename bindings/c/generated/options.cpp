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

Result<BundleOptions> from_c(const bartizan_bundle_options* from) {
  const bartizan_bundle_options options = TRY(options_of(from, "bartizan_bundle_options"));
  BundleOptions to;
  TRY(assign(options.kernel, "kernel", to.kernel));
  TRY(assign(options.modules, "modules", to.modules));
  TRY(assign(options.init, "init", to.init));
  TRY(assign(options.output, "output", to.output));
  TRY(assign(options.extra_command_line, "extra_command_line", to.extra_command_line));
  to.progress = progress_sink(options.progress, options.progress_user);
  return to;
}

Result<BuildOptions> from_c(const bartizan_build_options* from) {
  const bartizan_build_options options = TRY(options_of(from, "bartizan_build_options"));
  BuildOptions to;
  TRY(require(options.source, "source"));
  TRY(assign(options.source, "source", to.source));
  TRY(assign(options.reference, "reference", to.reference));
  TRY(require(options.output, "output"));
  TRY(assign(options.output, "output", to.output));
  TRY(assign(options.output_reference, "output_reference", to.output_reference));
  TRY(assign(options.workload_id, "workload_id", to.workload_id));
  TRY(assign(options.broker_url, "broker_url", to.broker_url));
  TRY(assign(options.broker_ca_pem, "broker_ca_pem", to.broker_ca_pem));
  TRY(assign(options.resource, "resource", to.resource));
  TRY(assign(options.vcpus, "vcpus", to.vcpus));
  TRY(assign(options.ram_mib, "ram_mib", to.ram_mib));
  TRY(check_flags(options.flags, BARTIZAN_BUILD_NO_NETWORK | BARTIZAN_BUILD_REPRODUCIBLE |
      BARTIZAN_BUILD_ANONYMOUS | BARTIZAN_BUILD_FORCE, "flags"));
  to.network = (options.flags & BARTIZAN_BUILD_NO_NETWORK) == 0;
  to.reproducible = (options.flags & BARTIZAN_BUILD_REPRODUCIBLE) != 0;
  to.anonymous = (options.flags & BARTIZAN_BUILD_ANONYMOUS) != 0;
  to.force = (options.flags & BARTIZAN_BUILD_FORCE) != 0;
  TRY(assign(options.disk_key, "disk_key", to.disk_key));
  to.progress = progress_sink(options.progress, options.progress_user);
  TRY(assign(options.base_image, "base_image", to.base_image));
  TRY(assign(options.base_reference, "base_reference", to.base_reference));
  TRY(assign(options.created, "created", to.created));
  TRY(assign(options.scratch_bytes, "scratch_bytes", to.scratch_bytes));
  TRY(assign(options.recovery_passphrase, "recovery_passphrase", to.recovery_passphrase));
  return to;
}

Result<EvidencePolicy> from_c(const bartizan_evidence_policy* from) {
  const bartizan_evidence_policy options = TRY(options_of(from, "bartizan_evidence_policy"));
  EvidencePolicy to;
  TRY(check_flags(options.flags, BARTIZAN_POLICY_ALLOW_SIMULATED | BARTIZAN_POLICY_ALLOW_DEBUG,
      "flags"));
  to.allow_simulated = (options.flags & BARTIZAN_POLICY_ALLOW_SIMULATED) != 0;
  to.allow_debug = (options.flags & BARTIZAN_POLICY_ALLOW_DEBUG) != 0;
  TRY(assign_list(options.measurements, options.measurement_count, "measurements",
      to.measurements));
  TRY(assign(options.host_data, "host_data", to.host_data));
  TRY(assign(options.report_data, "report_data", to.report_data));
  TRY(assign(options.minimum_tcb, "minimum_tcb", to.minimum_tcb));
  TRY(assign(options.now, "now", to.now));
  return to;
}

Result<KeyRequest> from_c(const bartizan_key_request* from) {
  const bartizan_key_request options = TRY(options_of(from, "bartizan_key_request"));
  KeyRequest to;
  TRY(require(options.url, "url"));
  TRY(assign(options.url, "url", to.url));
  TRY(require(options.ca_pem, "ca_pem"));
  TRY(assign(options.ca_pem, "ca_pem", to.ca_pem));
  TRY(require(options.resource, "resource"));
  TRY(assign(options.resource, "resource", to.resource));
  TRY(assign(options.timeout_ms, "timeout_ms", to.timeout_ms));
  return to;
}

Result<BrokerOptions> from_c(const bartizan_broker_options* from) {
  const bartizan_broker_options options = TRY(options_of(from, "bartizan_broker_options"));
  BrokerOptions to;
  TRY(require(options.state, "state"));
  TRY(assign(options.state, "state", to.state));
  TRY(assign(options.address, "address", to.address));
  TRY(assign(options.port, "port", to.port));
  TRY(check_flags(options.flags, BARTIZAN_BROKER_ANY_PORT, "flags"));
  TRY(assign_list(options.tls_names, options.tls_name_count, "tls_names", to.tls_names, 64));
  to.log = log_sink(options.log, options.log_user);
  TRY(assign_list(options.sev_roots, options.sev_root_count, "sev_roots", to.sev_roots));
  TRY(finish(options, to));
  return to;
}

Result<BrokerAccess> from_c(const bartizan_broker_access* from) {
  const bartizan_broker_access options = TRY(options_of(from, "bartizan_broker_access"));
  BrokerAccess to;
  TRY(require(options.url, "url"));
  TRY(assign(options.url, "url", to.url));
  TRY(require(options.ca_pem, "ca_pem"));
  TRY(assign(options.ca_pem, "ca_pem", to.ca_pem));
  TRY(assign(options.admin_token, "admin_token", to.admin_token));
  TRY(assign_enum(options.kind, BARTIZAN_BROKER_REGISTER_WORKLOAD, "kind", "BARTIZAN_BROKER_*",
      to.kind));
  TRY(check_flags(options.flags, BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES |
      BARTIZAN_REGISTER_RESOURCE_POLICY | BARTIZAN_REGISTER_REPLACE, "flags"));
  to.reference_values = (options.flags & BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES) == 0;
  to.resource_policy = (options.flags & BARTIZAN_REGISTER_RESOURCE_POLICY) != 0;
  to.replace = (options.flags & BARTIZAN_REGISTER_REPLACE) != 0;
  TRY(assign(options.admin_key, "admin_key", to.admin_key));
  TRY(assign(options.admin_issuer, "admin_issuer", to.admin_issuer));
  TRY(assign(options.admin_audience, "admin_audience", to.admin_audience));
  if (options.admin_role) to.admin_role = options.admin_role;
  TRY(finish(options, to));
  return to;
}

Result<Workload> from_c(const bartizan_workload* from) {
  const bartizan_workload options = TRY(options_of(from, "bartizan_workload"));
  Workload to;
  TRY(require(options.id, "id"));
  TRY(assign(options.id, "id", to.id));
  TRY(assign(options.workload_digest, "workload_digest", to.workload_digest));
  TRY(assign_list(options.measurements, options.measurement_count, "measurements",
      to.measurements));
  TRY(check_flags(options.flags, BARTIZAN_POLICY_ALLOW_SIMULATED | BARTIZAN_POLICY_ALLOW_DEBUG,
      "flags"));
  to.allow_simulated = (options.flags & BARTIZAN_POLICY_ALLOW_SIMULATED) != 0;
  to.allow_debug = (options.flags & BARTIZAN_POLICY_ALLOW_DEBUG) != 0;
  TRY(assign(options.minimum_tcb, "minimum_tcb", to.minimum_tcb));
  TRY(assign(options.resource, "resource", to.resource));
  TRY(require(options.disk_key, "disk_key"));
  TRY(assign(options.disk_key, "disk_key", to.disk_key));
  if (options.tee != 0) TRY(assign_enum(options.tee, BARTIZAN_TEE_TDX, "tee", "BARTIZAN_TEE_*",
      to.tee));
  TRY(finish(options, to));
  return to;
}

Result<MachineOptions> from_c(const bartizan_machine_options* from) {
  const bartizan_machine_options options = TRY(options_of(from, "bartizan_machine_options"));
  MachineOptions to;
  TRY(assign(options.name, "name", to.name));
  TRY(assign(options.vcpus, "vcpus", to.vcpus));
  TRY(assign(options.ram_mib, "ram_mib", to.ram_mib));
  TRY(assign(options.bundle, "bundle", to.bundle));
  TRY(assign(options.extra_command_line, "extra_command_line", to.extra_command_line));
  TRY(assign(options.kvm_device, "kvm_device", to.kvm_device));
  TRY(check_flags(options.flags, BARTIZAN_MACHINE_NO_NETWORK | BARTIZAN_MACHINE_STDIO, "flags"));
  to.network = (options.flags & BARTIZAN_MACHINE_NO_NETWORK) == 0;
  TRY(assign_list(options.publish, options.publish_count, "publish", to.publish, 1024));
  TRY(assign_list(options.vsock, options.vsock_count, "vsock", to.vsock, 1024));
  TRY(assign(options.scratch_disk, "scratch_disk", to.scratch_disk));
  to.log = log_sink(options.log, options.log_user);
  to.guest_log = log_sink(options.guest_log, options.guest_log_user);
  to.tee_options = TRY(from_c(options.tee_options));
  TRY(assign_enum(options.huge_pages, BARTIZAN_HUGE_PAGES_RESERVED, "huge_pages",
      "BARTIZAN_HUGE_PAGES_*", to.huge_pages));
  TRY(finish(options, to));
  return to;
}

Result<LuksDisk> from_c(const bartizan_luks_disk* from) {
  const bartizan_luks_disk options = TRY(options_of(from, "bartizan_luks_disk"));
  LuksDisk to;
  TRY(require(options.path, "path"));
  TRY(assign(options.path, "path", to.path));
  TRY(assign(options.offset, "offset", to.offset));
  TRY(assign(options.size, "size", to.size));
  TRY(assign(options.manifest, "manifest", to.manifest));
  TRY(assign(options.disk_key, "disk_key", to.disk_key));
  return to;
}

}  // namespace bartizan::c
