// Options of hardware TEEs, and the owner of a SEV launch as a Python callable.
#include <algorithm>

#include "base/errors.hpp"
#include "python/convert.hpp"

namespace bartizan::python {

namespace {

PythonTeeOptions make_options(uint64_t policy, uint64_t guest_features, const py::bytes& id_block,
                              const py::bytes& id_authentication, const py::bytes& certificates,
                              bool require_certificates, const py::bytes& owner_certificate,
                              const py::bytes& session, const py::object& owner,
                              const py::bytes& platform_certificates,
                              const std::string& quote_service) {
  PythonTeeOptions made;
  made.options.policy = policy;
  made.options.guest_features = guest_features;
  made.options.id_block = to_vector(id_block);
  made.options.id_authentication = to_vector(id_authentication);
  made.options.certificates = to_vector(certificates);
  made.options.require_certificates = require_certificates;
  made.options.owner_certificate = to_vector(owner_certificate);
  made.options.session = to_vector(session);
  made.options.platform_certificates = to_vector(platform_certificates);
  made.options.quote_service = quote_service;
  made.owner = owner;
  return made;
}

Error not_accepted() {
  return refused("python", "sev_owner", "", "", "the owner does not accept the launch");
}

void bind_types(py::module_& module) {
  py::class_<SevMeasurement>(module, "SevMeasurement",
                             "What the security processor says of a SEV launch before it runs.")
      .def_property_readonly("measure",
                             [](const SevMeasurement& self) { return to_bytes(self.measure); })
      .def_property_readonly("nonce",
                             [](const SevMeasurement& self) { return to_bytes(self.nonce); })
      .def_property_readonly("digest",
                             [](const SevMeasurement& self) { return to_bytes(self.digest); })
      .def_readonly("policy", &SevMeasurement::policy)
      .def_readonly("secret_address", &SevMeasurement::secret_address);
  py::class_<SevSecret>(module, "SevSecret", "A secret that the owner sealed to a SEV launch.")
      .def(py::init(
               [](const py::bytes& header, const py::bytes& ciphertext, uint64_t guest_address) {
                 return SevSecret{to_vector(header), to_vector(ciphertext), guest_address};
               }),
           py::arg("header"), py::arg("ciphertext"), py::arg("guest_address") = 0)
      .def_property_readonly("header", [](const SevSecret& self) { return to_bytes(self.header); })
      .def_property_readonly("ciphertext",
                             [](const SevSecret& self) { return to_bytes(self.ciphertext); })
      .def_readonly("guest_address", &SevSecret::guest_address);
}

}  // namespace

std::pair<TeeOptions, std::shared_ptr<Callback>> with_owner(const PythonTeeOptions& from) {
  TeeOptions options = from.options;
  if (from.owner.is_none()) return {std::move(options), nullptr};
  // The last copy may die on a thread of the library.
  std::shared_ptr<Callback> callback(new Callback(from.owner), [](Callback* object) {
    py::gil_scoped_acquire acquire;
    delete object;
  });
  options.owner = [callback](const SevMeasurement& seen) -> Result<std::optional<SevSecret>> {
    std::optional<SevSecret> secret;
    const bool returned = callback->run([&](const py::object& callable) {
      const py::object answer = callable(seen);
      if (!answer.is_none()) secret = answer.cast<SevSecret>();
    });
    if (!returned) return not_accepted();
    return secret;
  };
  return {std::move(options), callback};
}

namespace {

template <size_t kSize>
std::array<uint8_t, kSize> exactly(const char* name, const py::bytes& from) {
  const auto bytes = to_vector(from);
  std::array<uint8_t, kSize> to{};
  if (bytes.size() != kSize)
    throw py::value_error(std::string(name) + ": not " + std::to_string(kSize) + " bytes");
  std::copy(bytes.begin(), bytes.end(), to.begin());
  return to;
}

std::optional<SevSecret> ask_owner(const PythonTeeOptions& self, const py::bytes& measure,
                                   const py::bytes& nonce, const py::bytes& digest, uint32_t policy,
                                   uint64_t secret_address) {
  auto [options, callback] = with_owner(self);
  if (!callback) return {};
  const SevMeasurement seen{exactly<32>("measure", measure), exactly<16>("nonce", nonce), policy,
                            to_vector(digest), secret_address};
  return unlocked_with(*callback, [&owner = options.owner, &seen] { return owner(seen); });
}

}  // namespace

void bind_tee_options(py::module_& module) {
  bind_types(module);
  const py::bytes nothing;
  py::class_<PythonTeeOptions>(module, "TeeOptions",
                               "What ties a launch in a hardware TEE to its owner.")
      .def(py::init(&make_options), py::kw_only(), py::arg("policy") = 0,
           py::arg("guest_features") = 0, py::arg("id_block") = nothing,
           py::arg("id_authentication") = nothing, py::arg("certificates") = nothing,
           py::arg("require_certificates") = false, py::arg("owner_certificate") = nothing,
           py::arg("session") = nothing, py::arg("owner") = py::none(),
           py::arg("platform_certificates") = nothing,
           py::arg("quote_service") = kDefaultQuoteService)
      .def("ask_owner", &ask_owner, py::arg("measure"), py::arg("nonce"), py::arg("digest"),
           py::arg("policy"), py::arg("secret_address") = 0,
           "What the owner answers to such a measurement, as a launch would ask: for rehearsals.");
}

}  // namespace bartizan::python
