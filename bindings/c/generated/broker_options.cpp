// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {

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
  TRY(assign(options.requests_per_second, "requests_per_second", to.requests_per_second));
  TRY(assign(options.request_burst, "request_burst", to.request_burst));
  TRY(assign_list(options.trusted_proxies, options.trusted_proxy_count, "trusted_proxies",
      to.trusted_proxies, 64));
  TRY(assign(options.collateral, "collateral", to.collateral));
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
      BARTIZAN_REGISTER_RESOURCE_POLICY | BARTIZAN_REGISTER_REPLACE |
      BARTIZAN_REGISTER_KEEP_RESOURCE_POLICY, "flags"));
  to.reference_values = (options.flags & BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES) == 0;
  to.resource_policy = (options.flags & BARTIZAN_REGISTER_RESOURCE_POLICY) != 0;
  to.replace = (options.flags & BARTIZAN_REGISTER_REPLACE) != 0;
  to.keep_resource_policy = (options.flags & BARTIZAN_REGISTER_KEEP_RESOURCE_POLICY) != 0;
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
  TRY(assign(options.policy, "policy", to.policy));
  TRY(assign(options.signer, "signer", to.signer));
  TRY(assign(options.minimum_version, "minimum_version", to.minimum_version));
  TRY(finish(options, to));
  return to;
}

}  // namespace bartizan::c
