// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {

Result<MachineOptions> from_c(const bartizan_machine_options* from) {
  const bartizan_machine_options options = TRY(options_of(from, "bartizan_machine_options"));
  MachineOptions to;
  TRY(assign(options.name, "name", to.name));
  TRY(assign(options.vcpus, "vcpus", to.vcpus));
  TRY(assign(options.ram_mib, "ram_mib", to.ram_mib));
  TRY(assign(options.bundle, "bundle", to.bundle));
  TRY(assign(options.extra_command_line, "extra_command_line", to.extra_command_line));
  TRY(assign(options.kvm_device, "kvm_device", to.kvm_device));
  TRY(check_flags(options.flags, BARTIZAN_MACHINE_STDIO, "flags"));
  TRY(assign_enum(options.network, BARTIZAN_NETWORK_NONE, "network", "BARTIZAN_NETWORK_*",
      to.network));
  TRY(assign_list(options.allow, options.allow_count, "allow", to.allow, 64));
  TRY(assign_list(options.publish, options.publish_count, "publish", to.publish, 1024));
  TRY(assign(options.publish_auto, "publish_auto", to.publish_auto));
  TRY(assign_list(options.vsock, options.vsock_count, "vsock", to.vsock, 1024));
  TRY(assign(options.scratch_disk, "scratch_disk", to.scratch_disk));
  to.log = log_sink(options.log, options.log_user);
  to.guest_log = log_sink(options.guest_log, options.guest_log_user);
  to.tee_options = TRY(from_c(options.tee_options));
  TRY(assign_enum(options.huge_pages, BARTIZAN_HUGE_PAGES_RESERVED, "huge_pages",
      "BARTIZAN_HUGE_PAGES_*", to.huge_pages));
  TRY(assign(options.max_vcpus, "max_vcpus", to.max_vcpus));
  TRY(assign(options.max_ram_mib, "max_ram_mib", to.max_ram_mib));
  TRY(assign(options.max_scratch_bytes, "max_scratch_bytes", to.max_scratch_bytes));
  to.events = event_sink(options.events, options.events_user);
  TRY(assign_enum(options.harden, BARTIZAN_HARDENING_REQUIRED, "harden", "BARTIZAN_HARDENING_*",
      to.harden));
  TRY(assign(options.broker_url, "broker_url", to.broker_url));
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
