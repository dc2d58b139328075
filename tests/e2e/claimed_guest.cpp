// A guest whose measured command line names one TEE while the host shows it another machine: what
// PID 1 believes. The library offers no such launch; this program is of its components.
//
//   claimed_guest BUNDLE TEE DISK OFFSET SIZE MANIFEST [SECRET AT…]
//
// The machine has no TEE of its own. The host offers simulated reports whose HOST_DATA is the
// digest of MANIFEST (a file), whatever TEE is named. For SEV and SEV-ES the launch secret's page
// is in its place; SECRET (a file) is written into it at each byte offset AT, as the firmware would
// after the page was measured. Prints how the guest ended: a line of JSON.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "guest/stub/image.hpp"
#include "guest_abi/boot_stages.hpp"
#include "guest_abi/manifest.hpp"
#include "plan/boot/boot_image.hpp"
#include "plan/bundle/bundle.hpp"
#include "plan/measure/launch_planner.hpp"
#include "plan/measure/launch_secret_page.hpp"
#include "vmm/machine/running_machine.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

constexpr uint32_t kRamMib = 256;

Result<plan::tee::LaunchPlan> make_plan(const char* bundle_path, const std::string& tee) {
  LaunchOptions options;
  options.bundle = bundle_path;
  options.ram_mib = kRamMib;
  auto plan = TRY(plan::measure::make_plan(options, false));
  const auto loaded = TRY(LoadedBundle::load(bundle_path));
  const auto& bundle = loaded.content();
  const bool sev = tee.starts_with("sev");
  auto image = TRY(plan::boot::make_boot_image(
      {bundle.kernel, bundle.initrd,
       fmt::format("{} {}{}", bundle.info.command_line, guest_abi::kTeeWord, tee), 1,
       kRamMib * kMiB, guest_abi::StubPlatform::none, 0, guest::stub::boot_stub(),
       sev ? plan::measure::launch_secret_page() : Bytes()}));
  plan.items = std::move(image.items);
  plan.staged = std::move(image.staged);
  return plan;
}

Result<void> write_secret(plan::tee::LaunchPlan& plan, const char* file, size_t at) {
  Bytes secret = TRY(read_file(file, kPageSize));
  auto item = std::ranges::find(plan.items, "launch_secret", &plan::tee::PlanItem::what);
  if (item == plan.items.end()) std::exit(2);
  Bytes page = *item->bytes;
  if (at + secret.size() > page.size()) std::exit(2);
  std::ranges::copy(secret, page.begin() + static_cast<ptrdiff_t>(at));
  item->bytes = std::make_shared<const Bytes>(std::move(page));
  return {};
}

Result<vmm::machine::DeviceOptions> make_devices(char** words) {
  vmm::machine::DeviceOptions devices;
  devices.disk = TRY(open_file(words[0], O_RDONLY));
  devices.disk_offset = std::strtoull(words[1], nullptr, 10);
  devices.disk_size = std::strtoull(words[2], nullptr, 10);
  devices.manifest = TRY(read_file(words[3], kMiB));
  const bool network = TRY(guest_abi::Manifest::parse(devices.manifest)).network;
  devices.network = network ? NetworkMode::outbound : NetworkMode::none;
  devices.services.fields.host_data = guest_abi::workload_digest(devices.manifest);
  devices.services.signer = TRY(attest::evidence::SimulatedSigner::create());
  return devices;
}

Result<ExitReason> launch(const plan::tee::LaunchPlan& plan, char** words) {
  auto commands = TRY(vmm::machine::Commands::create());
  UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  vmm::machine::RunningMachineOptions how{
      "claimed", vmm::kvm::linux_kernel(), "/dev/kvm", {}, {}, &commands, ended.get(), {}, {}};
  how.guest_log = [](LogLevel, std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  };
  auto session =
      TRY(vmm::machine::RunningMachine::start(std::move(how), plan, TRY(make_devices(words))));
  return *session->wait(std::nullopt);
}

Result<ExitReason> run(int count, char** words) {
  auto plan = TRY(make_plan(words[1], words[2]));
  for (int i = 8; i < count; ++i)
    TRY(write_secret(plan, words[7], std::strtoull(words[i], nullptr, 10)));
  return launch(plan, words + 3);
}

}  // namespace

int main(int count, char** words) {
  if (count < 7) return 2;
  auto reason = run(count, words);
  if (!reason.ok()) {
    std::fprintf(stderr, "%s\n", reason.error().describe().c_str());
    return 1;
  }
  Json answer = {{"kind", static_cast<int>(reason->kind)},
                 {"code", reason->code},
                 {"stage", reason->stage},
                 {"detail", reason->detail}};
  std::printf("%s\n", answer.dump().c_str());
  return 0;
}
