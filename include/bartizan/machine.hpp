// A confidential VM inside the calling process, in four verbs:
//
//   create a Context  ->  set_tee  ->  attach_luks_disk (or attach_image)
//                     ->  start (returns) or start_enter (waits)
//
// The library owns no process: it does not print, exit, fork, change directory or install signal
// handlers (but one: a no-op handler for the real-time signal SIGRTMIN+4, if its disposition is the
// default, to interrupt KVM_RUN). A Context is confined to one thread at a time, except for the
// calls marked "any thread" and "signal-safe". Descriptors given to it are duplicated (CLOEXEC);
// the caller keeps and closes its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
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

// A host TCP port whose connections arrive at a guest TCP port (in-process user-mode network).
struct PublishedPort {
  std::string host_address = "127.0.0.1";
  uint16_t host_port = 0;  // 0: chosen by the system; see Context::published_ports()
  uint16_t guest_port = 0;
};

// A vsock port joined to a unix socket of the host. listen == false: the guest connects to (CID 2,
// port) and the library connects to the socket at `path`. listen == true: the library listens at
// `path` and connects to the guest.
struct VsockPort {
  uint32_t port = 0;
  std::filesystem::path path;
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

struct MachineOptions {
  std::string name = "machine";  // appears in errors and logs
  uint32_t vcpus = 1;
  uint32_t ram_mib = 512;
  std::filesystem::path bundle;    // empty: default_bundle_path()
  std::string extra_command_line;  // appended to the bundle's command line, and measured
  std::filesystem::path kvm_device = "/dev/kvm";
  bool network = true;
  std::vector<PublishedPort> publish;
  std::vector<VsockPort> vsock;
  // Where an image built with BuildOptions::scratch_bytes gets its scratch disk: a raw file, made
  // or made longer (sparse) as needed; its content is lost. Empty: an unnamed sparse file in the
  // folder for temporary files.
  std::filesystem::path scratch_disk;
  // Workload stdin. A terminal is attached as is; anything else is forwarded up to and including
  // EOF. -1: immediate EOF.
  int stdin_fd = -1;
  int stdout_fd = -1;  // -1: discarded
  LogSink log;         // the library's own lines
  LogSink guest_log;   // the guest's console (kernel and init), a line at a time
  TeeOptions tee_options;
  HugePages huge_pages = HugePages::off;
};

// How the disk's key reaches the guest. Without `disk_key` the guest fetches it from the manifest's
// broker by attestation. With it the caller hands it over in the clear, to a guest whose measured
// command line states it: for tests and for Tee::none.
struct LuksDisk {
  std::filesystem::path path;     // file that holds the disk image
  uint64_t offset = 0;            // bytes: where the image starts in that file
  uint64_t size = 0;              // bytes; 0: to the end of the file
  std::vector<uint8_t> manifest;  // exact bytes of the manifest
  std::optional<SecretBytes> disk_key;
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
  int32_t code = 0;
  std::string stage;   // name of the guest stage that failed
  std::string detail;  // one line
  // What a shell would see: the code; 128 + signal; 125 for a guest that failed, crashed or had to
  // be stopped.
  int process_status() const;
  std::string describe() const;
};

// Where the time and the exits went. Milliseconds since start() on the host's monotonic clock.
struct BootStageStats {
  // "launch", "pid1", "manifest", "network", "evidence", "broker", "verity", …, "workload"
  std::string name;
  double milliseconds = 0;
  uint64_t exits = 0;  // exits to user space up to here
};

struct MachineStats {
  std::vector<BootStageStats> stages;
  uint64_t exits = 0;
  std::vector<std::pair<std::string, uint64_t>> exits_by_kind;  // "io", "mmio", "hypercall", …
  std::vector<std::pair<std::string, uint64_t>> pid1_exits_by_kind;
  std::vector<std::pair<std::string, uint64_t>> workload_exits_by_kind;
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
  ~Context();  // stops a running guest

  Result<void> set_tee(Tee tee);  // default: none
  Result<void> attach_luks_disk(LuksDisk disk);

  // Shortcut: manifest and disk of a confidential image (an OCI layout folder, or an unpacked
  // image's root folder).
  Result<void> attach_image(const std::filesystem::path& image,
                            std::optional<SecretBytes> disk_key = {});

  // Launches and returns while the guest runs. Errors: permission_denied, not_found, unsupported
  // (KVM, TEE), already_exists (port in use), corrupt (bundle, manifest), resource_exhausted, io.
  // Nothing is left running.
  Result<void> start();

  // start(), then wait() without a limit.
  Result<ExitReason> start_enter();

  // Blocks until the guest has ended. timed_out if `limit` passes first; the guest goes on.
  Result<ExitReason> wait(std::optional<std::chrono::milliseconds> limit = {});

  // Readable once the guest has ended; for poll, epoll and friends. Borrowed; lives as long as the
  // Context. Any thread.
  int exit_fd() const;

  // Asks the workload to end (its stop signal), and ends the VM `grace_ms` later. Any thread,
  // signal-safe.
  void request_stop(uint32_t grace_ms = 10'000);

  // Sends a signal to the workload. Any thread, signal-safe.
  void send_signal(int signal_number);

  MachineStats stats() const;                          // any thread
  std::vector<PublishedPort> published_ports() const;  // with the host ports that were chosen

  uint64_t memory_size() const;  // bytes of guest RAM
  // Copies guest RAM from byte `offset` (RAM counted from 0, without holes). unsupported for a
  // hardware TEE's raw view.
  Result<void> read_memory(MemoryView view, uint64_t offset, std::span<uint8_t> to) const;
  // How often `pattern` occurs in all of guest RAM.
  Result<uint64_t> count_in_memory(MemoryView view, std::span<const uint8_t> pattern) const;

  struct Impl;

 private:
  explicit Context(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Guest bundles: kernel + initrd + default command line, in one folder.
struct BundleOptions {
  std::filesystem::path kernel;  // bzImage; empty: the newest Debian (cloud) kernel under /boot
  // its folder under (DIR)/lib/modules; empty: found by the release, beside (DIR)/boot
  std::filesystem::path modules;
  std::filesystem::path init;    // our static init; empty: the installed or built one
  std::filesystem::path output;  // folder to make; empty: default_bundle_path()
  std::string extra_command_line;
  ProgressSink progress;
};
struct BundleInfo {
  std::filesystem::path path;
  std::string kernel_release;
  std::string kernel_sha256, initrd_sha256;  // hex
  uint64_t kernel_bytes = 0, initrd_bytes = 0;
  std::string command_line;
};
Result<BundleInfo> create_bundle(const BundleOptions& options);
Result<BundleInfo> read_bundle(const std::filesystem::path& path);  // verifies both digests
// $BARTIZAN_BUNDLE, else $XDG_CACHE_HOME/bartizan/bundle, else ~/.cache/bartizan/bundle, else
// /usr/share/bartizan/bundle.
std::filesystem::path default_bundle_path();

}  // namespace bartizan
