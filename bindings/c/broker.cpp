// The broker, and the two calls of its administrator.
#include "bartizan/broker.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

// A certificate for more names than this is a caller's mistake in the count.
constexpr size_t kMaxTlsNames = 64;

bz::Result<void> fill_names(const bartizan_broker_options& from, bz::BrokerOptions& to) {
  if (from.tls_name_count == 0) return {};
  if (!from.tls_names) return missing("tls_names");
  if (from.tls_name_count > kMaxTlsNames) return bz::invalid(kOrigin, "tls_names: more than 64");
  to.tls_names.clear();
  for (size_t i = 0; i < from.tls_name_count; ++i) {
    TRY(require(from.tls_names[i], "tls_names"));
    to.tls_names.emplace_back(from.tls_names[i]);
  }
  return {};
}

bz::Result<bz::BrokerOptions> broker_options(const bartizan_broker_options* from) {
  auto options = TRY(options_of(from, "bartizan_broker_options"));
  TRY(require(options.state, "state"));
  TRY(check_flags(options.flags, BARTIZAN_BROKER_ANY_PORT, "flags"));
  bz::BrokerOptions to;
  to.state = options.state;
  if (options.address && *options.address) to.address = options.address;
  if (options.port) to.port = options.port;
  if (options.flags & BARTIZAN_BROKER_ANY_PORT) to.port = 0;
  TRY(fill_names(options, to));
  to.sev_roots = TRY(list_of(options.sev_roots, options.sev_root_count, "sev_roots"));
  to.log = log_sink(options.log, options.log_user);
  return to;
}

bz::Result<void> fill_kind(const bartizan_broker_access& from, bz::BrokerAccess& to) {
  if (from.kind < BARTIZAN_BROKER_BARTIZAN || from.kind > BARTIZAN_BROKER_REGISTER_WORKLOAD)
    return bz::invalid(kOrigin, "kind: none of BARTIZAN_BROKER_*");
  TRY(check_flags(from.flags,
                  BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES | BARTIZAN_REGISTER_RESOURCE_POLICY,
                  "flags"));
  to.kind = static_cast<bz::BrokerKind>(from.kind);
  to.reference_values = !(from.flags & BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES);
  to.resource_policy = from.flags & BARTIZAN_REGISTER_RESOURCE_POLICY;
  return {};
}

bz::Result<void> fill_admin(const bartizan_broker_access& from, bz::BrokerAccess& to) {
  auto token = TRY(secret_of(from.admin_token, "admin_token"));
  if (token) to.admin_token = *std::move(token);
  auto key = TRY(secret_of(from.admin_key, "admin_key"));
  if (key) to.admin_key = *std::move(key);
  to.admin_issuer = text(from.admin_issuer);
  to.admin_audience = text(from.admin_audience);
  if (from.admin_role) to.admin_role = from.admin_role;
  return {};
}

bz::Result<bz::BrokerAccess> access_of(const bartizan_broker_access* from) {
  if (!from) return missing("access");
  auto options = TRY(options_of(from, "bartizan_broker_access"));
  TRY(require(options.url, "url"));
  TRY(require(options.ca_pem, "ca_pem"));
  bz::BrokerAccess to;
  to.url = options.url;
  to.ca_pem = options.ca_pem;
  TRY(fill_kind(options, to));
  TRY(fill_admin(options, to));
  if (to.admin_token.empty() && to.kind == bz::BrokerKind::bartizan)
    return bz::invalid(kOrigin, "admin_token: required");
  return to;
}

bz::Result<void> fill_values(const bartizan_workload& from, bz::Workload& to) {
  auto digest = TRY(bytes_of(from.workload_digest, "workload_digest"));
  auto measurements = TRY(list_of(from.measurements, from.measurement_count, "measurements"));
  auto key = TRY(secret_of(from.disk_key, "disk_key"));
  if (!key) return bz::invalid(kOrigin, "disk_key: required");
  to.workload_digest = std::move(digest);
  to.measurements = std::move(measurements);
  to.disk_key = *std::move(key);
  return {};
}

bz::Result<bz::Workload> workload_of(const bartizan_workload* from) {
  if (!from) return missing("workload");
  auto options = TRY(options_of(from, "bartizan_workload"));
  TRY(require(options.id, "id"));
  TRY(check_flags(options.flags, BARTIZAN_POLICY_ALLOW_SIMULATED | BARTIZAN_POLICY_ALLOW_DEBUG,
                  "flags"));
  bz::Workload to;
  to.id = options.id;
  TRY(fill_values(options, to));
  to.allow_simulated = options.flags & BARTIZAN_POLICY_ALLOW_SIMULATED;
  to.allow_debug = options.flags & BARTIZAN_POLICY_ALLOW_DEBUG;
  to.minimum_tcb = options.minimum_tcb;
  to.resource = text(options.resource);
  if (to.resource.empty()) to.resource = "default/disk-key/" + to.id;
  if (options.tee == BARTIZAN_TEE_NONE) return to;
  to.tee = TRY(tee_of(options.tee));
  return to;
}

}  // namespace

extern "C" {

int32_t bartizan_broker_start(const bartizan_broker_options* options, bartizan_broker** broker,
                              bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!options) return missing("options");
    if (!broker) return missing("broker");
    auto to = TRY(broker_options(options));
    auto started = TRY(bz::Broker::start(std::move(to)));
    std::string url = started.url(), ca_pem = started.ca_pem(),
                token = started.admin_token_path().string();
    *broker = new bartizan_broker{std::move(started), std::move(url), std::move(ca_pem),
                                  std::move(token)};
    return {};
  });
}

void bartizan_broker_stop(bartizan_broker* broker) {
  if (broker)
    guarded(nullptr,
            [&]() -> bz::Result<void> { return broker->broker.stop(), bz::Result<void>(); });
}

void bartizan_broker_free(bartizan_broker* broker) {
  delete broker;
}

uint16_t bartizan_broker_port(const bartizan_broker* broker) {
  return broker ? broker->broker.port() : 0;
}
const char* bartizan_broker_url(const bartizan_broker* broker) {
  return broker ? broker->url.c_str() : "";
}
const char* bartizan_broker_ca_pem(const bartizan_broker* broker) {
  return broker ? broker->ca_pem.c_str() : "";
}
const char* bartizan_broker_admin_token_path(const bartizan_broker* broker) {
  return broker ? broker->admin_token_path.c_str() : "";
}

int32_t bartizan_broker_register(const bartizan_broker_access* access,
                                 const bartizan_workload* workload, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    auto to = TRY(access_of(access));
    auto values = TRY(workload_of(workload));
    return bz::register_workload(to, values);
  });
}

int32_t bartizan_broker_kind_from_name(const char* name, int32_t* kind, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!kind) return missing("kind");
    auto found = TRY(bz::broker_kind_from_string(text(name)));
    *kind = static_cast<int32_t>(found);
    return {};
  });
}

int32_t bartizan_broker_trustee_policy(const bartizan_workload* workload, bartizan_string** policy,
                                       bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!policy) return missing("policy");
    auto values = TRY(workload_of(workload));
    auto made = TRY(bz::trustee_resource_policy(values));
    *policy = new bartizan_string{std::move(made)};
    return {};
  });
}

int32_t bartizan_broker_audit(const bartizan_broker_access* access, const char* workload_id,
                              bartizan_string** json, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto to = TRY(access_of(access));
    TRY(require(workload_id, "workload_id"));
    auto audit = TRY(bz::broker_audit(to, workload_id));
    *json = new bartizan_string{std::move(audit)};
    return {};
  });
}

}  // extern "C"
