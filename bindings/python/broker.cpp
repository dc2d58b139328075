// The broker and the calls of its administrator.
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
    GilReleased released;
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

BrokerAccess admin_access(const std::string& url, const std::string& ca_pem,
                          const py::bytes& admin_token) {
  BrokerAccess access;
  access.url = url;
  access.ca_pem = ca_pem;
  access.admin_token = to_secret(admin_token);
  return access;
}

py::object from_json(const std::string& json) {
  return py::module_::import("json").attr("loads")(json);
}

using Answer = Result<std::string> (*)(const BrokerAccess&, const std::string&);

template <Answer kCall>
py::object answer_about(const std::string& url, const std::string& ca_pem,
                        const py::bytes& admin_token, const std::string& workload) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  return from_json(unlocked([&] { return kCall(access, workload); }));
}

py::object list(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  return from_json(unlocked([&] { return list_workloads(access); }));
}

void unregister(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token,
                const std::string& workload) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  unlocked([&] { return unregister_workload(access, workload); });
}

void rotate(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token,
            const std::string& workload, const py::bytes& disk_key) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  const SecretBytes key = to_secret(disk_key);
  unlocked([&] { return rotate_key(access, workload, key); });
}

void expire(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token,
            const std::string& workload, int64_t at) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  unlocked([&] { return expire_workload(access, workload, at); });
}

py::object check_audit(const std::filesystem::path& state, const std::string& noted_head) {
  return from_json(unlocked([&] { return verify_audit(state, noted_head); }));
}

py::bytes make_token(const std::string& url, const std::string& ca_pem,
                     const py::bytes& admin_token, const std::string& name,
                     const std::string& scope, int64_t expires) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  const SecretBytes token = unlocked([&] { return create_token(access, name, scope, expires); });
  return py::bytes(std::string(token.view()));
}

py::object tokens(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  return from_json(unlocked([&] { return list_tokens(access); }));
}

void revoke(const std::string& url, const std::string& ca_pem, const py::bytes& admin_token,
            const std::string& name) {
  const BrokerAccess access = admin_access(url, ca_pem, admin_token);
  unlocked([&] { return revoke_token(access, name); });
}

void back_up(const std::filesystem::path& state, const std::filesystem::path& output) {
  unlocked([&] { return backup_broker(state, output); });
}

void restore(const std::filesystem::path& state, const std::filesystem::path& file) {
  unlocked([&] { return restore_broker(state, file); });
}

py::object check_state(const std::filesystem::path& state) {
  return from_json(unlocked([&] { return check_broker(state); }));
}

// A call of the administrator about one workload, all by keyword.
template <typename Function, typename... More>
void define_about(py::module_& module, const char* name, Function function, const char* doc,
                  More... more) {
  module.def(name, function, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"), py::arg("workload_id"), more..., doc);
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
  module.def("list_workloads", &list, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"),
             "All registrations of bartizan's own broker: a list of dicts.");
  define_about(module, "show_workload", &answer_about<show_workload>,
               "One registration of bartizan's own broker, by id or digest: a dict.");
  define_about(
      module, "broker_audit", &answer_about<broker_audit>,
      "What was decided about a workload and changed by its owner, newest first: a list of "
      "dicts.");
  define_about(module, "unregister_workload", &unregister,
               "Removes a registration and its key from bartizan's own broker. The audit remains.");
  define_about(module, "rotate_key", &rotate,
               "Puts another key in the place of a registration's; guests attest again.",
               py::arg("disk_key"));
  define_about(module, "expire_workload", &expire,
               "From `at` on, seconds since the epoch, it releases nothing; 0: it has no end.",
               py::arg("at"));
  module.def("create_token", &make_token, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"), py::arg("name"), py::arg("scope"), py::arg("expires"),
             "Makes another token of scope read, register or admin; expires 0: it has no end.");
  module.def("list_tokens", &tokens, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"),
             "The tokens of administrators, without their values: a list of dicts.");
  module.def("revoke_token", &revoke, py::kw_only(), py::arg("url"), py::arg("ca_pem"),
             py::arg("admin_token"), py::arg("name"), "Revokes a token.");
  module.def("backup_broker", &back_up, py::arg("state"), py::arg("output"),
             "Writes all of a broker's state folder into a new file, while it serves.");
  module.def("restore_broker", &restore, py::arg("state"), py::arg("file"),
             "Makes a state folder, missing or empty before, of such a file.");
  module.def("check_broker", &check_state, py::arg("state"),
             "Checks store, audit, files and certificates of a state folder: a dict of good and "
             "checks.");
  module.def("verify_audit", &check_audit, py::arg("state"), py::arg("noted_head") = "",
             "Follows the chain of a state folder's audit: a dict of entries, head and outside. "
             "noted_head: one that was noted before, which an entry must have.");
}

}  // namespace bartizan::python
