// Machines: the four verbs.
#include "bartizan/machine.hpp"

#include <algorithm>

#include "python/convert.hpp"

namespace bartizan::python {

namespace {

using Path = std::filesystem::path;

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

std::unique_ptr<ContextHandle> create(const std::string& name, uint32_t vcpus, uint32_t ram_mib,
                                      const Path& bundle, const std::string& extra_command_line,
                                      const Path& kvm_device, bool network,
                                      const std::vector<PublishedPort>& publish,
                                      const std::vector<VsockPort>& vsock, const Path& scratch_disk,
                                      int stdin_fd, int stdout_fd, const py::object& log,
                                      const py::object& guest_log,
                                      const std::optional<PythonTeeOptions>& tee_options,
                                      const std::string& huge_pages) {
  MachineOptions options;
  options.name = name;
  options.vcpus = vcpus;
  options.ram_mib = ram_mib;
  options.bundle = bundle;
  options.extra_command_line = extra_command_line;
  options.kvm_device = kvm_device;
  options.network = network;
  options.publish = publish;
  options.vsock = vsock;
  options.scratch_disk = scratch_disk;
  options.stdin_fd = stdin_fd;
  options.stdout_fd = stdout_fd;
  options.log = log_sink(log);
  options.guest_log = log_sink(guest_log);
  options.huge_pages = unwrap(huge_pages_from_string(huge_pages));
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

void bind_exit(py::module_& module) {
  py::enum_<ExitKind>(module, "ExitKind", "How a guest ended.")
      .value("exit_code", ExitKind::exit_code)
      .value("signal", ExitKind::signal)
      .value("guest_failure", ExitKind::guest_failure)
      .value("shutdown", ExitKind::shutdown)
      .value("reset", ExitKind::reset)
      .value("crash", ExitKind::crash)
      .value("stopped", ExitKind::stopped);
  py::enum_<MemoryView>(module, "MemoryView", "Two ways to look at guest memory.")
      .value("raw", MemoryView::raw)
      .value("host", MemoryView::host);
  py::class_<ExitReason> reason(module, "ExitReason", "How and why a guest ended. Not an error.");
  reason.def_readonly("kind", &ExitReason::kind)
      .def_readonly("code", &ExitReason::code)
      .def_readonly("stage", &ExitReason::stage)
      .def_readonly("detail", &ExitReason::detail)
      .def_property_readonly("process_status", &ExitReason::process_status)
      .def("__str__", &ExitReason::describe);
  add_to_dict(reason);
}

using ContextClass = py::class_<ContextHandle>;

void bind_verbs(ContextClass& type) {
  const MachineOptions defaults;
  type.def(py::init(&create), py::kw_only(), py::arg("name") = defaults.name,
           py::arg("vcpus") = defaults.vcpus, py::arg("ram_mib") = defaults.ram_mib,
           py::arg("bundle") = "", py::arg("extra_command_line") = "",
           py::arg("kvm_device") = defaults.kvm_device.string(), py::arg("network") = true,
           py::arg("publish") = std::vector<PublishedPort>(),
           py::arg("vsock") = std::vector<VsockPort>(), py::arg("scratch_disk") = "",
           py::arg("stdin_fd") = -1, py::arg("stdout_fd") = -1, py::arg("log") = py::none(),
           py::arg("guest_log") = py::none(), py::arg("tee_options") = py::none(),
           py::arg("huge_pages") = "off")
      .def(
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
  bind_exit(module);
  ContextClass type(module, "Context", "A confidential VM inside this process: the four verbs.");
  bind_verbs(type);
  bind_rest(type);
}

}  // namespace bartizan::python
