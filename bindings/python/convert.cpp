#include "python/convert.hpp"

namespace bartizan::python {

void raise(const Error& error) {
  const py::object factory = py::module_::import("bartizan._errors").attr("make_error");
  const py::object raised =
      factory(static_cast<int32_t>(error.code), error.describe(),
              py::arg("os_errno") = error.os_errno, py::arg("origin") = error.origin,
              py::arg("message") = error.message, py::arg("reason") = error.reason,
              py::arg("expected") = error.expected, py::arg("got") = error.got);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised.ptr())), raised.ptr());
  throw py::error_already_set();
}

std::vector<uint8_t> to_vector(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return {view.begin(), view.end()};
}

std::vector<std::vector<uint8_t>> to_vectors(const std::vector<py::bytes>& list) {
  std::vector<std::vector<uint8_t>> vectors;
  for (const py::bytes& bytes : list) vectors.push_back(to_vector(bytes));
  return vectors;
}

py::bytes to_bytes(std::span<const uint8_t> bytes) {
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

SecretBytes to_secret(const py::bytes& bytes) {
  return SecretBytes::from_string(static_cast<std::string_view>(bytes));
}

std::optional<SecretBytes> to_secret(const std::optional<py::bytes>& bytes) {
  if (!bytes) return {};
  return to_secret(*bytes);
}

py::list to_list(const std::vector<std::vector<uint8_t>>& list) {
  py::list bytes;
  for (const auto& element : list) bytes.append(to_bytes(element));
  return bytes;
}

py::object to_python(const view::Json& json) {
  return py::module_::import("json").attr("loads")(view::to_text(json));
}

Tee to_tee(const py::object& tee) {
  if (py::isinstance<py::str>(tee)) return unwrap(tee_from_string(tee.cast<std::string>()));
  return tee.cast<Tee>();
}

namespace {

// The last copy may die on a thread of the library.
std::shared_ptr<py::object> share(const py::object& callable) {
  return std::shared_ptr<py::object>(new py::object(callable), [](py::object* object) {
    py::gil_scoped_acquire acquire;
    delete object;
  });
}

}  // namespace

EventSink event_sink(const py::object& callable) {
  if (callable.is_none()) return {};
  return [shared = share(callable)](MachineEvent event) {
    py::gil_scoped_acquire acquire;
    try {
      (*shared)(std::string(to_string(event)));
    } catch (py::error_already_set& raised) {
      raised.discard_as_unraisable("bartizan event callback");
    }
  };
}

LogSink log_sink(const py::object& callable) {
  if (callable.is_none()) return {};
  return [shared = share(callable)](LogLevel level, std::string_view line) {
    py::gil_scoped_acquire acquire;
    try {
      const auto text = py::reinterpret_steal<py::object>(
          PyUnicode_DecodeUTF8(line.data(), static_cast<Py_ssize_t>(line.size()), "replace"));
      (*shared)(static_cast<int>(level), text);
    } catch (py::error_already_set& raised) {
      raised.discard_as_unraisable("bartizan log callback");
    }
  };
}

ProgressSink Callback::progress_sink() {
  return [this](const Progress& progress) {
    bool go_on = true;
    const bool returned = run([&](const py::object& callable) {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (callable.is_none()) return;
      const py::object answer =
          callable(std::string(progress.stage), progress.done, progress.total);
      go_on = !(py::isinstance<py::bool_>(answer) && !answer.cast<bool>());
    });
    return returned && go_on;
  };
}

}  // namespace bartizan::python
