// bartizan run
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <ctime>
#include <span>
#include <vector>

#include "bartizan/machine.hpp"
#include "base/room.hpp"
#include "cli/launch.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"
#include "cli/stop_requests.hpp"
#include "cli/tee_options.hpp"
#include "container/signals.hpp"

namespace bartizan::cli {

namespace {

// What count_in_memory takes.
constexpr size_t kMaxPatternBytes = 65'536;

struct Arguments {
  LaunchArguments launch;
  TeeArguments tee;
  std::string image, key_file, broker, kvm_device = "/dev/kvm", scratch, find_in_memory, name;
  std::string max_scratch;
  std::string huge_pages = "off", harden = "preferred", network = "outbound";
  std::vector<std::string> publish, allow, vsock, vsock_listen;
  uint32_t stop_timeout = 10, max_vcpus = 0, max_ram_mib = 0;
  bool log_guest = false, stats = false, verbose = false, as_container = false;
  std::optional<uint32_t> event_fd;
};

void declare_options(CLI::App& command, Arguments& to) {
  declare(command, text::run::kImage, to.image);
  add_launch_options(command, to.launch);
  add_tee_options(command, to.tee);
  declare(command, text::run::kHugePages, to.huge_pages);
  declare(command, text::run::kHarden, to.harden);
  declare(command, text::run::kPublish, to.publish);
  declare(command, text::run::kNetwork, to.network);
  declare(command, text::run::kAllow, to.allow);
  declare(command, text::run::kKeyFile, to.key_file);
  declare(command, text::run::kBroker, to.broker);
  declare(command, text::run::kVsock, to.vsock);
  declare(command, text::run::kVsockListen, to.vsock_listen);
  declare(command, text::run::kScratch, to.scratch);
  declare(command, text::run::kMaxVcpus, to.max_vcpus);
  declare(command, text::run::kMaxMemory, to.max_ram_mib);
  declare(command, text::run::kMaxScratch, to.max_scratch);
  declare(command, text::run::kKvmDevice, to.kvm_device);
  declare(command, text::run::kName, to.name);
  declare(command, text::run::kStopTimeout, to.stop_timeout);
  declare(command, text::run::kEventFd, to.event_fd);
  declare(command, text::run::kLogGuest, to.log_guest);
  declare(command, text::run::kVerbose, to.verbose);
  declare(command, text::run::kAsContainer, to.as_container);
  declare(command, text::run::kStats, to.stats);
  declare(command, text::run::kFindInMemory, to.find_in_memory);
}

// The signals' way to the guest: everything here is signal-safe.
std::atomic<Context*> running{nullptr};
std::atomic<uint32_t> grace_ms{10'000};
static_assert(std::atomic<Context*>::is_always_lock_free);
StopRequests stop_requests;
std::atomic<int> asked_by{0};  // the signal that was the first to ask for the end
std::string asked_note;        // made before there is a handler

int64_t now_ms() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// A line that a reader who pauses does not get: false, as if the write failed.
bool write_if_room(int fd, const std::string& line) {
  return has_room(fd) && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

// The first asks the workload to end; whoever asks again has waited long enough.
void on_stop(int number) {
  Context* context = running.load();
  if (!context) return;
  const int saved = errno;
  const StopRequest request = stop_requests.take(now_ms());
  if (request == StopRequest::first) asked_by = number;
  if (request != StopRequest::repeated)
    context->request_stop(request == StopRequest::first ? grace_ms.load() : 0);
  if (request == StopRequest::first) write_if_room(STDERR_FILENO, asked_note);
  errno = saved;
}
void on_forward(int number) {
  if (Context* context = running.load()) context->send_signal(number);
}

void install(void (*handler)(int), std::span<const int> numbers) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (int number : numbers) sigaction(number, &action, nullptr);
}

// While it lives, SIGINT and SIGTERM stop the guest, and some others are the workload's.
class SignalRoute {
 public:
  SignalRoute(Context& context, uint32_t timeout_s) {
    ::signal(SIGPIPE, SIG_IGN);  // a reader of our messages that leaves takes no guest with it
    running = &context;
    grace_ms = timeout_s * 1000;
    asked_note = "bartizan: asked the workload to end, which may take " +
                 std::to_string(timeout_s) + " s; another signal ends it at once\n";
    install(on_stop, std::array{SIGINT, SIGTERM});
    install(on_forward, std::array{SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH});
  }
  SignalRoute(const SignalRoute&) = delete;
  SignalRoute& operator=(const SignalRoute&) = delete;
  // Whoever asks now ends this program, which may be writing to somebody who does not read.
  ~SignalRoute() {
    running = nullptr;
    install(SIG_DFL, std::array{SIGINT, SIGTERM});
  }
};

Result<void> fill_ports(const Arguments& arguments, MachineOptions& to) {
  for (const std::string& text : arguments.publish) {
    if (auto address = publish_auto_address(text)) {
      to.publish_auto = *address;
    } else {
      to.publish.push_back(TRY(parse_publish(text)));
    }
  }
  for (bool listen : {false, true}) {
    for (const std::string& text : listen ? arguments.vsock_listen : arguments.vsock) {
      to.vsock.push_back(TRY(parse_vsock(text, listen)));
    }
  }
  return {};
}

// Stops and signals wait for the sink: a reader that does not read loses the event instead.
Result<EventSink> event_sink(std::optional<uint32_t> number, const LogSink& log) {
  if (!number) return EventSink();
  const int fd = static_cast<int>(*number);
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
    return invalid_value("--event-fd", std::to_string(*number), "a descriptor open for writing");
  return EventSink([fd, log](MachineEvent event) {
    const std::string line = "{\"event\":\"" + std::string(to_string(event)) + "\"}\n";
    if (write_if_room(fd, line)) return;
    log(LogLevel::warning, "--event-fd " + std::to_string(fd) + ": nobody reads it: no word of \"" +
                               std::string(to_string(event)) + "\"");
  });
}

// What the words alone say: refused before anything is read.
Result<MachineOptions> options_of_words(const Arguments& arguments) {
  MachineOptions to;
  to.network = TRY(as_word("--network", network_mode_from_string(arguments.network)));
  to.huge_pages = TRY(as_word("--huge-pages", huge_pages_from_string(arguments.huge_pages)));
  to.harden = TRY(as_word("--harden", hardening_from_string(arguments.harden)));
  TRY(fill_ports(arguments, to));
  if (!arguments.max_scratch.empty())
    to.max_scratch_bytes = TRY(parse_size("--max-scratch", arguments.max_scratch));
  to.allow = arguments.allow;
  to.broker_url = arguments.broker;
  to.name = arguments.name;
  to.kvm_device = arguments.kvm_device;
  to.scratch_disk = arguments.scratch;
  to.max_vcpus = arguments.max_vcpus;
  to.max_ram_mib = arguments.max_ram_mib;
  return to;
}

// main() puts a descriptor that can only be used the other way in the place of a closed one.
bool is_open_for(int fd, int access) {
  const int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
  return mode == access || mode == O_RDWR;
}

Result<MachineOptions> machine_options(const Arguments& arguments, MachineOptions to,
                                       const LaunchOptions& launch, const ImageInfo& image,
                                       const Printer& output) {
  if (to.name.empty()) to.name = image.workload_id;
  to.vcpus = launch.vcpus;
  to.ram_mib = launch.ram_mib;
  to.bundle = launch.bundle;
  to.extra_command_line = launch.extra_command_line;
  to.tee_options = TRY(tee_options(arguments.tee));
  to.tee_options.guest_features = launch.guest_features;
  // Closed by `<&-`: the workload has no input.
  to.stdin_fd = is_open_for(STDIN_FILENO, O_RDONLY) ? STDIN_FILENO : -1;
  to.stdout_fd = output.json ? STDERR_FILENO : STDOUT_FILENO;  // stdout is the result's then
  if (!is_open_for(to.stdout_fd, O_WRONLY)) {
    return invalid("cli",
                   "run: {} is closed or cannot be written, and takes the workload's output: "
                   "redirect it to /dev/null if nobody wants it",
                   output.json ? "standard error" : "standard output");
  }
  to.log = output.log();
  to.events = TRY(event_sink(arguments.event_fd, to.log));
  if (arguments.log_guest) to.guest_log = Printer::guest_log();
  return to;
}

// Whether somebody may expect that what is typed or piped arrives.
bool input_is_meant() {
  struct stat status = {};
  return isatty(STDIN_FILENO) || (::fstat(STDIN_FILENO, &status) == 0 &&
                                  (S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode)));
}

void note_lost_input(const ImageInfo& image, const Printer& output) {
  const bool allowed =
      image.kind != "bartizan" || image.host_may.find("input") != std::string::npos;
  if (!allowed && input_is_meant())
    output.note("standard input does not reach the workload: its image allows the host " +
                image.host_may +
                " alone; `bartizan build --host-may input,output` makes one that takes it");
}

Result<Context> make_context(const Arguments& arguments, const Printer& output) {
  auto words = TRY(options_of_words(arguments));
  TRY(launch_options(arguments.launch, nullptr));  // its words
  auto image = TRY(inspect_image(arguments.image));
  auto launch = TRY(launch_options(arguments.launch, &image));
  auto options = TRY(machine_options(arguments, std::move(words), launch, image, output));
  auto disk_key = TRY(read_optional_secret("--key-file", arguments.key_file));
  note_lost_input(image, output);
  auto context = TRY(Context::create(std::move(options)));
  TRY(context.set_tee(launch.tee));
  TRY(context.attach_image(arguments.image, std::move(disk_key)));
  return context;
}

void note_stats(const MachineStats& stats, const Printer& output) {
  for (const BootStageStats& stage : stats.stages) {
    char line[128];
    std::snprintf(line, sizeof line, "%10.1f ms %8llu exits  %s", stage.milliseconds,
                  static_cast<unsigned long long>(stage.exits), stage.name.c_str());
    output.note(line);
  }
  output.note("exits " + std::to_string(stats.exits) + ", to pid1 " +
              std::to_string(stats.exits_to_pid1) + ", to the workload " +
              std::to_string(stats.exits_to_workload));
  output.note("private pages refused to devices: " + std::to_string(stats.private_page_refusals) +
              "; shared pages: " + std::to_string(stats.shared_pages) +
              "; page state changes: " + std::to_string(stats.page_state_changes));
}

Result<view::Json> search_memory(const Context& context, const std::string& pattern) {
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(pattern.data()),
                                       pattern.size());
  auto raw = TRY(context.count_in_memory(MemoryView::raw, bytes));
  auto host = TRY(context.count_in_memory(MemoryView::host, bytes));
  return view::Json{{"pattern_bytes", pattern.size()}, {"raw", raw}, {"host", host}};
}

// A workload that the request to end has killed ended by the signal that this process got, whatever
// the image's stop signal is: 130 after Ctrl-C.
int status_of(const ExitReason& reason) {
  if (reason.kind == ExitKind::signal && asked_by != 0) return kExitSignal + asked_by;
  return reason.process_status();
}

Result<int> report(const Context& context, const ExitReason& reason, const Arguments& arguments,
                   const std::string& pattern, const Printer& output) {
  view::Json result = {{"exit", view::to_json(reason)},
                       {"published", view::to_json(context.published_ports())}};
  // That a signal ended it is what a container's status says.
  const bool expected = reason.kind == ExitKind::exit_code ||
                        (arguments.as_container && reason.kind == ExitKind::signal);
  if (!expected) output.note(reason.describe());
  if (!pattern.empty()) {
    auto found = TRY(search_memory(context, pattern));
    result["found_in_memory"] = found;
    output.note("in guest memory: raw " + view::to_text(found["raw"]) + ", as the host sees it " +
                view::to_text(found["host"]));
  }
  if (arguments.stats) {
    result["stats"] = view::to_json(context.stats());
    note_stats(context.stats(), output);
  }
  if (output.json) output.result(result, {});
  return status_of(reason);
}

// Checked before the launch, so that a bad pattern does not cost a run.
Result<std::string> read_pattern(const std::string& path) {
  if (path.empty()) return std::string();
  auto text = TRY(read_text("--find-in-memory", path));
  if (text.empty() || text.size() > kMaxPatternBytes)
    return make_error(ErrorCode::corrupt, "cli",
                      "--find-in-memory {}: {} bytes: 1 to {} can be looked for", path, text.size(),
                      kMaxPatternBytes);
  return text;
}

Result<int> run(const Arguments& arguments, Printer& output) {
  output.verbose = arguments.verbose;
  std::optional<container::Signals> taken;
  if (arguments.as_container) taken.emplace();
  auto pattern = TRY(read_pattern(arguments.find_in_memory));
  auto context = TRY(make_context(arguments, output));
  std::optional<container::SignalPath> passed_on;
  std::optional<SignalRoute> route;
  if (arguments.as_container)
    passed_on.emplace(context);
  else
    route.emplace(context, arguments.stop_timeout);
  TRY(context.start());
  for (const PublishedPort& port : context.published_ports())
    output.note("published " + describe(port));
  auto reason = TRY(context.wait());
  route.reset();
  return report(context, reason, arguments, pattern, output);
}

}  // namespace

void add_run(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, text::run::kCommand, [arguments, &session](Printer& output) {
        session.error_status = kExitNotLaunched;
        return run(*arguments, output);
      });
  declare_options(command, *arguments);
}

}  // namespace bartizan::cli
