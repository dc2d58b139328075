// Options of hardware TEEs, and the owner of a SEV launch as a Python callable.
#include "base/errors.hpp"
#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

Error not_accepted() {
  return refused("python", "sev_owner", "", "", "the owner does not accept the launch");
}

void bind_sev_types(py::module_& module) {
  py::class_<SevMeasurement>(
      module, "SevMeasurement",
      "What the security processor reports about a SEV launch before it runs.")
      .def_property_readonly(
          "measure", [](const SevMeasurement& self) { return to_bytes(self.measure); },
          "HMAC-SHA256 under the key of the owner's session.")
      .def_property_readonly(
          "nonce", [](const SevMeasurement& self) { return to_bytes(self.nonce); },
          "The security processor's nonce, which the HMAC covers.")
      .def_property_readonly(
          "digest", [](const SevMeasurement& self) { return to_bytes(self.digest); },
          "The launch digest by this host's word: compare, do not trust.")
      .def_readonly("policy", &SevMeasurement::policy, "The guest policy of the launch.")
      .def_readonly("secret_address", &SevMeasurement::secret_address,
                    "Where the guest looks for a secret.");
  py::class_<SevSecret> secret(module, "SevSecret",
                               "A secret that the owner sealed to a SEV launch.");
  secret
      .def(py::init(
               [](const py::bytes& header, const py::bytes& ciphertext, uint64_t guest_address) {
                 return SevSecret{to_vector(header), to_vector(ciphertext), guest_address};
               }),
           py::arg("header"), py::arg("ciphertext"), py::arg("guest_address") = 0)
      .def_property_readonly(
          "header", [](const SevSecret& self) { return to_bytes(self.header); },
          "Flags, IV and MAC: 52 bytes.")
      .def_property_readonly(
          "ciphertext", [](const SevSecret& self) { return to_bytes(self.ciphertext); },
          "A multiple of 16 bytes.")
      .def_readonly("guest_address", &SevSecret::guest_address,
                    "Where it goes; 0: SevMeasurement.secret_address.");
  add_state(secret, &SevSecret::header, &SevSecret::ciphertext, &SevSecret::guest_address);
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

std::optional<SevSecret> ask_owner(const PythonTeeOptions& self, const py::bytes& measure,
                                   const py::bytes& nonce, const py::bytes& digest, uint32_t policy,
                                   uint64_t secret_address) {
  auto [options, callback] = with_owner(self);
  if (!callback) return {};
  SevMeasurement seen;
  assign(measure, "measure", seen.measure);
  assign<16>(nonce, "nonce", seen.nonce);
  assign(digest, "digest", seen.digest);
  seen.policy = policy;
  seen.secret_address = secret_address;
  return unlocked_with(*callback, [&owner = options.owner, &seen] { return owner(seen); });
}

}  // namespace

void bind_tee_options(py::module_& module) {
  bind_sev_types(module);
  py::class_<PythonTeeOptions> type(module, "TeeOptions",
                                    "What ties a launch in a hardware TEE to its owner.");
  with_arguments_of_TeeOptions(
      [&type](auto function, auto&&... arguments) {
        type.def(py::init(function), std::forward<decltype(arguments)>(arguments)...);
      },
      [](TeeOptions options, const py::object& owner) {
        return PythonTeeOptions{std::move(options), owner};
      });
  type.def("ask_owner", &ask_owner, py::arg("measure"), py::arg("nonce"), py::arg("digest"),
           py::arg("policy"), py::arg("secret_address") = 0,
           "What the owner answers to such a measurement, as a launch would ask: for rehearsals.");
}

}  // namespace bartizan::python
