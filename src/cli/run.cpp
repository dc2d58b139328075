// bartizan run
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>

#include "bartizan/machine.hpp"
#include "cli/launch.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"
#include "cli/stop_requests.hpp"
#include "cli/tee_options.hpp"

namespace bartizan::cli {

namespace {

// What count_in_memory takes.
constexpr size_t kMaxPatternBytes = 64 * 1024;

struct Arguments {
  LaunchArguments launch;
  TeeArguments tee;
  std::string image, key_file, kvm_device = "/dev/kvm", scratch, find_in_memory, name;
  std::string huge_pages = "off";
  std::vector<std::string> publish, vsock, vsock_listen;
  uint32_t stop_timeout = 10;
  bool log_guest = false, stats = false, verbose = false, no_network = false;
  bool always = true;  // what podman has options for and is always so
};

void declare_options(CLI::App& command, Arguments& to) {
  declare(command, text::run::kImage, to.image);
  add_launch_options(command, to.launch);
  add_tee_options(command, to.tee);
  declare(command, text::run::kHugePages, to.huge_pages);
  declare(command, text::run::kPublish, to.publish);
  declare(command, text::run::kKeyFile, to.key_file);
  declare(command, text::run::kVsock, to.vsock);
  declare(command, text::run::kVsockListen, to.vsock_listen);
  declare(command, text::run::kScratch, to.scratch);
  declare(command, text::run::kKvmDevice, to.kvm_device);
  declare(command, text::run::kName, to.name);
  declare(command, text::run::kStopTimeout, to.stop_timeout);
  declare(command, text::run::kNoNetwork, to.no_network);
  declare(command, text::run::kInteractive, to.always);
  declare(command, text::run::kTty, to.always);
  declare(command, text::run::kRm, to.always);
  declare(command, text::run::kLogGuest, to.log_guest);
  declare(command, text::run::kVerbose, to.verbose);
  declare(command, text::run::kStats, to.stats);
  declare(command, text::run::kFindInMemory, to.find_in_memory);
}

// The signals' way to the guest: everything here is signal-safe.
std::atomic<Context*> running{nullptr};
std::atomic<uint32_t> grace_ms{10'000};
static_assert(std::atomic<Context*>::is_always_lock_free);
StopRequests stop_requests;
std::string asked_note;  // made before there is a handler

int64_t now_ms() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// The first asks the workload to end; whoever asks again has waited long enough.
void on_stop(int) {
  Context* context = running.load();
  if (!context) return;
  const int saved = errno;
  const StopRequest request = stop_requests.take(now_ms());
  if (request == StopRequest::first)
    (void)!write(STDERR_FILENO, asked_note.data(), asked_note.size());
  if (request != StopRequest::repeated)
    context->request_stop(request == StopRequest::first ? grace_ms.load() : 0);
  errno = saved;
}
void on_forward(int number) {
  if (Context* context = running.load()) context->send_signal(number);
}

// While it lives, SIGINT and SIGTERM stop the guest, and some others are the workload's.
class SignalRoute {
 public:
  SignalRoute(Context& context, uint32_t grace) {
    grace_ms = grace;
    asked_note = "bartizan: asked the workload to end, which may take " +
                 std::to_string(grace / 1000) + " s; another signal ends it at once\n";
    running = &context;
    install(on_stop, {SIGINT, SIGTERM});
    install(on_forward, {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH});
  }
  SignalRoute(const SignalRoute&) = delete;
  SignalRoute& operator=(const SignalRoute&) = delete;
  ~SignalRoute() { running = nullptr; }

 private:
  static void install(void (*handler)(int), std::initializer_list<int> numbers) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    for (int number : numbers) sigaction(number, &action, nullptr);
  }
};

Result<void> fill_ports(const Arguments& arguments, MachineOptions& to) {
  for (const std::string& text : arguments.publish) {
    to.publish.push_back(TRY(parse_publish(text)));
  }
  for (bool listen : {false, true}) {
    for (const std::string& text : listen ? arguments.vsock_listen : arguments.vsock) {
      to.vsock.push_back(TRY(parse_vsock(text, listen)));
    }
  }
  return {};
}

Result<MachineOptions> machine_options(const Arguments& arguments, const LaunchOptions& launch,
                                       const ImageInfo& image, const Printer& output) {
  MachineOptions to;
  to.name = arguments.name.empty() ? image.workload_id : arguments.name;
  to.vcpus = launch.vcpus;
  to.ram_mib = launch.ram_mib;
  to.bundle = launch.bundle;
  to.extra_command_line = launch.extra_command_line;
  to.kvm_device = arguments.kvm_device;
  to.network = !arguments.no_network;
  TRY(fill_ports(arguments, to));
  to.tee_options = TRY(tee_options(arguments.tee));
  to.tee_options.guest_features = launch.guest_features;
  to.huge_pages = TRY(huge_pages_from_string(arguments.huge_pages));
  to.scratch_disk = arguments.scratch;
  to.stdin_fd = STDIN_FILENO;
  to.stdout_fd = output.json ? STDERR_FILENO : STDOUT_FILENO;  // stdout is the result's then
  to.log = output.log();
  if (arguments.log_guest)
    to.guest_log = [](LogLevel, std::string_view line) {
      std::fprintf(stderr, "guest| %.*s\n", static_cast<int>(line.size()), line.data());
    };
  return to;
}

Result<Context> make_context(const Arguments& arguments, const Printer& output) {
  auto image = TRY(inspect_image(arguments.image));
  auto launch = TRY(launch_options(arguments.launch, &image));
  auto options = TRY(machine_options(arguments, launch, image, output));
  auto disk_key = TRY(read_optional_secret(arguments.key_file));
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

Result<int> report(const Context& context, const ExitReason& reason, const Arguments& arguments,
                   const std::string& pattern, const Printer& output) {
  view::Json result = {{"exit", view::to_json(reason)},
                       {"published", view::to_json(context.published_ports())}};
  if (reason.kind != ExitKind::exit_code) output.note(reason.describe());
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
  return reason.process_status();
}

// Checked before the launch, so that a bad pattern does not cost a run.
Result<std::string> read_pattern(const std::string& path) {
  if (path.empty()) return std::string();
  auto text = TRY(read_text(path));
  if (text.empty() || text.size() > kMaxPatternBytes)
    return invalid("cli", "--find-in-memory: {}: {} bytes: 1 to {} can be looked for", path,
                   text.size(), kMaxPatternBytes);
  return text;
}

Result<int> run(const Arguments& arguments, Printer& output) {
  output.verbose = arguments.verbose;
  auto pattern = TRY(read_pattern(arguments.find_in_memory));
  auto context = TRY(make_context(arguments, output));
  SignalRoute route(context, arguments.stop_timeout * 1000);
  TRY(context.start());
  for (const PublishedPort& port : context.published_ports())
    output.note("published " + port.host_address + ":" + std::to_string(port.host_port) +
                " -> guest port " + std::to_string(port.guest_port));
  auto reason = TRY(context.wait());
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
