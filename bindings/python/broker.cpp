// The broker and the two calls of its administrator.
#include "bartizan/broker.hpp"

#include "python/convert.hpp"

namespace bartizan::python {

namespace {

using Path = std::filesystem::path;

// close() and a call on another thread may cross: the call keeps the broker alive.
class BrokerHandle {
 public:
  explicit BrokerHandle(Broker&& broker) : broker_(make_handle(std::move(broker))) {}
  std::shared_ptr<Broker> get() const {
    if (!broker_) raise({ErrorCode::invalid_state, 0, "python", "broker: closed", {}, {}, {}});
    return broker_;
  }
  void close() {
    const std::shared_ptr<Broker> last = std::move(broker_);
    broker_.reset();
    if (!last) return;
    py::gil_scoped_release release;
    last->stop();
  }

 private:
  std::shared_ptr<Broker> broker_;
};

std::unique_ptr<BrokerHandle> start(const Path& state, const std::string& address, uint16_t port,
                                    const std::optional<std::vector<std::string>>& tls_names,
                                    const std::vector<py::bytes>& sev_roots,
                                    const py::object& log) {
  BrokerOptions options;
  options.state = state;
  options.address = address;
  options.port = port;
  if (tls_names) options.tls_names = *tls_names;
  options.sev_roots = to_vectors(sev_roots);
  options.log = log_sink(log);
  return std::make_unique<BrokerHandle>(
      unlocked([&] { return Broker::start(std::move(options)); }));
}

BrokerAccess access_of(const std::string& url, const std::string& ca_pem, const py::bytes& token) {
  return {url, ca_pem, to_secret(token)};
}

struct AdminArguments {
  std::string kind;
  py::bytes key;
  std::string issuer, audience, role;
  bool reference_values = true, resource_policy = false;
};

BrokerAccess access_of(const std::string& url, const std::string& ca_pem, const py::bytes& token,
                       const AdminArguments& admin) {
  BrokerAccess access = access_of(url, ca_pem, token);
  access.kind = unwrap(broker_kind_from_string(admin.kind));
  access.admin_key = to_secret(admin.key);
  access.admin_issuer = admin.issuer;
  access.admin_audience = admin.audience;
  access.admin_role = admin.role;
  access.reference_values = admin.reference_values;
  access.resource_policy = admin.resource_policy;
  return access;
}

Workload workload_of(const std::string& id, const py::bytes& workload_digest,
                     const std::vector<py::bytes>& measurements, const std::string& resource,
                     const py::object& tee, bool allow_debug) {
  Workload workload;
  workload.id = id;
  workload.workload_digest = to_vector(workload_digest);
  for (const py::bytes& measurement : measurements)
    workload.measurements.push_back(to_vector(measurement));
  workload.resource = resource.empty() ? "default/disk-key/" + id : resource;
  workload.tee = to_tee(tee);
  workload.allow_debug = allow_debug;
  return workload;
}

void register_one(const std::string& url, const std::string& ca_pem, const std::string& id,
                  const py::bytes& workload_digest, const std::vector<py::bytes>& measurements,
                  const py::bytes& disk_key, const py::bytes& admin_token,
                  const std::string& resource, bool allow_simulated, bool allow_debug,
                  uint64_t minimum_tcb, const py::object& tee, const std::string& kind,
                  const py::bytes& admin_key, const std::string& admin_issuer,
                  const std::string& admin_audience, const std::string& admin_role,
                  bool reference_values, bool resource_policy) {
  const BrokerAccess access = access_of(url, ca_pem, admin_token,
                                        {kind, admin_key, admin_issuer, admin_audience, admin_role,
                                         reference_values, resource_policy});
  Workload workload = workload_of(id, workload_digest, measurements, resource, tee, allow_debug);
  workload.allow_simulated = allow_simulated;
  workload.minimum_tcb = minimum_tcb;
  workload.disk_key = to_secret(disk_key);
  unlocked([&] { return register_workload(access, workload); });
}

py::object audit(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token,
                 const std::string& workload_id) {
  const BrokerAccess access = access_of(url, ca_pem, admin_token);
  const std::string json = unlocked([&] { return broker_audit(access, workload_id); });
  return py::module_::import("json").attr("loads")(json);
}

void bind_class(py::module_& module) {
  py::class_<BrokerHandle>(module, "Broker",
                           "Serves keys until close(), or to the end of a with block.")
      .def(py::init(&start), py::arg("state"), py::kw_only(), py::arg("address") = "127.0.0.1",
           py::arg("port") = 8443, py::arg("tls_names") = py::none(),
           py::arg("sev_roots") = std::vector<py::bytes>(), py::arg("log") = py::none())
      .def_property_readonly("port", [](const BrokerHandle& self) { return self.get()->port(); })
      .def_property_readonly("url", [](const BrokerHandle& self) { return self.get()->url(); })
      .def_property_readonly("ca_pem",
                             [](const BrokerHandle& self) { return self.get()->ca_pem(); })
      .def_property_readonly(
          "admin_token_path",
          [](const BrokerHandle& self) { return self.get()->admin_token_path(); })
      .def("close", &BrokerHandle::close)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](BrokerHandle& self, const py::args&) { self.close(); });
}

}  // namespace

void bind_broker(py::module_& module) {
  bind_class(module);
  module.def("register_workload", &register_one, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("id"), py::arg("workload_digest"), py::arg("measurements"),
             py::arg("disk_key"), py::arg("admin_token") = py::bytes(), py::arg("resource") = "",
             py::arg("allow_simulated") = false, py::arg("allow_debug") = false,
             py::arg("minimum_tcb") = 0, py::arg("tee") = "snp", py::arg("kind") = "bartizan",
             py::arg("admin_key") = py::bytes(), py::arg("admin_issuer") = "",
             py::arg("admin_audience") = "", py::arg("admin_role") = "admin",
             py::arg("reference_values") = true, py::arg("resource_policy") = false,
             "Tells a broker to whom it may release a key.");
  module.def(
      "trustee_resource_policy",
      [](const std::string& id, const py::bytes& workload_digest,
         const std::vector<py::bytes>& measurements, const std::string& resource,
         const py::object& tee, bool allow_debug) {
        return unwrap(trustee_resource_policy(
            workload_of(id, workload_digest, measurements, resource, tee, allow_debug)));
      },
      py::kw_only(), py::arg("id"), py::arg("workload_digest"), py::arg("measurements"),
      py::arg("resource") = "", py::arg("tee") = "snp", py::arg("allow_debug") = false,
      "A policy (Rego) for Trustee's KBS that releases one resource to one workload.");
  module.def("broker_audit", &audit, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"), py::arg("workload_id"),
             "The last decisions about a workload, newest first: a list of dicts.");
}

}  // namespace bartizan::python
