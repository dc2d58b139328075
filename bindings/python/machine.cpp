// Machines: the four verbs.
#include "bartizan/machine.hpp"

#include <algorithm>

#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

// How often a wait looks for Ctrl-C.
constexpr std::chrono::milliseconds kSignalInterval{100};

// close() and a call on another thread may cross: the call keeps the machine alive.
class ContextHandle {
 public:
  explicit ContextHandle(Context&& context, std::shared_ptr<Callback> owner)
      : context_(make_handle(std::move(context))), owner_(std::move(owner)) {}
  std::shared_ptr<Context> get() const {
    if (!context_) raise({ErrorCode::invalid_state, 0, "python", "context: closed", {}, {}, {}});
    return context_;
  }
  void close() { context_.reset(); }
  // Of a SEV launch; may be null.
  const std::shared_ptr<Callback>& owner() const { return owner_; }

 private:
  std::shared_ptr<Context> context_;
  std::shared_ptr<Callback> owner_;
};

std::unique_ptr<ContextHandle> create(MachineOptions options,
                                      const std::optional<PythonTeeOptions>& tee_options) {
  std::shared_ptr<Callback> owner;
  if (tee_options) std::tie(options.tee_options, owner) = with_owner(*tee_options);
  return std::make_unique<ContextHandle>(
      unlocked([&] { return Context::create(std::move(options)); }), std::move(owner));
}

void attach_luks_disk(const ContextHandle& self, const Path& path, const py::bytes& manifest,
                      uint64_t offset, uint64_t size, const std::optional<py::bytes>& disk_key) {
  const auto context = self.get();
  LuksDisk disk{path, offset, size, to_vector(manifest), to_secret(disk_key)};
  unlocked([&] { return context->attach_luks_disk(std::move(disk)); });
}

void attach_image(const ContextHandle& self, const Path& image,
                  const std::optional<py::bytes>& disk_key) {
  const auto context = self.get();
  std::optional<SecretBytes> secret = to_secret(disk_key);
  unlocked([&] { return context->attach_image(image, std::move(secret)); });
}

// Waits in slices, so that Ctrl-C works.
ExitReason wait(const ContextHandle& self, std::optional<double> timeout_s) {
  using Clock = std::chrono::steady_clock;
  const auto context = self.get();
  std::optional<Clock::time_point> deadline;
  // A year stands for ever: a larger number would overflow the clock.
  constexpr double kLongest = 365.0 * 86'400;
  if (timeout_s)
    deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(std::clamp(*timeout_s, 0.0, kLongest)));
  for (;;) {
    auto slice = kSignalInterval;
    if (deadline)
      slice = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()),
                         std::chrono::milliseconds(0), kSignalInterval);
    Result<ExitReason> ended = [&] {
      py::gil_scoped_release release;
      return context->wait(slice);
    }();
    const bool again = !ended.ok() && ended.error().code == ErrorCode::timed_out &&
                       (!deadline || Clock::now() < *deadline);
    if (!again) return unwrap(std::move(ended));
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

void start(const ContextHandle& self) {
  const auto context = self.get();
  const auto owner = self.owner();
  if (owner)
    unlocked_with(*owner, [&] { return context->start(); });
  else
    unlocked([&] { return context->start(); });
}

py::bytes read_memory(const ContextHandle& self, MemoryView view, uint64_t offset, size_t size) {
  const auto context = self.get();
  if (size > context->memory_size())
    raise({ErrorCode::invalid_argument,
           0,
           "python",
           "read_memory: size: more than the guest has",
           {},
           {},
           {}});
  std::vector<uint8_t> bytes(size);
  unlocked([&] { return context->read_memory(view, offset, bytes); });
  return to_bytes(bytes);
}

uint64_t count_in_memory(const ContextHandle& self, MemoryView view, const py::bytes& pattern) {
  const auto context = self.get();
  const std::vector<uint8_t> bytes = to_vector(pattern);
  return unlocked([&] { return context->count_in_memory(view, bytes); });
}

void bind_ports(py::module_& module) {
  py::class_<PublishedPort>(module, "PublishedPort", "A host TCP port that leads to a guest's.")
      .def(py::init([](uint16_t host_port, uint16_t guest_port, const std::string& host_address) {
             return PublishedPort{host_address, host_port, guest_port};
           }),
           py::arg("host_port"), py::arg("guest_port"), py::arg("host_address") = "127.0.0.1")
      .def_readonly("host_address", &PublishedPort::host_address)
      .def_readonly("host_port", &PublishedPort::host_port)
      .def_readonly("guest_port", &PublishedPort::guest_port);
  py::class_<VsockPort>(module, "VsockPort",
                        "A guest vsock port joined to a unix socket of the host.")
      .def(py::init([](uint32_t port, const Path& path, bool listen) {
             return VsockPort{port, path, listen};
           }),
           py::arg("port"), py::arg("path"), py::arg("listen") = false)
      .def_readonly("port", &VsockPort::port)
      .def_readonly("path", &VsockPort::path)
      .def_readonly("listen", &VsockPort::listen);
}

using ContextClass = py::class_<ContextHandle>;

void bind_verbs(ContextClass& type) {
  with_arguments_of_Context(
      [&type](auto function, auto&&... arguments) {
        type.def(py::init(function), std::forward<decltype(arguments)>(arguments)...);
      },
      &create);
  type.def(
          "set_tee",
          [](const ContextHandle& self, const py::object& tee) {
            unwrap(self.get()->set_tee(to_tee(tee)));
          },
          py::arg("tee"))
      .def("attach_luks_disk", &attach_luks_disk, py::arg("path"), py::arg("manifest"),
           py::kw_only(), py::arg("offset") = 0, py::arg("size") = 0,
           py::arg("disk_key") = py::none())
      .def("attach_image", &attach_image, py::arg("image"), py::kw_only(),
           py::arg("disk_key") = py::none())
      .def("start", &start, "Launches and returns while the guest runs.")
      .def(
          "start_enter",
          [](const ContextHandle& self) { return start(self), wait(self, std::nullopt); },
          "start(), then wait() without a limit.")
      .def("wait", &wait, py::arg("timeout") = py::none(),
           "Blocks until the guest has ended; TimedOut after `timeout` seconds.");
}

void bind_rest(ContextClass& type) {
  type.def(
          "fileno", [](const ContextHandle& self) { return self.get()->exit_fd(); },
          "Readable once the guest has ended: for select and friends.")
      .def(
          "request_stop",
          [](const ContextHandle& self, uint32_t grace_ms) { self.get()->request_stop(grace_ms); },
          py::arg("grace_ms") = 10'000)
      .def(
          "send_signal",
          [](const ContextHandle& self, int number) { self.get()->send_signal(number); },
          py::arg("signal_number"))
      .def(
          "stats",
          [](const ContextHandle& self) { return to_python(view::to_json(self.get()->stats())); },
          "Where the time and the exits went, as a dict.")
      .def("published_ports",
           [](const ContextHandle& self) { return self.get()->published_ports(); })
      .def_property_readonly("memory_size",
                             [](const ContextHandle& self) { return self.get()->memory_size(); })
      .def("read_memory", &read_memory, py::arg("view"), py::arg("offset"), py::arg("size"))
      .def("count_in_memory", &count_in_memory, py::arg("view"), py::arg("pattern"))
      .def("close", &ContextHandle::close, "Stops a running guest and frees it.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](ContextHandle& self, const py::args&) { self.close(); });
}

}  // namespace

void bind_machine(py::module_& module) {
  bind_tee_options(module);
  bind_ports(module);
  ContextClass type(module, "Context", "A confidential VM inside this process: the four verbs.");
  bind_verbs(type);
  bind_rest(type);
}

}  // namespace bartizan::python
