// A confidential VM inside the calling process, in four verbs:
//
//   create a Context  ->  set_tee  ->  attach_luks_disk (or attach_image)
//                     ->  start (returns) or start_enter (waits)
//
// The library owns no process: it does not print, exit, fork, change directory or install signal
// handlers (but one: a no-op handler for the real-time signal SIGRTMIN+4, if its disposition is the
// default, to interrupt KVM_RUN). A Context is confined to one thread at a time, except for the
// calls marked "any thread" and "signal-safe". It may be destroyed while other threads wait: that
// stops the guest, and their waits return (ExitKind::stopped). Descriptors given to it are
// duplicated (CLOEXEC); the caller keeps and closes its own.
//
// A Context belongs to the process that created it. In a forked child its calls are invalid_state
// (or do nothing, where they give no Result), and its destruction leaves the parent's guest alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "bartizan/tee.hpp"

namespace bartizan {

// Frozen numbers, the same in C.
enum class PortProtocol : int32_t { tcp = 0, udp = 1 };

// A port of the host whose connections, or datagrams, arrive at the guest's (in-process user-mode
// network).
struct PublishedPort {
  std::string host_address = "127.0.0.1";  // IPv4 or IPv6
  uint16_t host_port = 0;  // 0: chosen by the system; see Context::published_ports()
  uint16_t guest_port = 0;
  PortProtocol protocol = PortProtocol::tcp;
};

// Frozen numbers, the same in C. What a guest's network reaches. `outbound`: what the process can
// connect to, but for this host's loopback and link-local addresses (MachineOptions::allow);
// `isolated`: nothing, but it answers on published TCP ports; `none`: there is no network device.
enum class NetworkMode : int32_t { outbound = 0, isolated = 1, none = 2 };

std::string_view to_string(NetworkMode mode);  // "outbound", "isolated", "none"
// invalid_argument names the choices
Result<NetworkMode> network_mode_from_string(std::string_view name);
std::string_view to_string(PortProtocol protocol);  // "tcp", "udp"
Result<PortProtocol> port_protocol_from_string(std::string_view name);

// A vsock port joined to a unix socket of the host. listen == false: the guest connects to (CID 2,
// port) and the library connects to the socket at `path`. listen == true: the library listens at
// `path` and connects to the guest.
struct VsockPort {
  uint32_t port = 0;
  std::filesystem::path path = {};
  bool listen = false;
};

// Frozen numbers, the same in C. What guest RAM is made of on the host's side. `transparent`: 2 MiB
// pages where the kernel has them. `reserved`: from the pool of /proc/sys/vm/nr_hugepages, all of
// RAM at once. Private pages of snp and tdx are KVM's own: there it is about shared pages alone,
// and `reserved` costs their RAM a second time.
enum class HugePages : int32_t { off = 0, transparent = 1, reserved = 2 };

std::string_view to_string(HugePages pages);  // "off", "transparent", "reserved"
// invalid_argument names the choices
Result<HugePages> huge_pages_from_string(std::string_view name);

// Frozen numbers, the same in C. What the threads that the library starts for a machine give up
// before its guest runs: system calls that they do not need (seccomp) and files by path (Landlock).
// `preferred`: what the kernel, and the filters that this process is under, allow; the log names
// the rest. `required`: all, or start() is unsupported and names what is missing. The caller's
// threads stay as they are. Its callbacks run on the library's: there they open no file, start no
// program and make no memory executable.
enum class Hardening : int32_t { off = 0, preferred = 1, required = 2 };

std::string_view to_string(Hardening hardening);  // "off", "preferred", "required"
// invalid_argument names the choices
Result<Hardening> hardening_from_string(std::string_view name);

// Frozen numbers, the same in C. What happens to a guest, in this order, each at most once. All but
// `exited` is what the guest reports.
enum class MachineEvent : int32_t {
  attested = 0,  // its broker has released the disk key; not where the caller gave it
  ready = 1,     // the workload's program was started
  exited = 2,    // the guest has ended, which is the last event
};

std::string_view to_string(MachineEvent event);  // "attested", "ready", "exited"
// invalid_argument names the choices
Result<MachineEvent> machine_event_from_string(std::string_view name);

// Called on a thread of the library, which stops and signals wait for: it returns soon. It may call
// what any thread may, but neither wait for the guest nor destroy the Context.
using EventSink = std::function<void(MachineEvent event)>;

// A guest bundle: kernel, initrd and default command line, in one folder.
struct BundleInfo {
  std::filesystem::path path = {};
  std::string kernel_release = {};
  std::string kernel_sha256 = {}, initrd_sha256 = {};  // hex
  uint64_t kernel_bytes = 0, initrd_bytes = 0;
  std::string command_line = {};
  // That the kernel can be a guest of, by its configuration and modules; others are refused.
  std::vector<Tee> tees = {};
  // SHA-256 of bundle.json, hex: another one means other measurements.
  std::string digest = {};
  // Of create_bundle(): the digest of the bundle that was there before, `digest` if nothing had to
  // be written; "damaged": it could not be read as one; empty: none was.
  std::string replaced_digest = {};
};

// A guest bundle in memory: read and verified once, then unchangeable. It keeps no descriptor and
// needs its files no more. Copies share the bytes; any number of machines may start from it, also
// in a process that was forked from the one that loaded it. Any thread.
class LoadedBundle {
 public:
  // Empty: default_bundle_path(). Errors as read_bundle().
  static Result<LoadedBundle> load(const std::filesystem::path& folder = {});
  const BundleInfo& info() const;

  struct Content;
  const Content& content() const { return *content_; }  // for the library itself

 private:
  explicit LoadedBundle(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content_;
};

struct MachineOptions {
  std::string name = "machine";  // appears in errors and logs
  // 0: that of the attached image, which its owner measured; without an image 1 and 512.
  uint32_t vcpus = 0;
  uint32_t ram_mib = 0;
  std::filesystem::path bundle = {};  // empty: default_bundle_path()
  // Instead of `bundle`: one that is in memory.
  std::optional<LoadedBundle> loaded_bundle = {};
  std::string extra_command_line = {};  // appended to the bundle's command line, and measured
  std::filesystem::path kvm_device = "/dev/kvm";
  // The most that the guest gets: an image that was built without a network has none anyway, and
  // one that asks for more than this is refused.
  NetworkMode network = NetworkMode::outbound;
  // Places of this host that the guest may reach all the same: "loopback" (as 10.0.2.2 or
  // [fd62:7a6e::2]), "loopback:PORT", "metadata" (link-local addresses, and where a cloud's
  // host fetches its credentials), "metadata:PORT".
  std::vector<std::string> allow = {};
  // Where the image's broker is in this deployment, "https://host:port", if the image lets a host
  // choose it (BuildOptions::host_may "broker"). Only the address: the authority that is believed stays
  // the image's. Empty: the image's own address.
  std::string broker_url = {};
  std::vector<PublishedPort> publish = {};
  // Address of this host at which each TCP port that the workload listens on is published under its
  // own number, for as long as it listens. Empty: only those of `publish`.
  std::string publish_auto = {};
  std::vector<VsockPort> vsock = {};
  // Where an image built with BuildOptions::scratch_bytes gets its scratch disk: a raw file, made
  // or made longer (sparse) as needed; its content is lost. Empty: an unnamed sparse file in the
  // folder for temporary files.
  std::filesystem::path scratch_disk = {};
  // Workload stdin. A terminal is attached as is; anything else is forwarded up to and including
  // EOF. -1: immediate EOF.
  int stdin_fd = -1;
  int stdout_fd = -1;  // -1: discarded
  LogSink log = {};    // the library's own lines
  // The guest's console (kernel and init), a line at a time. A guest that writes more than 10,000
  // at once and then 1,000 each second loses the rest; a line counts them.
  LogSink guest_log = {};
  EventSink events = {};  // each event of the guest
  TeeOptions tee_options = {};
  HugePages huge_pages = HugePages::off;
  // What this host gives at most, whatever an image asks for; 0: what the library can. More is
  // resource_exhausted, at start(), with both numbers.
  uint32_t max_vcpus = 0;
  uint32_t max_ram_mib = 0;
  uint64_t max_scratch_bytes = 0;
  Hardening harden = Hardening::off;
};

// How the disk's key reaches the guest. Without `disk_key` the guest fetches it from the manifest's
// broker by attestation. With it the caller hands it over in the clear, to a guest whose measured
// command line states it: for tests and for Tee::none.
struct LuksDisk {
  std::filesystem::path path = {};     // file that holds the disk image
  uint64_t offset = 0;                 // bytes: where the image starts in that file
  uint64_t size = 0;                   // bytes; 0: to the end of the file
  std::vector<uint8_t> manifest = {};  // exact bytes of the manifest
  std::optional<SecretBytes> disk_key = {};
};

enum class ExitKind : int32_t {
  exit_code = 0,      // the workload ended; `code` is its status
  signal = 1,         // the workload was killed by signal `code`
  guest_failure = 2,  // the guest's init gave up: see `stage` and `detail`
  shutdown = 3,       // the guest powered off without an exit report
  reset = 4,          // the guest reset itself without an exit report
  crash = 5,          // triple fault, internal KVM error …: `detail`
  stopped = 6,        // request_stop() and the guest did not end by itself in time
};

// A guest that ends is not an error.
struct ExitReason {
  ExitKind kind = ExitKind::shutdown;
  // exit_code: the status. signal: its number. guest_failure: 126 or 127 if the entry point could
  // not be started, else the number of the stage.
  int32_t code = 0;
  std::string stage = {};   // name of the guest stage that failed
  std::string detail = {};  // one line
  // What a shell would see: the code; 128 + signal; 127 if the image's entry point is missing, 126
  // if it cannot be executed; 125 for a guest that failed otherwise, crashed or had to be stopped.
  int process_status() const;
  std::string describe() const;
};

// Where the time and the exits went. Milliseconds since start() on the host's monotonic clock.
struct BootStageStats {
  // "launch", "pid1", "manifest", "network", "evidence", "broker", "verity", …, "workload"
  std::string name = {};
  double milliseconds = 0;
  uint64_t exits = 0;  // exits to user space up to here
};

struct MachineStats {
  std::vector<BootStageStats> stages = {};
  uint64_t exits = 0;
  std::vector<std::pair<std::string, uint64_t>> exits_by_kind = {};  // "io", "mmio", "hypercall", …
  std::vector<std::pair<std::string, uint64_t>> pid1_exits_by_kind = {};
  std::vector<std::pair<std::string, uint64_t>> workload_exits_by_kind = {};
  uint64_t exits_to_pid1 = 0;
  uint64_t exits_to_workload = 0;
  // times the device model asked for a private page and was refused
  uint64_t private_page_refusals = 0;
  uint64_t shared_pages = 0;        // right now
  uint64_t page_state_changes = 0;  // hypercalls
};

// Two ways to look at the memory of a stopped or running guest.
enum class MemoryView : int32_t {
  raw = 0,  // the bytes as they are: only for `none` and `simulated`, for tests and demonstrations
  // as a host sees a TEE's memory: shared pages as they are, private ones under a key of this VM
  host = 1,
};

class Context {
 public:
  static Result<Context> create(MachineOptions options);
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();  // stops a running guest at once; those who wait for it get ExitKind::stopped

  Result<void> set_tee(Tee tee);  // default: none
  Result<void> attach_luks_disk(LuksDisk disk);

  // Shortcut: manifest and disk of a confidential image (an OCI layout folder, or an unpacked
  // image's root folder), and its vCPUs and RAM where MachineOptions leave them open.
  Result<void> attach_image(const std::filesystem::path& image,
                            std::optional<SecretBytes> disk_key = {});

  // Launches and returns while the guest runs. Errors: permission_denied, not_found, unsupported
  // (KVM, TEE), already_exists (port in use), corrupt (bundle, manifest), resource_exhausted, io,
  // cancelled (request_stop came before), verification_failed (disk_key opens nothing),
  // invalid_argument (no key, and nobody who would give one). Nothing is left running.
  Result<void> start();

  // start(), then wait() without a limit.
  Result<ExitReason> start_enter();

  // Blocks until the guest has ended. timed_out if `limit` passes first; the guest goes on. Any
  // thread, and several at once.
  Result<ExitReason> wait(std::optional<std::chrono::milliseconds> limit = {});

  // Blocks until `event` has happened; at once if it has. timed_out if `limit` passes first,
  // invalid_state if the guest has ended without it. Any thread, and several at once.
  Result<void> wait_for(MachineEvent event, std::optional<std::chrono::milliseconds> limit = {});

  // The oldest event that nobody has taken yet; nothing: none waits. Any thread.
  std::optional<MachineEvent> next_event();
  // Readable while next_event() has one; for poll, epoll and friends. Borrowed; lives as long as
  // the Context. Any thread.
  int event_fd() const;

  // Stops the guest's processors, and lets them go on. Its devices stay, so that what is sent to it
  // waits; its clock goes on. pause() returns when no processor is in the guest any more. Neither
  // counts what came before: a paused guest may be paused again. A stop ends a pause, so that the
  // workload can end by itself. invalid_state: not started, or ended. Any thread.
  Result<void> pause();
  Result<void> resume();

  // Readable once the guest has ended; for poll, epoll and friends. Borrowed; lives as long as the
  // Context. Any thread.
  int exit_fd() const;

  // Asks the workload to end (its stop signal), and ends the VM `grace_ms` later. During a start it
  // counts as soon as the guest runs; before, the start is refused (cancelled), so that a signal
  // handler that is installed first misses nothing. Any thread, signal-safe.
  void request_stop(uint32_t grace_ms = 10'000);

  // Sends a signal to the workload. SIGWINCH, if stdin_fd or stdout_fd is a terminal: its size goes
  // to the workload's terminal, whose foreground processes the guest's kernel signals. Any thread,
  // signal-safe.
  void send_signal(int signal_number);

  MachineStats stats() const;  // any thread
  // With the host ports that were chosen, those of `publish` first. Any thread.
  std::vector<PublishedPort> published_ports() const;

  uint64_t memory_size() const;  // bytes of guest RAM
  // Copies guest RAM from byte `offset` (RAM counted from 0, without holes). unsupported for a
  // hardware TEE's raw view.
  Result<void> read_memory(MemoryView view, uint64_t offset, std::span<uint8_t> to) const;
  // How often `pattern` occurs in all of guest RAM.
  Result<uint64_t> count_in_memory(MemoryView view, std::span<const uint8_t> pattern) const;

  struct Impl;

 private:
  explicit Context(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// What create_bundle() makes a guest bundle of.
struct BundleOptions {
  // bzImage, with config-RELEASE beside it or "config" in the folder of its modules; empty: the
  // Debian kernel under /boot that can be a guest of most TEEs, of equal ones the newest
  std::filesystem::path kernel = {};
  // its folder under (DIR)/lib/modules; empty: found by the kernel's release, beside (DIR)/boot
  std::filesystem::path modules = {};
  std::filesystem::path init = {};    // our static init; empty: the installed or built one
  std::filesystem::path output = {};  // folder to make; empty: default_bundle_path()
  std::string extra_command_line = {};
  ProgressSink progress = {};
};
// Replaces another bundle that is there, and leaves an equal one alone. Errors: invalid_argument
// (an init that is not a static program for x86-64, a kernel command line), not_found (kernel, its
// configuration, modules, init, the folder above the output), corrupt, already_exists (something
// else is there).
Result<BundleInfo> create_bundle(const BundleOptions& options);
Result<BundleInfo> read_bundle(const std::filesystem::path& path);  // verifies both digests
// $BARTIZAN_BUNDLE, else $XDG_CACHE_HOME/bartizan/bundle, else ~/.cache/bartizan/bundle, else
// /usr/share/bartizan/bundle.
std::filesystem::path default_bundle_path();

}  // namespace bartizan
