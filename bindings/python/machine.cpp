// Machines: the four verbs.
#include "bartizan/machine.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/errors.hpp"
#include "base/thread.hpp"
#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

// How often a wait looks for Ctrl-C.
constexpr std::chrono::milliseconds kSignalInterval{100};

// All that are open, for the interpreter's exit. Under the GIL.
std::vector<std::weak_ptr<Context>>& open_contexts() {
  static std::vector<std::weak_ptr<Context>> contexts;
  return contexts;
}

// Without the GIL, which the machine's threads may be waiting for. Nothing: it was not started.
std::optional<ExitReason> stop_at_once(Context& context) {
  context.request_stop(0);
  auto reason = context.wait();
  return reason.ok() ? std::optional(*std::move(reason)) : std::nullopt;
}

// A guest must not call a log function of an interpreter that is gone.
void stop_all() {
  std::vector<std::shared_ptr<Context>> running;
  for (const auto& open : open_contexts()) {
    if (auto context = open.lock()) running.push_back(std::move(context));
  }
  GilReleased released;
  for (const auto& context : running) stop_at_once(*context);
  wait_for_unjoined();  // of those that were closed in a callback
}

// close() and a call on another thread may cross: the call keeps the machine alive, and a wait gets
// the reason of the end.
class ContextHandle {
 public:
  explicit ContextHandle(Context&& context, std::shared_ptr<Callback> owner)
      : context_(make_handle(std::move(context))), owner_(std::move(owner)) {
    std::erase_if(open_contexts(), [](const auto& open) { return open.expired(); });
    open_contexts().push_back(context_);
  }
  std::shared_ptr<Context> get() const {
    if (::getpid() != process_) {
      raise(make_error(ErrorCode::invalid_state, "python",
                       "context: this process was forked from process {}, whose machine this is: "
                       "create one of its own here",
                       process_));
    }
    if (!context_) raise(make_error(ErrorCode::invalid_state, "python", "context: closed"));
    return context_;
  }
  void close() {
    const std::shared_ptr<Context> last = std::move(context_);
    if (!last || ::getpid() != process_) return;
    std::optional<ExitReason> reason;
    {
      GilReleased released;
      reason = stop_at_once(*last);
    }
    reason_ = std::move(reason);
  }
  // Of a guest that close() stopped.
  const std::optional<ExitReason>& reason() const { return reason_; }
  // Of a SEV launch; may be null.
  const std::shared_ptr<Callback>& owner() const { return owner_; }

 private:
  const pid_t process_ = ::getpid();
  std::shared_ptr<Context> context_;
  std::shared_ptr<Callback> owner_;
  std::optional<ExitReason> reason_;
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

// Calls `wait_once` with slices of the time, so that Ctrl-C works.
template <typename Wait>
auto wait_in_slices(std::optional<double> timeout_s, const std::string& otherwise, Wait wait_once) {
  using Clock = std::chrono::steady_clock;
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
    auto waited = [&] {
      GilReleased released;
      return wait_once(slice);
    }();
    const bool in_time = waited.ok() || waited.error().code != ErrorCode::timed_out;
    if (in_time) return unwrap(std::move(waited));
    if (deadline && Clock::now() >= *deadline)
      raise(make_error(ErrorCode::timed_out, "machine", "{} after {:g} s", otherwise, *timeout_s));
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

ExitReason wait(const ContextHandle& self, std::optional<double> timeout_s) {
  if (self.reason()) return *self.reason();
  const auto context = self.get();
  return wait_in_slices(timeout_s, "guest still runs",
                        [&](auto slice) { return context->wait(slice); });
}

void wait_for(const ContextHandle& self, const std::string& name, std::optional<double> timeout_s) {
  const MachineEvent event = unwrap(machine_event_from_string(name));
  const auto context = self.get();
  wait_in_slices(timeout_s, "guest is not " + name,
                 [&](auto slice) { return context->wait_for(event, slice); });
}

std::optional<std::string> next_event(const ContextHandle& self) {
  const auto event = self.get()->next_event();
  if (!event) return std::nullopt;
  return std::string(to_string(*event));
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
  py::class_<PublishedPort> published(module, "PublishedPort",
                                      "A host port that leads to a guest's.");
  published
      .def(py::init([](uint16_t host_port, uint16_t guest_port, const std::string& host_address,
                       const std::string& protocol) {
             return PublishedPort{host_address, host_port, guest_port,
                                  unwrap(port_protocol_from_string(protocol))};
           }),
           py::arg("host_port") = 0, py::arg("guest_port") = 0,
           py::arg("host_address") = "127.0.0.1", py::arg("protocol") = "tcp",
           "guest_port must be given. host_port 0: the system chooses one; see published_ports().")
      .def_readonly("host_address", &PublishedPort::host_address, "Address of the host.")
      .def_readonly("host_port", &PublishedPort::host_port, "Port of the host.")
      .def_readonly("guest_port", &PublishedPort::guest_port, "Port of the guest.")
      .def_property_readonly(
          "protocol",
          [](const PublishedPort& self) { return std::string(to_string(self.protocol)); },
          "\"tcp\" or \"udp\".");
  add_state(published, &PublishedPort::host_address, &PublishedPort::host_port,
            &PublishedPort::guest_port, &PublishedPort::protocol);
  py::class_<VsockPort> vsock(module, "VsockPort",
                              "A guest vsock port joined to a unix socket of the host.");
  vsock
      .def(py::init([](uint32_t port, const Path& path, bool listen) {
             return VsockPort{port, path, listen};
           }),
           py::arg("port"), py::arg("path"), py::arg("listen") = false,
           "listen False: the guest connects to (CID 2, port), and the library to the socket at "
           "path. True: the library listens there and connects to the guest.")
      .def_readonly("port", &VsockPort::port, "The vsock port.")
      .def_readonly("path", &VsockPort::path, "The unix socket.")
      .def_readonly("listen", &VsockPort::listen, "Whether the library listens at the socket.");
  add_state(vsock, &VsockPort::port, &VsockPort::path, &VsockPort::listen);
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
          py::arg("tee"), "Chooses the TEE to launch in. Without this call it is Tee.none.")
      .def("attach_luks_disk", &attach_luks_disk, py::arg("path"), py::arg("manifest"),
           py::kw_only(), py::arg("offset") = 0, py::arg("size") = 0,
           py::arg("disk_key") = py::none(),
           "Attaches the disk of a confidential image, together with its manifest.\n\n"
           "path: The file that holds the disk image.\n"
           "manifest: The exact bytes of the manifest.\n"
           "offset, size: Where the disk image is in that file. Default: all of it.\n"
           "disk_key: As of attach_image.")
      .def("attach_image", &attach_image, py::arg("image"), py::kw_only(),
           py::arg("disk_key") = py::none(),
           "Attaches disk and manifest of a confidential image, and takes its vCPUs and RAM where "
           "the machine's options leave them open.\n\n"
           "image: OCI layout folder or archive, or the root folder of an unpacked image.\n"
           "disk_key: The key, handed to the guest in the clear, for tests. Default: the guest "
           "fetches it from the manifest's broker by attestation.")
      .def("start", &start, "Launches and returns while the guest runs.")
      .def(
          "start_enter",
          [](const ContextHandle& self) { return start(self), wait(self, std::nullopt); },
          "start(), then wait() without a limit.")
      .def("wait", &wait, py::arg("timeout") = py::none(),
           "Blocks until the guest has ended; TimedOut after `timeout` seconds. Any thread, and "
           "several at once; close() ends it. In a coroutine: await the context instead.");
}

template <Result<void> (Context::*kCall)()>
void call_unlocked(const ContextHandle& self) {
  const auto context = self.get();
  unlocked([&] { return (*context.*kCall)(); });
}

void bind_events(ContextClass& type) {
  type.def("wait_for", &wait_for, py::arg("event"), py::arg("timeout") = py::none(),
           "Blocks until \"attested\", \"ready\" or \"exited\" has happened to the guest: TimedOut "
           "after `timeout` seconds, InvalidState if the guest ended without it. In a coroutine: "
           "let the context's `events` call loop.call_soon_threadsafe.")
      .def("next_event", &next_event,
           "Takes the oldest event that nobody has taken yet. None: none waits.")
      .def(
          "event_fd", [](const ContextHandle& self) { return self.get()->event_fd(); },
          "Readable while next_event() has one: for select and friends.")
      .def("pause", &call_unlocked<&Context::pause>,
           "Stops the guest's processors until resume(), or until a stop is requested. Its devices "
           "stay, so that what is sent to it waits, and its clock goes on.")
      .def("resume", &call_unlocked<&Context::resume>,
           "Lets the guest's processors go on. One call undoes every pause before it.");
}

void bind_rest(ContextClass& type) {
  type.def(
          "fileno", [](const ContextHandle& self) { return self.get()->exit_fd(); },
          "Readable once the guest has ended: for select and friends.")
      .def(
          "request_stop",
          [](const ContextHandle& self, uint32_t grace_ms) { self.get()->request_stop(grace_ms); },
          py::arg("grace_ms") = 10'000,
          "Sends the workload its stop signal, and ends the machine grace_ms later. Before the "
          "start: the start is refused (Cancelled).")
      .def(
          "send_signal",
          [](const ContextHandle& self, int number) { self.get()->send_signal(number); },
          py::arg("signal_number"),
          "Sends a signal to the workload. SIGWINCH, if stdin_fd or stdout_fd is a terminal: its "
          "size goes to the workload's terminal.")
      .def(
          "stats",
          [](const ContextHandle& self) { return to_python(view::to_json(self.get()->stats())); },
          "Where the time and the exits went, as a dict.")
      .def(
          "published_ports",
          [](const ContextHandle& self) { return self.get()->published_ports(); },
          "The published ports, with the host ports that the system chose.")
      .def_property_readonly(
          "memory_size", [](const ContextHandle& self) { return self.get()->memory_size(); },
          "Size of guest RAM in bytes.")
      .def("read_memory", &read_memory, py::arg("view"), py::arg("offset"), py::arg("size"),
           "Bytes of guest RAM, which is counted from 0 without holes.")
      .def("count_in_memory", &count_in_memory, py::arg("view"), py::arg("pattern"),
           "How often the bytes occur in all of guest RAM.")
      .def("close", &ContextHandle::close,
           "Stops a running guest at once and frees it. Waits on other threads return with the "
           "reason, ExitKind.stopped, and so does a later wait.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](ContextHandle& self, const py::args&) { self.close(); });
}

}  // namespace

void bind_machine(py::module_& module) {
  bind_tee_options(module);
  bind_ports(module);
  ContextClass type(module, "Context", "A confidential VM inside this process: the four verbs.");
  bind_verbs(type);
  bind_events(type);
  bind_rest(type);
  py::module_::import("atexit").attr("register")(py::cpp_function(&stop_all));
}

}  // namespace bartizan::python
