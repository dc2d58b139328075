#include "krun/start.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "container/signals.hpp"
#include "krun/log.hpp"
#include "krun/variant.hpp"
#include "runtime/choices.hpp"
#include "runtime/refusals.hpp"
#include "runtime/rewrite.hpp"
#include "runtime/root_files.hpp"

namespace bartizan::krun {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "krun";
constexpr char kDisk[] = "disk.img", kTeeConfig[] = "krun-sev.json";
constexpr char kEngineConfig[] = ".krun_config.json";  // written by crun
constexpr char kEveryAddress[] = "::";                 // those of IPv4 too
constexpr size_t kMaxKeyBytes = 4096;                  // more is no disk key

// The container as its files describe it.
struct Described {
  fs::path root;
  runtime::ImageFacts image;
  Json config;  // the engine's; null: there is none, as in a program that is not crun
  runtime::Wishes wishes;
  Tee tee = Tee::snp;
};

// The image's files are one folder: disk, TEE configuration and manifest belong together.
Result<fs::path> image_root(const KrunContext& context) {
  if (context.disk.empty())
    return make_error(ErrorCode::invalid_state, kOrigin,
                      "no disk: krun_set_root_disk names the image's /{}", kDisk);
  const fs::path root = context.disk.has_parent_path() ? context.disk.parent_path() : ".";
  if (context.disk.filename() == kDisk && context.tee_config == root / kTeeConfig) return root;
  return invalid(kOrigin,
                 "disk \"{}\", TEE configuration \"{}\": not {} and {} of one confidential image",
                 context.disk.string(), context.tee_config.string(), kDisk, kTeeConfig);
}

Result<Json> read_engine_config(const runtime::RootFiles& files) {
  auto text = TRY(files.read(kEngineConfig, runtime::kMaxConfigBytes));
  if (!text) return Json();
  return parse_json(as_text(*text), kEngineConfig);
}

Result<runtime::Wishes> wishes_of(const Json& config, const runtime::Settings& settings) {
  auto wishes = TRY(runtime::parse_wishes(config, settings));
  if (wishes.bundle.empty()) return wishes;
  return invalid(kOrigin,
                 "annotation org.bartizan.bundle: the bundle was read before there was a "
                 "container: name it in /etc/bartizan/runtime.json (\"bundle\")");
}

Result<Described> describe(const fs::path& root, const runtime::Settings& settings) {
  Described to;
  to.root = root;
  const auto files = TRY(runtime::RootFiles::open(to.root));
  auto image = TRY(runtime::read_image_facts(files));
  if (!image)
    return make_error(ErrorCode::unsupported, kOrigin,
                      "{}: no bartizan.json beside the disk: images of `bartizan build` run here, "
                      "none of other tools",
                      to.root.string());
  to.image = *std::move(image);
  to.config = TRY(read_engine_config(files));
  to.wishes = TRY(wishes_of(to.config, settings));
  if (!to.config.is_null()) TRY(runtime::check_container(to.config, to.image.ram_mib));
  to.tee = TRY(runtime::choose_tee(to.image, to.wishes, settings));
  TRY(runtime::check_key(to.image, to.wishes));
  TRY(runtime::check_broker(to.image, to.wishes));
  return to;
}

// A file of the container, a secret of the engine's: the host's are not seen any more.
Result<std::optional<SecretBytes>> read_key(const fs::path& path) {
  if (path.empty()) return std::optional<SecretBytes>();
  const UniqueFd file = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  SecretBytes buffer(kMaxKeyBytes + 1);
  const size_t size = TRY(read_up_to(file.get(), buffer.mutable_bytes(), path.native()));
  auto bytes = buffer.bytes().first(size);
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(size - 1);
  if (bytes.empty() || bytes.size() > kMaxKeyBytes)
    return make_error(ErrorCode::corrupt, kOrigin, "key file {}: {} bytes are not a disk key",
                      path.string(), bytes.size());
  return std::optional<SecretBytes>(SecretBytes(bytes));
}

// A program may have closed its standard streams.
int if_open(int fd) {
  return ::fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

void set_ports(const KrunContext& context, const Described& from, MachineOptions& to) {
  to.vsock = context.vsock;
  to.allow = from.wishes.allow;
  if (!from.image.manifest.network) return;
  if (context.ports)
    to.publish = *context.ports;
  else
    to.publish_auto = kEveryAddress;
}

MachineOptions machine_options(const KrunContext& context, const Described& from,
                               const LoadedBundle& bundle) {
  MachineOptions to;
  to.name = from.image.manifest.workload_id;
  to.loaded_bundle = bundle;
  to.max_ram_mib = from.image.ram_mib;  // what was checked, whatever the disk says by then
  to.stdin_fd = if_open(STDIN_FILENO);
  to.stdout_fd = if_open(STDOUT_FILENO);
  to.log = log;
  if (from.wishes.log_guest)
    to.guest_log = [](LogLevel, std::string_view line) { log_guest(line); };
  to.harden = Hardening::preferred;
  to.scratch_disk = runtime::scratch_of(from.image, from.config);
  to.broker_url = from.wishes.broker;
  set_ports(context, from, to);
  return to;
}

// What the library reads of the host was read by now, in the container: only its own rights are
// given up.
Result<void> change_user(const KrunContext& context) {
  if (context.gid && ::setresgid(*context.gid, *context.gid, *context.gid) != 0)
    return errno_error(errno, kOrigin, fmt::format("krun_setgid {}", *context.gid));
  if (context.uid && ::setresuid(*context.uid, *context.uid, *context.uid) != 0)
    return errno_error(errno, kOrigin, fmt::format("krun_setuid {}", *context.uid));
  return {};
}

void note_size(const KrunContext& context, const runtime::ImageFacts& image) {
  if (context.ram_mib == 0 || context.ram_mib == image.ram_mib) return;
  log(LogLevel::debug, fmt::format("{} MiB were asked for: the image has {}, which are measured",
                                   context.ram_mib, image.ram_mib));
}

// Each write to the program's eventfd asks the workload to end.
void wait_for_end(Context& machine, const UniqueFd& shutdown) {
  pollfd wishes[] = {{machine.exit_fd(), POLLIN, 0}, {shutdown.get(), POLLIN, 0}};
  for (;;) {
    if (::poll(wishes, std::size(wishes), -1) < 0 && errno != EINTR) return;
    if (wishes[0].revents != 0) return;
    if ((wishes[1].revents & POLLIN) == 0) {
      if (wishes[1].revents != 0) wishes[1].fd = -1;  // the program has closed it
      continue;
    }
    uint64_t count = 0;
    (void)!::read(shutdown.get(), &count, sizeof count);
    machine.request_stop();
  }
}

// A library that crun does not use for confidential images has read nothing yet.
Result<HostFiles> host_files_of(const KrunContext& context) {
  if (auto* error = std::get_if<Error>(&context.host)) return *error;
  if (auto* files = std::get_if<HostFiles>(&context.host)) return *files;
  return read_host_files();
}

Result<Context> make_machine(const KrunContext& context) {
  const fs::path root = TRY(image_root(context));
  const HostFiles host = TRY(host_files_of(context));
  const Described from = TRY(describe(root, host.settings));
  note_size(context, from.image);
  auto key = TRY(read_key(from.wishes.key_file));
  auto machine = TRY(Context::create(machine_options(context, from, host.bundle)));
  TRY(machine.set_tee(from.tee));
  TRY(machine.attach_image(from.root, std::move(key)));
  TRY(change_user(context));
  return machine;
}

bool is_ordinary_end(const ExitReason& reason) {
  return reason.kind == ExitKind::exit_code || reason.kind == ExitKind::signal;
}

}  // namespace

Result<int> run_machine(const KrunContext& context) {
  const container::Signals taken;
  auto machine = TRY(make_machine(context));
  const container::SignalPath passed_on(machine);
  TRY(machine.start());
  wait_for_end(machine, context.shutdown);
  const auto reason = TRY(machine.wait());
  if (!is_ordinary_end(reason)) log(LogLevel::error, reason.describe());
  return reason.process_status();
}

}  // namespace bartizan::krun
