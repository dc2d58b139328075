// A launch whose plan somebody changed between measuring and loading, as a host could: what the
// boot stub says to it. The library offers no such thing; this program is of its components.
//
//   stub_guest BUNDLE TEE VCPUS NAME   flips one byte of NAME ("kernel", "initrd", "boot_params",
//   …; "nothing") and prints how the guest ended: a line of JSON. A guest that reaches PID 1 is
//   stopped there.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "plan/measure/launch_planner.hpp"
#include "vmm/machine/running_machine.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

std::shared_ptr<const Bytes> flipped(const Bytes& bytes) {
  Bytes changed = bytes;
  changed[changed.size() / 2] ^= 1;
  return std::make_shared<const Bytes>(std::move(changed));
}

bool tamper(plan::tee::LaunchPlan& plan, const std::string& name) {
  if (name == "nothing") return true;
  auto staged = std::ranges::find(plan.staged, name, &plan::tee::StagedBlob::what);
  if (staged != plan.staged.end()) {
    staged->bytes = flipped(*staged->bytes);
    return true;
  }
  auto item = std::ranges::find(plan.items, name, &plan::tee::PlanItem::what);
  if (item == plan.items.end()) return false;
  item->bytes = flipped(*item->bytes);
  return true;
}

Result<ExitReason> launch(const plan::tee::LaunchPlan& plan, MachineStats& stats) {
  auto commands = TRY(vmm::machine::Commands::create());
  UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  vmm::machine::RunningMachineOptions how{
      "stub", vmm::kvm::linux_kernel(), "/dev/kvm", {}, {}, &commands, ended.get(), {}, {}};
  how.guest_log = [](LogLevel, std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  };
  vmm::machine::DeviceOptions devices;
  devices.network = NetworkMode::none;
  devices.disk = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
  devices.disk_size = 4096;
  if (::ftruncate(devices.disk.get(), 4096) != 0) std::exit(2);
  devices.manifest = Bytes(16, '{');  // PID 1 will not take it, but it is PID 1 then
  auto session = TRY(vmm::machine::RunningMachine::start(std::move(how), plan, std::move(devices)));
  auto reason = session->wait(std::nullopt);
  stats = session->stats();
  return *std::move(reason);
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  LaunchOptions options;
  options.bundle = words[1];
  options.vcpus = static_cast<uint32_t>(std::atoi(words[3]));
  options.ram_mib = 256;
  auto tee = tee_from_string(words[2]);
  if (!tee.ok()) return 2;
  options.tee = *tee;
  auto plan = plan::measure::make_plan(options, false);
  if (!plan.ok() || !tamper(*plan, words[4])) return 2;
  MachineStats stats;
  auto reason = launch(*plan, stats);
  if (!reason.ok()) {
    std::fprintf(stderr, "%s\n", reason.error().describe().c_str());
    return 1;
  }
  Json answer = {{"kind", static_cast<int>(reason->kind)},
                 {"stage", reason->stage},
                 {"text", reason->describe()},
                 {"exits", stats.exits},
                 {"exits_to_pid1", stats.exits_to_pid1},
                 {"private_page_refusals", stats.private_page_refusals}};
  std::printf("%s\n", answer.dump().c_str());
  return 0;
}
