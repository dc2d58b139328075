#include "guest/init/stages/boot_stages.hpp"

#include <optional>

#include "base/endpoint.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest/init/host/evidence_source.hpp"
#include "guest/init/host/host_reporter.hpp"
#include "guest/init/host/host_socket.hpp"
#include "guest/init/host/launch_secret_file.hpp"
#include "guest/init/host/manifest_binding.hpp"
#include "guest/init/storage/disks.hpp"
#include "guest/init/storage/storage.hpp"
#include "guest/init/system/command_line.hpp"
#include "guest/init/system/modules.hpp"
#include "guest/init/system/mounts.hpp"
#include "guest/init/system/network.hpp"
#include "guest/init/system/processor.hpp"
#include "guest/init/workload/hardening.hpp"
#include "guest/init/workload/root.hpp"
#include "guest/init/workload/workload.hpp"
#include "guest_abi/manifest.hpp"
#include "guest_abi/network.hpp"

namespace bartizan::guest::init::stages {
namespace {

using guest_abi::BootStage;

constexpr uint64_t kMaxCommandLine = 4096;  // x86: COMMAND_LINE_SIZE is 2048
constexpr uint64_t kMaxCpuInfo = kMiB;      // 254 processors of some 2 KiB
constexpr size_t kMaxPassphrase = 4096;     // the host cannot make us hold more
constexpr uint64_t kMaxAccountFile = kMiB;  // of the image's /etc/passwd and /etc/group
constexpr uint32_t kBrokerTimeoutMs = 60'000;
constexpr size_t kDigestDigits = 16;  // of a digest in a log line

std::string short_hex(ByteView bytes) {
  return to_hex(bytes).substr(0, kDigestDigits);
}

// Each method is one stage: what it leaves behind are the members, what it returns is its log
// line.
class BootStages {
 public:
  explicit BootStages(host::HostReporter& report) : report_(report) {}

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
  Result<workload::WorkloadEnd> supervise_workload();

  // Errors after stage `verity` may be caused by disk corruption; if so, report the corruption.
  [[noreturn]] void fail(const Error& error);

 private:
  Result<Bytes> file_of_image(const char* path) const;
  Result<SecretBytes> key_from_caller() const;
  // What the host has for the exchange with the broker: none of it is believed here.
  struct BrokerWords {
    std::string url, statement;
  };
  Result<BrokerWords> broker_words() const;
  Result<SecretBytes> key_from_broker();
  Result<workload::HostStreams> connect_streams() const;

  host::HostReporter& report_;
  std::optional<BootStage> blame_;  // stage of the failure, where it is not the one entered
  // Of stage pid1, which has no console: told at stage manifest, where it would count.
  std::optional<Error> early_error_;
  system::CommandLine command_line_;
  guest_abi::Manifest manifest_;
  std::unique_ptr<EvidenceSource> source_;
  std::optional<attest::evidence::SnpReport> launch_report_;
  host::FoundLaunchSecret launch_secret_;
  SecretBytes disk_key_;
  std::optional<storage::Storage> storage_;
  workload::ProcessConfig config_;
  pid_t workload_ = -1;
  UniqueFd signals_, listening_;
  workload::Streams streams_;
};

Result<std::string> BootStages::pid1() {
  if (auto found = host::find_launch_secret(); found.ok())
    launch_secret_ = *std::move(found);
  else
    early_error_ = found.error();
  TRY(system::mount_kernel_file_systems());
  Bytes text = TRY(read_file("/proc/cmdline", kMaxCommandLine));
  if (auto parsed = system::parse_command_line(as_text(text)); parsed.ok())
    command_line_ = *parsed;
  else
    early_error_ = parsed.error();
  return std::string("file systems mounted");
}

Result<std::string> BootStages::modules() {
  auto count = TRY(system::load_modules([this] { report_.open_console(); }));
  report_.open_console();
  TRY(workload::lock_down_kernel(command_line_.tee != Tee::none));
  return fmt::format("{} loaded, {} not needed; no more from here on", count.loaded, count.passed);
}

Result<std::string> BootStages::manifest() {
  if (early_error_) return *early_error_;
  Bytes processors = TRY(read_file("/proc/cpuinfo", kMaxCpuInfo));
  TRY(system::check_processor(command_line_.tee, as_text(processors)));
  Bytes bytes = TRY(storage::read_manifest_disk());
  auto digest = guest_abi::workload_digest(bytes);
  source_ = TRY(host::evidence_source_of(command_line_.tee));
  auto binding = TRY(host::manifest_binding(
      {command_line_.tee, command_line_.key_from_caller, launch_secret_, *source_}));
  if (binding) TRY(host::check_binding(*binding, digest));
  manifest_ = TRY(guest_abi::Manifest::parse(bytes));
  if (!binding) {
    return fmt::format("\"{}\", digest {}, not bound to the launch: TEE \"{}\"",
                       manifest_.workload_id, short_hex(digest), to_string(command_line_.tee));
  }
  launch_report_ = binding->report;
  return fmt::format("\"{}\", digest {} = {}", manifest_.workload_id, short_hex(digest),
                     binding->where);
}

Result<std::string> BootStages::network() {
  TRY(system::bring_up_loopback());
  if (!manifest_.network) return std::string("loopback only");
  TRY(system::bring_up_network());
  return fmt::format("eth0 {} and {}, gateway {}", guest_abi::kGuestAddress,
                     guest_abi::kGuestAddress6, guest_abi::kGatewayAddress);
}

Result<std::string> BootStages::evidence() {
  if (launch_secret_.secret) return std::string("not needed: judged before it ran, by its owner");
  if (launch_report_) {
    return fmt::format("{}, report version {}, policy {:#x}, measurement {}",
                       to_string(source_->tee()), launch_report_->version, launch_report_->policy,
                       short_hex(launch_report_->measurement));
  }
  if (command_line_.key_from_caller) return std::string("none on this machine");
  return make_error(ErrorCode::unsupported, "guest/evidence",
                    "TEE \"{}\": no evidence for a broker, and the caller gives no key",
                    to_string(command_line_.tee));
}

Result<SecretBytes> BootStages::key_from_caller() const {
  UniqueFd socket = TRY(host::connect_to_host(guest_abi::kKeyVsockPort));
  return host::receive_secret(socket.get(), kMaxPassphrase, "caller's key");
}

// A host that names no address leaves the manifest's. It may lie: whoever answers there must have a
// certificate of the manifest's authority, and gets no more than the broker would. The statement is
// the broker's to verify.
Result<BootStages::BrokerWords> BootStages::broker_words() const {
  BrokerWords words{manifest_.broker->url, {}};
  auto socket = host::connect_to_host(guest_abi::kBrokerVsockPort);
  if (!socket.ok()) return words;
  const Bytes url = TRY(host::receive_block(socket->get(), kMaxBrokerUrl, "the broker's address"));
  if (manifest_.host.broker && !url.empty()) words.url = TRY(Endpoint::parse(as_text(url))).url;
  const Bytes statement = TRY(
      host::receive_block(socket->get(), guest_abi::kMaxStatementBytes, "the owner's statement"));
  words.statement = as_text(statement);
  return words;
}

Result<SecretBytes> BootStages::key_from_broker() {
  if (!manifest_.broker) {
    return make_error(ErrorCode::invalid_state, "guest/broker",
                      "the manifest names no broker and the caller gives no key");
  }
  BrokerWords words = TRY(broker_words());
  manifest_.broker->url = std::move(words.url);
  host::WatchedSource watched(*source_);
  auto key = request_key({manifest_.broker->url, manifest_.broker->ca_pem,
                          manifest_.broker->resource, kBrokerTimeoutMs, std::move(words.statement)},
                         watched);
  if (watched.failed()) blame_ = BootStage::evidence;
  return key;
}

Result<std::string> BootStages::broker() {
  if (launch_secret_.secret) {
    disk_key_ = std::move(launch_secret_.secret->disk_key);
    return std::string("asked before the launch: key in the launch secret");
  }
  if (command_line_.key_from_caller) {
    disk_key_ = TRY(key_from_caller());
    return std::string("not asked: key from the caller");
  }
  disk_key_ = TRY(key_from_broker());
  return fmt::format("{} released {}", manifest_.broker->url, manifest_.broker->resource);
}

Result<std::string> BootStages::verity() {
  storage_ = TRY(storage::Storage::open(manifest_));
  return fmt::format("root hash {}, {} blocks", short_hex(manifest_.verity.root_hash),
                     manifest_.verity.data_blocks);
}

Result<std::string> BootStages::crypt() {
  storage::MappedDevice plaintext = TRY(storage_->unlock(manifest_, disk_key_));
  disk_key_.wipe();
  TRY(workload::mount_image(plaintext, manifest_.filesystem));
  return fmt::format("{}, {} bytes, {} read-only", manifest_.luks2.cipher, manifest_.luks2.size,
                     manifest_.filesystem);
}

Result<std::string> BootStages::overlay() {
  Bytes config = TRY(workload::read_image_config());
  config_ = TRY(workload::parse_process_config(as_text(config)));
  if (manifest_.scratch_bytes == 0) {
    TRY(workload::enter_workload_root(manifest_.network, nullptr));
    return std::string("memory over the image");
  }
  storage::MappedDevice scratch = TRY(storage_->open_scratch(manifest_.scratch_bytes));
  TRY(workload::enter_workload_root(manifest_.network, &scratch));
  return fmt::format("scratch disk of {} bytes over the image, under keys of this boot",
                     manifest_.scratch_bytes);
}

Result<Bytes> BootStages::file_of_image(const char* path) const {
  auto content = read_file(path, kMaxAccountFile);
  if (!content.ok() && content.error().os_errno == ENOENT) return Bytes();
  return content;
}

// The host refuses what its caller does not have; the manifest, what the host may not. A terminal
// of which it may have one direction only is no terminal for the workload.
Result<workload::HostStreams> BootStages::connect_streams() const {
  workload::HostStreams streams;
  const guest_abi::HostAccess& may = manifest_.host;
  const struct {
    bool allowed;
    uint32_t port;
    UniqueFd& stream;
  } ports[] = {{may.input, guest_abi::kInputVsockPort, streams.input},
               {may.output, guest_abi::kOutputVsockPort, streams.output},
               {may.input || may.output, guest_abi::kTerminalVsockPort, streams.terminal}};
  for (const auto& [allowed, port, stream] : ports) {
    if (!allowed) continue;
    if (auto connected = host::connect_to_host(port); connected.ok())
      stream = std::move(*connected);
  }
  if (!streams.terminal.valid()) return streams;
  uint8_t size[4];
  TRY(host::receive(streams.terminal.get(), size, "terminal's size"));
  streams.size = {load_le<uint16_t>(size), load_le<uint16_t>(size + 2)};
  if (may.input && may.output) return streams;
  UniqueFd one_way = std::move(streams.terminal);
  UniqueFd& direction = may.input ? streams.input : streams.output;
  if (!direction.valid()) direction = std::move(one_way);
  return streams;
}

Result<std::string> BootStages::workload() {
  Bytes passwd = TRY(file_of_image("/etc/passwd")), group = TRY(file_of_image("/etc/group"));
  workload::Credentials who =
      TRY(workload::resolve_user(config_.user, as_text(passwd), as_text(group)));
  auto signals = host::connect_to_host(guest_abi::kSignalVsockPort);
  if (manifest_.network) {
    auto listening = host::connect_to_host(guest_abi::kListeningVsockPort);
    if (listening.ok()) listening_ = *std::move(listening);
  }
  streams_ = TRY(workload::Streams::open(TRY(connect_streams())));
  if (streams_.terminal() >= 0) TRY(workload::bind_console(streams_.terminal()));
  workload_ = TRY(workload::start_workload(config_, who, streams_));
  if (signals.ok()) signals_ = std::move(*signals);
  return fmt::format("{} as {}:{}{}", config_.arguments[0], who.user, who.group,
                     signals_.valid() ? "" : ", no signals: " + signals.error().describe());
}

Result<workload::WorkloadEnd> BootStages::supervise_workload() {
  return workload::supervise({workload_, config_.stop_signal, manifest_.host.signals,
                              storage_->event_fd(), [this] { return storage_->check(); },
                              std::move(signals_), workload::ListeningPorts(std::move(listening_)),
                              std::move(streams_)});
}

void BootStages::fail(const Error& error) {
  if (storage_) {
    if (auto disk = storage_->check();
        !disk.ok() && disk.error().code == ErrorCode::verification_failed) {
      report_.fail(BootStage::verity, disk.error());
    }
  }
  if (error.reason == "verity") blame_ = BootStage::verity;
  report_.fail(blame_.value_or(report_.stage()), error, workload::exit_status_of_failure(error));
}

using StageMethod = Result<std::string> (BootStages::*)();
constexpr std::pair<BootStage, StageMethod> kStages[] = {
    {BootStage::pid1, &BootStages::pid1},         {BootStage::modules, &BootStages::modules},
    {BootStage::manifest, &BootStages::manifest}, {BootStage::network, &BootStages::network},
    {BootStage::evidence, &BootStages::evidence}, {BootStage::broker, &BootStages::broker},
    {BootStage::verity, &BootStages::verity},     {BootStage::crypt, &BootStages::crypt},
    {BootStage::overlay, &BootStages::overlay},   {BootStage::workload, &BootStages::workload},
};
static_assert(std::size(kStages) == guest_abi::kStageCount);

}  // namespace

void run_boot_stages(host::HostReporter& report) {
  BootStages stages(report);
  for (const auto& [stage, method] : kStages) {
    report.enter(stage);
    auto line = (stages.*method)();
    if (!line.ok()) stages.fail(line.error());
    report.done(*line);
  }
  report.running();
  auto end = stages.supervise_workload();
  if (!end.ok()) stages.fail(end.error());
  report.exit(end->kind, end->value);
}

}  // namespace bartizan::guest::init::stages
