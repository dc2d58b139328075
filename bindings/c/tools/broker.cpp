// The broker, and the calls of its administrator.
#include "bartizan/broker.hpp"

#include "c/options.hpp"

struct bartizan_broker {
  bartizan::Broker broker;
  std::string url, ca_pem, admin_token_path;  // borrowed by the caller
};

namespace bartizan::c {

Result<void> finish(const bartizan_broker_options& from, BrokerOptions& to) {
  for (const std::string& name : to.tls_names) TRY(require(name.c_str(), "tls_names"));
  if (from.flags & BARTIZAN_BROKER_ANY_PORT) to.port = 0;
  return {};
}

Result<void> finish(const bartizan_broker_access&, BrokerAccess& to) {
  if (to.admin_token.empty() && to.kind == BrokerKind::bartizan)
    return invalid(kApiOrigin, "admin_token: required");
  return {};
}

Result<void> finish(const bartizan_workload&, Workload& to) {
  if (to.resource.empty()) to.resource = "default/disk-key/" + to.id;
  return {};
}

}  // namespace bartizan::c

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

bz::Result<bz::BrokerAccess> access_of(const bartizan_broker_access* from) {
  if (!from) return missing("access");
  return from_c(from);
}

bz::Result<bz::Workload> workload_of(const bartizan_workload* from) {
  if (!from) return missing("workload");
  return from_c(from);
}

// A call about one workload that answers in JSON.
template <typename Call>
int32_t answer_about(const bartizan_broker_access* access, const char* workload,
                     bartizan_string** json, bartizan_error** err, Call call) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto to = TRY(access_of(access));
    TRY(require(workload, "workload"));
    auto text = TRY(call(to, workload));
    *json = make_string(text).release();
    return {};
  });
}

}  // namespace

extern "C" {

int32_t bartizan_broker_start(const bartizan_broker_options* options, bartizan_broker** broker,
                              bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!options) return missing("options");
    if (!broker) return missing("broker");
    auto to = TRY(from_c(options));
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
    *policy = make_string(made).release();
    return {};
  });
}

int32_t bartizan_broker_unregister(const bartizan_broker_access* access, const char* workload,
                                   bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    auto to = TRY(access_of(access));
    TRY(require(workload, "workload"));
    return bz::unregister_workload(to, workload);
  });
}

int32_t bartizan_broker_list(const bartizan_broker_access* access, bartizan_string** json,
                             bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto to = TRY(access_of(access));
    auto list = TRY(bz::list_workloads(to));
    *json = make_string(list).release();
    return {};
  });
}

int32_t bartizan_broker_show(const bartizan_broker_access* access, const char* workload,
                             bartizan_string** json, bartizan_error** err) {
  return answer_about(access, workload, json, err, bz::show_workload);
}

int32_t bartizan_broker_audit(const bartizan_broker_access* access, const char* workload,
                              bartizan_string** json, bartizan_error** err) {
  return answer_about(access, workload, json, err, bz::broker_audit);
}

int32_t bartizan_broker_rotate_key(const bartizan_broker_access* access, const char* workload,
                                   const void* disk_key, size_t disk_key_size,
                                   bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    auto to = TRY(access_of(access));
    TRY(require(workload, "workload"));
    if (!disk_key) return missing("disk_key");
    const bz::SecretBytes key({static_cast<const uint8_t*>(disk_key), disk_key_size});
    return bz::rotate_key(to, workload, key);
  });
}

int32_t bartizan_broker_expire(const bartizan_broker_access* access, const char* workload,
                               int64_t at, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    auto to = TRY(access_of(access));
    TRY(require(workload, "workload"));
    return bz::expire_workload(to, workload, at);
  });
}

int32_t bartizan_broker_create_token(const bartizan_broker_access* access, const char* name,
                                     const char* scope, int64_t expires, bartizan_secret** token,
                                     bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!token) return missing("token");
    auto to = TRY(access_of(access));
    TRY(require(name, "name"));
    TRY(require(scope, "scope"));
    const auto made = TRY(bz::create_token(to, name, scope, expires));
    *token = make_secret(made).release();
    return {};
  });
}

int32_t bartizan_broker_list_tokens(const bartizan_broker_access* access, bartizan_string** json,
                                    bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto to = TRY(access_of(access));
    auto list = TRY(bz::list_tokens(to));
    *json = make_string(list).release();
    return {};
  });
}

int32_t bartizan_broker_revoke_token(const bartizan_broker_access* access, const char* name,
                                     bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    auto to = TRY(access_of(access));
    TRY(require(name, "name"));
    return bz::revoke_token(to, name);
  });
}

int32_t bartizan_broker_backup(const char* state, const char* output, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    TRY(require(state, "state"));
    TRY(require(output, "output"));
    return bz::backup_broker(state, output);
  });
}

int32_t bartizan_broker_restore(const char* state, const char* file, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    TRY(require(state, "state"));
    TRY(require(file, "file"));
    return bz::restore_broker(state, file);
  });
}

int32_t bartizan_broker_check(const char* state, bartizan_string** json, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    TRY(require(state, "state"));
    auto found = TRY(bz::check_broker(state));
    *json = make_string(found).release();
    return {};
  });
}

int32_t bartizan_broker_verify_audit(const char* state, const char* noted_head,
                                     bartizan_string** json, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    TRY(require(state, "state"));
    auto chain = TRY(bz::verify_audit(state, noted_head ? noted_head : ""));
    *json = make_string(chain).release();
    return {};
  });
}

}  // extern "C"
