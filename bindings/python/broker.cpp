// The broker and the two calls of its administrator.
#include "bartizan/broker.hpp"

#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

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

std::unique_ptr<BrokerHandle> serve(BrokerOptions options) {
  return std::make_unique<BrokerHandle>(
      unlocked([&] { return Broker::start(std::move(options)); }));
}

// The resource has a default that only the workload's name can give.
Workload with_resource(Workload workload) {
  if (workload.resource.empty()) workload.resource = "default/disk-key/" + workload.id;
  return workload;
}

py::object audit(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token,
                 const std::string& workload_id) {
  BrokerAccess access;
  access.url = url;
  access.ca_pem = ca_pem;
  access.admin_token = to_secret(admin_token);
  const std::string json = unlocked([&] { return broker_audit(access, workload_id); });
  return py::module_::import("json").attr("loads")(json);
}

void bind_class(py::module_& module) {
  py::class_<BrokerHandle> type(module, "Broker",
                                "Serves keys until close(), or to the end of a with block.");
  with_arguments_of_Broker(
      [&type](auto function, auto&&... arguments) {
        type.def(py::init(function), std::forward<decltype(arguments)>(arguments)...);
      },
      &serve);
  type.def_property_readonly(
          "port", [](const BrokerHandle& self) { return self.get()->port(); },
          "The port that it listens on.")
      .def_property_readonly(
          "url", [](const BrokerHandle& self) { return self.get()->url(); },
          "Its URL on this host.")
      .def_property_readonly(
          "ca_pem", [](const BrokerHandle& self) { return self.get()->ca_pem(); },
          "Its certificate authority, in PEM.")
      .def_property_readonly(
          "admin_token_path",
          [](const BrokerHandle& self) { return self.get()->admin_token_path(); },
          "The file with its administrator's token.")
      .def("close", &BrokerHandle::close, "Stops serving.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](BrokerHandle& self, const py::args&) { self.close(); });
}

}  // namespace

void bind_broker(py::module_& module) {
  bind_class(module);
  with_arguments_of_register_workload(
      definer(module, "register_workload"), [](const BrokerAccess& access, Workload workload) {
        workload = with_resource(std::move(workload));
        unlocked([&] { return register_workload(access, workload); });
      });
  with_arguments_of_trustee_resource_policy(
      definer(module, "trustee_resource_policy"), [](Workload workload) {
        return unwrap(trustee_resource_policy(with_resource(std::move(workload))));
      });
  module.def("broker_audit", &audit, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"), py::arg("workload_id"),
             "The last decisions about a workload, newest first: a list of dicts.");
}

}  // namespace bartizan::python
