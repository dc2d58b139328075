// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {

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
  TRY(assign(options.host_may, "host_may", to.host_may));
  TRY(assign_list(options.add_files, options.add_files_count, "add_files", to.add_files, 1024));
  TRY(assign(options.tee, "tee", to.tee));
  TRY(assign(options.tee_data, "tee_data", to.tee_data));
  TRY(assign(options.tee_config, "tee_config", to.tee_config));
  TRY(assign(options.source_passphrase, "source_passphrase", to.source_passphrase));
  TRY(assign(options.signing_key, "signing_key", to.signing_key));
  TRY(assign(options.version, "version", to.version));
  return to;
}

}  // namespace bartizan::c
