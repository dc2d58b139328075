// Evidence and key release.
#include "bartizan/attest.hpp"

#include "base/errors.hpp"
#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

Evidence make_evidence(const py::object& tee, const py::bytes& report,
                       const std::vector<py::bytes>& certificates,
                       const std::vector<py::bytes>& revocation_lists, const py::bytes& event_log,
                       const std::string& collateral) {
  return Evidence{to_tee(tee),
                  to_vector(report),
                  to_vectors(certificates),
                  to_vectors(revocation_lists),
                  to_vector(event_log),
                  collateral};
}

py::list certificates_of(const Evidence& self) {
  py::list list;
  for (const auto& certificate : self.certificates) list.append(to_bytes(certificate));
  return list;
}

void bind_types(py::module_& module) {
  py::class_<Evidence> type(module, "Evidence",
                            "A signed report, with the certificates that came along.");
  type.def(py::init(&make_evidence), py::arg("tee"), py::arg("report"),
           py::arg("certificates") = std::vector<py::bytes>(), py::kw_only(),
           py::arg("revocation_lists") = std::vector<py::bytes>(),
           py::arg("event_log") = py::bytes(), py::arg("collateral") = "")
      .def_readonly("tee", &Evidence::tee, "The TEE that signed it.")
      .def_property_readonly(
          "report", [](const Evidence& self) { return to_bytes(self.report); },
          "The report as the TEE made it.")
      .def_property_readonly("certificates", &certificates_of,
                             "In DER, in any order: VCEK or VLEK, ASK, ARK.")
      .def_property_readonly(
          "event_log", [](const Evidence& self) { return to_bytes(self.event_log); },
          "The event log of TDX (CCEL).")
      .def(
          "to_json", [](const Evidence& self) { return unwrap(evidence_to_json(self)); },
          "CoCo's JSON form.")
      .def_static(
          "from_json",
          [](const std::string& json, const py::object& tee) {
            return unwrap(evidence_from_json(json, to_tee(tee)));
          },
          py::arg("json"), py::arg("tee"), "Reads CoCo's JSON form.");
  add_state(type, &Evidence::tee, &Evidence::report, &Evidence::certificates,
            &Evidence::revocation_lists, &Evidence::event_log, &Evidence::collateral);
}

// A callable as a source: report data in, Evidence out.
class CallableSource : public EvidenceSource {
 public:
  CallableSource(Tee tee, Callback& callback) : tee_(tee), callback_(callback) {}
  Tee tee() const override { return tee_; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    Evidence evidence;
    const bool returned = callback_.run([&](const py::object& callable) {
      evidence = callable(to_bytes(report_data)).cast<Evidence>();
    });
    if (!returned) return make_error(ErrorCode::io, "python", "evidence: callback raised");
    return evidence;
  }

 private:
  Tee tee_;
  Callback& callback_;
};

py::bytes fetch_key(const std::string& url, const std::string& ca_pem, const std::string& resource,
                    const py::object& source, const py::object& tee, uint32_t timeout_ms) {
  Callback callback(source);
  CallableSource evidence_source(to_tee(tee), callback);
  const KeyRequest request{url, ca_pem, resource, timeout_ms};
  const SecretBytes key =
      unlocked_with(callback, [&] { return request_key(request, evidence_source); });
  return to_bytes(key.bytes());
}

}  // namespace

void bind_attest(py::module_& module) {
  bind_types(module);
  with_arguments_of_verify_evidence(
      definer(module, "verify_evidence"),
      [](const EvidencePolicy& policy, const Evidence& evidence) {
        return unlocked([&] { return verify_evidence(evidence, policy); });
      });
  with_arguments_of_judge_evidence(
      definer(module, "judge_evidence"),
      [](const EvidencePolicy& policy, const Evidence& evidence) {
        return unlocked([&] { return judge_evidence(evidence, policy); });
      });
  module.def(
      "show_evidence", [](const Evidence& evidence) { return unwrap(show_evidence(evidence)); },
      py::arg("evidence"), "What evidence contains, without judging it: nothing of it is proven.");
  module.def("request_key", &fetch_key, py::arg("url"), py::arg("ca_pem"), py::arg("resource"),
             py::arg("source"), py::kw_only(), py::arg("tee") = Tee::simulated,
             py::arg("timeout_ms") = 30'000,
             "The guest's side of a key release; source(report_data) gives the Evidence.");
}

}  // namespace bartizan::python
