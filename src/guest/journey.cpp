#include "guest/journey.hpp"

#include <termios.h>

#include <optional>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/command_line.hpp"
#include "guest/disks.hpp"
#include "guest/evidence_source.hpp"
#include "guest/hardening.hpp"
#include "guest/host_socket.hpp"
#include "guest/launch_secret_file.hpp"
#include "guest/modules.hpp"
#include "guest/mounts.hpp"
#include "guest/network.hpp"
#include "guest/report.hpp"
#include "guest/root.hpp"
#include "guest/storage.hpp"
#include "guest/workload.hpp"
#include "manifest/manifest.hpp"

namespace bartizan::guest {
namespace {

using contract::Station;

constexpr uint64_t kMaxCommandLine = 4096;     // x86: COMMAND_LINE_SIZE is 2048
constexpr size_t kMaxPassphrase = 4096;        // the host cannot make us hold more
constexpr uint64_t kMaxAccountFile = 1 << 20;  // of the image's /etc/passwd and /etc/group
constexpr uint32_t kBrokerTimeoutMs = 60'000;
constexpr size_t kDigestDigits = 16;  // of a digest in a log line

std::string short_hex(ByteView bytes) {
  return to_hex(bytes).substr(0, kDigestDigits);
}

// Each method is one station: what it leaves behind are the members, what it returns is its log
// line.
class Journey {
 public:
  explicit Journey(Report& report) : report_(report) {}

  Result<std::string> pid1();
  Result<std::string> modules();
  Result<std::string> manifest();
  Result<std::string> network();
  Result<std::string> evidence();
  Result<std::string> broker();
  Result<std::string> verity();
  Result<std::string> crypt();
  Result<std::string> overlay();
  Result<std::string> workload();
  Result<WorkloadEnd> live();

  // An error after station 7 may be the corrupt disk's doing: then that is the news.
  [[noreturn]] void fail(Error error);
  void drain_terminal() const { ::tcdrain(terminal_.get()); }

 private:
  Result<Bytes> file_of_image(const char* path) const;
  Result<SecretBytes> key_from_caller() const;
  Result<SecretBytes> key_from_broker();

  Report& report_;
  std::optional<Station> blame_;  // station of the failure, where it is not the one entered
  CommandLine command_line_;
  Manifest manifest_;
  std::unique_ptr<EvidenceSource> source_;
  std::optional<snp::Report> launch_report_;
  TakenSecret launch_secret_;
  SecretBytes passphrase_;
  std::optional<Storage> storage_;
  UniqueFd terminal_;
  ProcessConfig config_;
  pid_t workload_ = -1;
  UniqueFd signals_;
  Pump input_;
};

Result<std::string> Journey::pid1() {
  launch_secret_ = TRY(take_launch_secret());
  TRY(mount_kernel_file_systems());
  Bytes text = TRY(read_file("/proc/cmdline", kMaxCommandLine));
  command_line_ = parse_command_line(as_text(text));
  return std::string("file systems mounted");
}

Result<std::string> Journey::modules() {
  auto count = TRY(load_modules([this] { report_.open_console(); }));
  report_.open_console();
  TRY(shut_kernel_doors());
  return fmt::format("{} loaded, {} not needed; no more from here on", count.loaded, count.passed);
}

Result<std::string> Journey::manifest() {
  Bytes bytes = TRY(read_manifest_disk());
  auto digest = workload_digest(bytes);
  source_ = launch_secret_.expected ? std::make_unique<NoSource>() : detect_evidence_source();
  if (launch_secret_.secret) {
    const auto& meant = launch_secret_.secret->workload_digest;
    if (digest != meant) {
      return refused("guest/manifest", "launch_secret", to_hex(meant), to_hex(digest),
                     "the manifest is not the one that the launch's owner meant");
    }
    manifest_ = TRY(Manifest::parse(bytes));
    return fmt::format("\"{}\", digest {} = launch secret", manifest_.workload_id,
                       short_hex(digest));
  }
  if (source_->tee() == Tee::none) {
    manifest_ = TRY(Manifest::parse(bytes));
    return fmt::format("\"{}\", digest {}, not bound to the launch: {}", manifest_.workload_id,
                       short_hex(digest), launch_secret_.expected ? "no launch secret" : "no TEE");
  }
  const uint8_t nothing_to_say[64] = {};
  launch_report_ = TRY(fresh_report(*source_, nothing_to_say));
  const auto& host_data = launch_report_->host_data;
  if (!std::equal(host_data.begin(), host_data.end(), digest.begin(), digest.end())) {
    return refused("guest/manifest", "host_data", to_hex(host_data), to_hex(digest),
                   "the manifest is not the one that the launch is bound to");
  }
  manifest_ = TRY(Manifest::parse(bytes));
  return fmt::format("\"{}\", digest {} = HOST_DATA", manifest_.workload_id, short_hex(digest));
}

Result<std::string> Journey::network() {
  TRY(bring_up_loopback());
  if (!manifest_.network) return std::string("loopback only");
  TRY(bring_up_network());
  return std::string("eth0 10.0.2.15/24, gateway 10.0.2.2");
}

Result<std::string> Journey::evidence() {
  if (launch_secret_.secret) return std::string("not needed: judged before it ran, by its owner");
  if (launch_secret_.expected && !command_line_.key_from_caller) {
    return make_error(ErrorCode::verification_failed, "guest/evidence",
                      "SEV or SEV-ES without a launch secret: no owner judged this launch, and the "
                      "caller gives no key");
  }
  if (!launch_report_ && !command_line_.key_from_caller) {
    return make_error(
        ErrorCode::unsupported, "guest/evidence",
        "no TEE on this machine, so no evidence for a broker, and the caller gives no key");
  }
  if (!launch_report_) return std::string("none on this machine");
  return fmt::format("{}, report version {}, policy {:#x}, measurement {}",
                     to_string(source_->tee()), launch_report_->version, launch_report_->policy,
                     short_hex(launch_report_->measurement));
}

Result<SecretBytes> Journey::key_from_caller() const {
  UniqueFd socket = TRY(connect_to_host(contract::kKeyVsockPort));
  return receive_secret(socket.get(), kMaxPassphrase, "caller's key");
}

Result<SecretBytes> Journey::key_from_broker() {
  if (!manifest_.broker) {
    return make_error(ErrorCode::invalid_state, "guest/broker",
                      "the manifest names no broker and the caller gives no key");
  }
  WatchedSource watched(*source_);
  auto key = request_key({manifest_.broker->url, manifest_.broker->ca_pem,
                          manifest_.broker->resource, kBrokerTimeoutMs},
                         watched);
  if (watched.failed()) blame_ = Station::evidence;
  return key;
}

Result<std::string> Journey::broker() {
  if (launch_secret_.secret) {
    passphrase_ = std::move(launch_secret_.secret->passphrase);
    return std::string("asked before the launch: key in the launch secret");
  }
  if (command_line_.key_from_caller) {
    passphrase_ = TRY(key_from_caller());
    return std::string("not asked: key from the caller");
  }
  passphrase_ = TRY(key_from_broker());
  return fmt::format("{} released {}", manifest_.broker->url, manifest_.broker->resource);
}

Result<std::string> Journey::verity() {
  storage_ = TRY(Storage::open(manifest_));
  return fmt::format("root hash {}, {} blocks", short_hex(manifest_.verity.root_hash),
                     manifest_.verity.data_blocks);
}

Result<std::string> Journey::crypt() {
  MappedDevice plaintext = TRY(storage_->unlock(manifest_, passphrase_));
  passphrase_.wipe();
  TRY(mount_image(plaintext, manifest_.filesystem));
  return fmt::format("{}, {} bytes, {} read-only", manifest_.luks2.cipher, manifest_.luks2.size,
                     manifest_.filesystem);
}

Result<std::string> Journey::overlay() {
  Bytes config = TRY(read_image_config());
  config_ = TRY(parse_process_config(as_text(config)));
  terminal_ = TRY(open_terminal());
  if (manifest_.scratch_bytes == 0) {
    TRY(enter_workload_root(terminal_.get(), manifest_.network, nullptr));
    return std::string("memory over the image");
  }
  MappedDevice scratch = TRY(storage_->open_scratch(manifest_.scratch_bytes));
  TRY(enter_workload_root(terminal_.get(), manifest_.network, &scratch));
  return fmt::format("scratch disk of {} bytes over the image, under keys of this boot",
                     manifest_.scratch_bytes);
}

Result<Bytes> Journey::file_of_image(const char* path) const {
  auto content = read_file(path, kMaxAccountFile);
  if (!content.ok() && content.error().os_errno == ENOENT) return Bytes();
  return content;
}

Result<std::string> Journey::workload() {
  Bytes passwd = TRY(file_of_image("/etc/passwd")), group = TRY(file_of_image("/etc/group"));
  Credentials who = TRY(resolve_user(config_.user, as_text(passwd), as_text(group)));
  auto signals = connect_to_host(contract::kSignalVsockPort);
  // A host that has a terminal to offer refuses this port: then input comes by way of ours.
  Input input;
  if (auto stream = connect_to_host(contract::kInputVsockPort); stream.ok())
    input = TRY(open_input(std::move(*stream)));
  workload_ = TRY(start_workload(config_, who, terminal_.get(), input.pipe.get()));
  input_ = std::move(input.pump);
  if (signals.ok()) signals_ = std::move(*signals);
  return fmt::format("{} as {}:{}{}", config_.arguments[0], who.user, who.group,
                     signals_.valid() ? "" : ", no signals: " + signals.error().describe());
}

Result<WorkloadEnd> Journey::live() {
  return supervise({workload_, config_.stop_signal, storage_->event_fd(),
                    [this] { return storage_->check(); }, std::move(signals_), std::move(input_)});
}

void Journey::fail(Error error) {
  if (storage_) {
    if (auto disk = storage_->check();
        !disk.ok() && disk.error().code == ErrorCode::verification_failed) {
      report_.fail(Station::verity, disk.error());
    }
  }
  if (error.reason == "verity") blame_ = Station::verity;
  report_.fail(blame_.value_or(report_.station()), error);
}

using StationMethod = Result<std::string> (Journey::*)();
constexpr std::pair<Station, StationMethod> kRoute[] = {
    {Station::pid1, &Journey::pid1},         {Station::modules, &Journey::modules},
    {Station::manifest, &Journey::manifest}, {Station::network, &Journey::network},
    {Station::evidence, &Journey::evidence}, {Station::broker, &Journey::broker},
    {Station::verity, &Journey::verity},     {Station::crypt, &Journey::crypt},
    {Station::overlay, &Journey::overlay},   {Station::workload, &Journey::workload},
};
static_assert(std::size(kRoute) == contract::kStationCount);

}  // namespace

void travel(Report& report) {
  Journey journey(report);
  for (const auto& [station, method] : kRoute) {
    report.enter(station);
    auto line = (journey.*method)();
    if (!line.ok()) journey.fail(line.error());
    report.done(*line);
  }
  auto end = journey.live();
  journey.drain_terminal();
  if (!end.ok()) journey.fail(end.error());
  report.exit(end->kind, end->value);
}

}  // namespace bartizan::guest
