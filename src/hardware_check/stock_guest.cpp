#include "hardware_check/stock_guest.hpp"

#include <cstdlib>

#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "hardware_check/tiny_image.hpp"
#include "plan/bundle/guest_tees.hpp"

namespace bartizan::hardware_check {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOrigin = "hardware-check";
constexpr const char* kWorkload = "hardware-check";
constexpr uint64_t kMaxTokenBytes = 4096;

bool has_evidence(Tee tee) {
  return tee == Tee::simulated || tee == Tee::snp || tee == Tee::tdx;
}

Result<fs::path> new_folder() {
  std::string name = (TRY(temporary_folder()) / "bartizan-hardware-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return errno_error(errno, kOrigin, name + ": mkdtemp");
  return fs::path(name);
}

Result<BuildReport> build(const fs::path& folder, const Broker& broker, Tee tee) {
  std::error_code error;
  if (!fs::create_directory(folder / "source", error)) {
    return errno_error(error.value(), kOrigin, "source: mkdir");
  }
  TRY(make_tiny_image(folder / "source"));
  BuildOptions options;
  options.source = folder / "source";
  options.output = folder / "image";
  options.workload_id = kWorkload;
  options.network = has_evidence(tee);
  if (has_evidence(tee)) {
    options.broker_url = fmt::format("https://10.0.2.2:{}", broker.port());
    options.broker_ca_pem = broker.ca_pem();
  }
  return build_image(options);
}

Result<BrokerAccess> access_to(const Broker& broker) {
  Bytes token = TRY(read_file(broker.admin_token_path(), kMaxTokenBytes));
  while (!token.empty() && token.back() == '\n') token.pop_back();
  return BrokerAccess{broker.url(), broker.ca_pem(), SecretBytes(token)};
}

Result<void> register_image(const BrokerAccess& access, const BuildReport& built,
                            const Measurement& measured) {
  Workload workload{built.workload_id, built.workload_digest, {measured.digest}};
  workload.allow_simulated = measured.tee == Tee::simulated;
  workload.resource = built.resource;
  workload.disk_key = built.disk_key.clone();
  return register_workload(access, workload);
}

Result<ExitReason> run(const StockGuestOptions& options, Tee tee, const fs::path& image,
                       std::optional<SecretBytes> key, Json& report) {
  MachineOptions machine;
  machine.name = kWorkload;
  machine.bundle = options.bundle;
  machine.kvm_device = options.kvm_device;
  machine.allow = {"loopback"};  // the broker is ours
  auto context = TRY(Context::create(std::move(machine)));
  TRY(context.set_tee(tee));
  TRY(context.attach_image(image, std::move(key)));
  TRY(context.start());
  auto reason = context.wait(options.limit);
  for (const BootStageStats& stage : context.stats().stages) {
    report["stages"][stage.name] = stage.milliseconds;
  }
  return reason;
}

// The broker's last word on the workload; nothing if nobody asked.
Result<void> add_decision(const BrokerAccess& access, Json& report) {
  Json decisions = TRY(parse_json(TRY(broker_audit(access, kWorkload)), "audit"));
  if (decisions.empty()) return {};
  for (const char* member : {"decision", "reason", "expected", "got", "evidence"}) {
    if (decisions[0].contains(member)) report[member] = decisions[0][member];
  }
  return {};
}

}  // namespace

Result<Json> attest_stock_guest(const StockGuestOptions& options, Tee tee) {
  auto bundle = TRY(read_bundle(options.bundle));
  if (auto unfit = plan::bundle::unfit_for(bundle, tee))
    return Json{{"not_tried", unfit->missing}, {"advice", unfit->advice}};
  Unfinished folder(TRY(new_folder()));
  auto broker = TRY(Broker::start({.state = folder.path() / "broker", .port = 0}));
  auto built = TRY(build(folder.path(), broker, tee));
  auto measured = TRY(measure({.tee = tee, .bundle = options.bundle}));
  auto access = TRY(access_to(broker));
  const bool attests = has_evidence(tee);  // the others' digests are none that a broker knows
  if (attests) TRY(register_image(access, built, measured));
  Json report = {{"digest", to_hex(measured.digest)}, {"evidence_expected", attests}};
  std::optional<SecretBytes> key;
  if (!attests) key = built.disk_key.clone();
  auto reason = run(options, tee, folder.path() / "image", std::move(key), report);
  if (attests) TRY(add_decision(access, report));
  report["ok"] =
      reason.ok() && reason->kind == ExitKind::exit_code && reason->code == kTinyImageStatus;
  report["exit"] = reason.ok() ? reason->describe() : reason.error().describe();
  return report;
}

}  // namespace bartizan::hardware_check
