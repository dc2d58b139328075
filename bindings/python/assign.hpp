// assign(from, name, to): one argument of a Python callable into a member of a struct of options.
// The generated functions use nothing else.
#pragma once

#include <algorithm>

#include "python/convert.hpp"

namespace bartizan::python {

using Path = std::filesystem::path;

// For the generated functions: a function of the module.
inline auto definer(py::module_& module, const char* name) {
  return [&module, name](auto function, auto&&... arguments) {
    module.def(name, function, std::forward<decltype(arguments)>(arguments)...);
  };
}

template <typename Value>
void assign(const Value& from, const char*, Value& to) {
  to = from;
}
template <typename Value>
void assign(const std::optional<Value>& from, const char*, Value& to) {
  if (from) to = *from;
}
inline void assign(const std::string& from, const char*, Path& to) {
  to = from;
}
inline void assign(const py::bytes& from, const char*, std::vector<uint8_t>& to) {
  to = to_vector(from);
}
inline void assign(const py::bytes& from, const char*, SecretBytes& to) {
  to = to_secret(from);
}
inline void assign(const std::optional<py::bytes>& from, const char*,
                   std::optional<SecretBytes>& to) {
  to = to_secret(from);
}
inline void assign(const std::vector<py::bytes>& from, const char*,
                   std::vector<std::vector<uint8_t>>& to) {
  to = to_vectors(from);
}
inline void assign(const py::object& from, const char*, Tee& to) {
  to = to_tee(from);
}
inline void assign(const py::object& from, const char*, LogSink& to) {
  to = log_sink(from);
}
inline void assign(const py::object& from, const char*, EventSink& to) {
  to = event_sink(from);
}
inline void assign(const std::string& from, const char*, HugePages& to) {
  to = unwrap(huge_pages_from_string(from));
}
inline void assign(const std::string& from, const char*, NetworkMode& to) {
  to = unwrap(network_mode_from_string(from));
}
inline void assign(const std::string& from, const char*, Hardening& to) {
  to = unwrap(hardening_from_string(from));
}
inline void assign(const std::string& from, const char*, Vmm& to) {
  to = unwrap(vmm_from_string(from));
}
inline void assign(const std::string& from, const char*, BrokerKind& to) {
  to = unwrap(broker_kind_from_string(from));
}

template <size_t kSize>
void assign(const py::bytes& from, const char* name, std::array<uint8_t, kSize>& to) {
  const std::string_view bytes = from;
  if (bytes.size() != kSize)
    throw py::value_error(std::string(name) + ": not " + std::to_string(kSize) + " bytes");
  std::copy(bytes.begin(), bytes.end(), to.begin());
}
// An identifier of an ID block; b"": zeros.
inline void assign(const py::bytes& from, const char* name, std::array<uint8_t, 16>& to) {
  if (!static_cast<std::string_view>(from).empty()) assign<16>(from, name, to);
}

inline void assign(const std::vector<std::string>& from, const char*, std::vector<HostKernel>& to) {
  to.clear();
  for (const std::string& name : from) to.push_back(unwrap(host_kernel_from_string(name)));
}

}  // namespace bartizan::python
