// Between Python and the C++ API: errors, bytes, secrets, JSON, callbacks.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bartizan/broker.hpp"
#include "bartizan/log.hpp"
#include "bartizan/machine.hpp"
#include "bartizan/secret_bytes.hpp"
#include "common/json_view.hpp"

namespace bartizan::python {

// Other Python threads run while this lives. Not pybind11's class: a thread that comes back while
// the interpreter goes away is ended there by pthread_exit, whose unwinding only a destructor that
// may throw lets through; from another it ends the process.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;
  ~GilReleased() noexcept(false) { PyEval_RestoreThread(state_); }

 private:
  PyThreadState* state_;
};

namespace py = pybind11;

// Raises the class of bartizan._errors that belongs to the code. Needs the GIL.
[[noreturn]] void raise(const Error& error);

template <typename T>
T unwrap(Result<T>&& result) {
  if (!result.ok()) raise(result.error());
  return *std::move(result);
}
inline void unwrap(Result<void>&& result) {
  if (!result.ok()) raise(result.error());
}

// Calls `work` without the GIL and unwraps its Result with it.
template <typename Work>
auto unlocked(Work&& work) {
  auto result = [&] {
    GilReleased released;
    return work();
  }();
  return unwrap(std::move(result));
}

std::vector<uint8_t> to_vector(const py::bytes& bytes);
std::vector<std::vector<uint8_t>> to_vectors(const std::vector<py::bytes>& list);
py::bytes to_bytes(std::span<const uint8_t> bytes);
SecretBytes to_secret(const py::bytes& bytes);
std::optional<SecretBytes> to_secret(const std::optional<py::bytes>& bytes);
py::list to_list(const std::vector<std::vector<uint8_t>>& list);
py::object to_python(const view::Json& json);

// A Tee or its name.
Tee to_tee(const py::object& tee);

// None gives no sink. The callable gets (level, line) on a thread of the library; what it raises is
// reported as unraisable and goes no further.
LogSink log_sink(const py::object& callable);
EventSink event_sink(const py::object& callable);

// A callable that C++ calls while this thread is inside it without the GIL. What the callable
// raises is kept, the C++ work is cancelled, and rethrow() raises it again once C++ has
// returned.
class Callback {
 public:
  explicit Callback(py::object callable) : callable_(std::move(callable)) {}
  // True if `call(callable)` returned without raising. Takes the GIL.
  template <typename Call>
  bool run(Call&& call) {
    py::gil_scoped_acquire acquire;
    try {
      call(callable_);
      return true;
    } catch (py::error_already_set& raised) {
      if (!raised_) raised_ = std::make_unique<py::error_already_set>(raised);
      return false;
    }
  }
  void rethrow() {
    if (raised_) throw py::error_already_set(*raised_);
  }
  // For progress callbacks; also lets Ctrl-C through, with or without a callable. False from the
  // callable cancels.
  ProgressSink progress_sink();

 private:
  py::object callable_;
  std::unique_ptr<py::error_already_set> raised_;
};

// unlocked(), but what `callback` raised comes first.
template <typename Work>
auto unlocked_with(Callback& callback, Work&& work) {
  auto result = [&] {
    GilReleased released;
    return work();
  }();
  callback.rethrow();
  return unwrap(std::move(result));
}

// Owns an object whose destructor joins threads that may be waiting for the GIL.
template <typename T>
std::shared_ptr<T> make_handle(T&& value) {
  return std::shared_ptr<T>(new T(std::move(value)), [](T* object) {
    if (!PyGILState_Check()) return delete object;
    GilReleased released;
    delete object;
  });
}

// Readable attributes, and to_dict() as the other interfaces' JSON.
template <typename T>
py::class_<T>& add_to_dict(py::class_<T>& type) {
  return type
      .def(
          "to_dict", [](const T& self) { return to_python(view::to_json(self)); },
          "The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are "
          "missing.")
      .def("__repr__",
           [name = py::str(type.attr("__name__")).template cast<std::string>()](const T& self) {
             return "<" + name + " " + view::to_text(view::to_json(self)) + ">";
           });
}

// A member of a result as what Python compares and pickles, and back.
template <typename Value>
py::object to_state(const Value& value) {
  if constexpr (std::is_same_v<Value, std::vector<uint8_t>>)
    return to_bytes(value);
  else if constexpr (std::is_same_v<Value, SecretBytes>)
    return to_bytes(value.bytes());
  else if constexpr (std::is_same_v<Value, std::vector<std::vector<uint8_t>>>)
    return to_list(value);
  else if constexpr (std::is_enum_v<Value>)  // not every one has a class of Python's
    return py::int_(static_cast<int>(value));
  else
    return py::cast(value);
}
template <typename Value>
void from_state(const py::handle& state, Value& to) {
  if constexpr (std::is_same_v<Value, std::vector<uint8_t>>)
    to = to_vector(state.cast<py::bytes>());
  else if constexpr (std::is_same_v<Value, SecretBytes>)
    to = to_secret(state.cast<py::bytes>());
  else if constexpr (std::is_same_v<Value, std::vector<std::vector<uint8_t>>>)
    to = to_vectors(state.cast<std::vector<py::bytes>>());
  else if constexpr (std::is_enum_v<Value>)
    to = static_cast<Value>(state.cast<int>());
  else
    to = state.cast<Value>();
}

// An enumerator is equal to itself and to its number; the hash is that of the number. (pybind11's
// own comparison knows the first alone.)
template <typename Enum>
void equal_to_number(py::enum_<Enum>& type) {
  auto equal = [type = py::handle(type)](const py::object& self, const py::object& other) {
    const bool comparable = py::isinstance(other, type) || PyLong_Check(other.ptr());
    return comparable && py::int_(self).equal(py::int_(other));
  };
  type.attr("__eq__") = py::cpp_function(equal, py::name("__eq__"), py::is_method(type));
  type.attr("__ne__") = py::cpp_function(
      [equal](const py::object& self, const py::object& other) { return !equal(self, other); },
      py::name("__ne__"), py::is_method(type));
  type.def_property_readonly(
      "value", [](Enum self) { return static_cast<int>(self); }, "Its number.");
}

// == by value, and pickling. A pickle holds all members, secrets too.
template <typename T, typename... Values>
void add_state(py::class_<T>& type, Values T::*... members) {
  auto state = [members...](const T& self) { return py::make_tuple(to_state(self.*members)...); };
  auto fill = [members...](T& self, const py::tuple& from) {
    size_t next = 0;
    (from_state(from[next++], self.*members), ...);
  };
  type.def("__eq__",
           [state](const T& self, const py::object& other) -> py::object {
             if (!py::isinstance<T>(other))
               return py::reinterpret_borrow<py::object>(Py_NotImplemented);
             return py::bool_(state(self).equal(state(other.cast<const T&>())));
           })
      .def(py::pickle(state, [fill](const py::tuple& from) {
        if (from.size() != sizeof...(Values)) throw py::value_error("pickle of another version");
        T self;
        fill(self, from);
        return self;
      }));
}

// Before all others, whose signatures name these types.
void bind_results(py::module_& module);
void bind_tee(py::module_& module);
void bind_image(py::module_& module);
void bind_attest(py::module_& module);
void bind_broker(py::module_& module);
void bind_machine(py::module_& module);
void bind_tee_options(py::module_& module);

// Python's TeeOptions: the C++ ones, and an owner that is a callable.
struct PythonTeeOptions {
  TeeOptions options;
  py::object owner = py::none();
};
// The options with the owner behind `callback`, which keeps what the callable raises; null: there
// is not an owner.
std::pair<TeeOptions, std::shared_ptr<Callback>> with_owner(const PythonTeeOptions& from);

}  // namespace bartizan::python
