#include "vmm/vcpu/virtual_machine.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/guest_address.hpp"
#include "base/units.hpp"
#include "guest_abi/stub_table.hpp"
#include "plan/boot/layout.hpp"
#include "vmm/devices/io_apic.hpp"
#include "vmm/launch/causes.hpp"
#include "vmm/vcpu/kick.hpp"
#include "vmm/vcpu/setup.hpp"

namespace bartizan::vmm::vcpu {
namespace {

// Three pages and one page that KVM needs on Intel hosts, in the hole below 4 GiB, away from
// devices and APICs.
constexpr uint64_t kTssAddress = 0xfffb'd000;
constexpr uint64_t kIdentityMapAddress = 0xfffb'c000;

// Beyond the slots of RAM, and before those of the simulated TEE's second view.
constexpr uint32_t kStagingSlot = 8;

// The window from its first page, which is the stub's own, to the last blob. Nothing: none is
// staged.
Result<std::unique_ptr<memory::StagingWindow>> staging_window(const plan::tee::LaunchPlan& plan) {
  std::unique_ptr<memory::StagingWindow> window;
  if (plan.staged.empty()) return window;
  uint64_t end = guest_abi::kStagingFirst;
  for (const auto& blob : plan.staged) {
    uint64_t blob_end = align_up(blob.address.value + blob.bytes->size(), kPageSize);
    if (blob.address.value < end || blob_end > guest_abi::kStagingEnd) {
      return make_error(ErrorCode::internal, "machine", "staged {}: {:#x}+{:#x} has no place there",
                        blob.what, blob.address.value, blob.bytes->size());
    }
    end = blob_end;
  }
  window = TRY(memory::StagingWindow::create({guest_abi::kStagingAddress},
                                             end - guest_abi::kStagingAddress));
  for (const auto& blob : plan.staged) TRY(window->load(blob.address, *blob.bytes));
  return window;
}

Result<void> check_vcpu_limit(const kvm::System& system, size_t wanted) {
  int limit = TRY(system.check_extension(KVM_CAP_MAX_VCPUS));
  if (wanted >= 1 && (limit <= 0 || wanted <= static_cast<size_t>(limit))) return {};
  return make_error(ErrorCode::invalid_argument, "machine", "{} vCPUs: this host allows 1 to {}",
                    wanted, limit);
}

}  // namespace

VirtualMachine::VirtualMachine(std::unique_ptr<launch::Launcher> launcher, kvm::Vm vm,
                               std::unique_ptr<memory::GuestMemory> memory)
    : launcher_(std::move(launcher)), memory_(std::move(memory)), vm_(std::move(vm)) {
  set_handlers();
}

VirtualMachine::~VirtualMachine() {
  stop();
  join();
  launcher_->guest_ended();
}

Result<std::unique_ptr<VirtualMachine>> VirtualMachine::create(
    std::shared_ptr<kvm::KernelApi> kernel, const std::filesystem::path& kvm_device,
    const plan::tee::LaunchPlan& plan, launch::LaunchIdentity binding, memory::Backing backing) {
  launch::LauncherInputs inputs{kernel, plan.c_bit, plan.guest_policy, plan.guest_features,
                                std::move(binding)};
  auto launcher = TRY(launch::make_launcher(plan.tee, std::move(inputs)));
  TRY(vcpu::prepare_kick_signal());
  auto system = TRY(kvm::System::open(std::move(kernel), kvm_device));
  TRY(check_vcpu_limit(system, plan.cpus.size()));
  auto supported = TRY(system.supported_cpuid());
  TRY(launcher->check_host(supported));
  auto cpuid = vcpu::cpuid_of(supported, 0, static_cast<uint32_t>(plan.cpus.size()));
  launcher->edit_cpuid(cpuid);
  auto vm = TRY(launch::explain(system.create_vm(launcher->vm_type()), "KVM_CREATE_VM"));
  auto memory = TRY(memory::GuestMemory::create(plan.ram, launcher->initial_page_state(), backing));
  std::unique_ptr<VirtualMachine> machine(
      new VirtualMachine(std::move(launcher), std::move(vm), std::move(memory)));
  machine->staging_ = TRY(staging_window(plan));
  TRY(machine->prepare_vm(cpuid));
  TRY(machine->create_vcpus(supported, plan));
  TRY(machine->load(cpuid, plan));
  return machine;
}

void VirtualMachine::set_handlers() {
  handlers_.pio = &pio_;
  handlers_.mmio = &mmio_;
  handlers_.page_state = [this](uint64_t address, uint64_t pages, bool make_private) {
    auto state = make_private ? memory::PageState::private_ : memory::PageState::shared;
    return launcher_->convert(vm_, *memory_, {address}, pages, state).ok();
  };
  handlers_.tdx_call = [this](kvm::ExitTdx& call) { launcher_->tdx_call(*memory_, call); };
  handlers_.certificates = [this](kvm::ExitSnpReqCerts& request) {
    launcher_->request_certificates(*memory_, request);
  };
  handlers_.read_msr = [this](uint32_t index) { return launcher_->read_msr(index); };
  handlers_.write_msr = [this](uint32_t index, uint64_t value) {
    return launcher_->write_msr(index, value);
  };
}

Result<void> VirtualMachine::prepare_vm(const kvm::CpuidTable& cpuid) {
  TRY(launcher_->configure(vm_, cpuid));
  if (TRY(vm_.check_extension(KVM_CAP_SET_TSS_ADDR)) > 0) TRY(vm_.set_tss_addr(kTssAddress));
  if (TRY(vm_.check_extension(KVM_CAP_SET_IDENTITY_MAP_ADDR)) > 0) {
    TRY(vm_.set_identity_map_addr(kIdentityMapAddress));
  }
  TRY(launcher_->create_interrupt_controller(vm_));
  if (launcher_->needs_io_apic()) TRY(add_io_apic());
  TRY(launcher_->map_memory(vm_, *memory_));
  return staging_ == nullptr ? Result<void>() : map_staging();
}

// Ordinary memory under every TEE: never private, and never more than the guest may read (KVM has
// no read-only slots for protected VMs).
Result<void> VirtualMachine::map_staging() {
  kvm_userspace_memory_region slot{};
  slot.slot = kStagingSlot;
  slot.guest_phys_addr = staging_->base().value;
  slot.memory_size = staging_->size();
  slot.userspace_addr = reinterpret_cast<uint64_t>(staging_->host_address());
  return launch::explain(vm_.set_user_memory_region(slot), "KVM_SET_USER_MEMORY_REGION");
}

// KVM refuses a table of this size for lack of memory only; the guest then misses interrupts, and
// there is nobody to tell it.
Result<void> VirtualMachine::add_io_apic() {
  auto io_apic = std::make_shared<devices::IoApic>([this](const auto& routes) {
    std::vector<kvm::MessageRoute> messages;
    messages.reserve(routes.size());
    for (const auto& route : routes) messages.push_back({route.line, route.address, route.data});
    (void)vm_.set_message_routes(messages);
  });
  return mmio_.add(plan::boot::kIoApicAddress, devices::kIoApicSize, std::move(io_apic));
}

// Where only the boot processor gets the plan's registers, the others wait for its INIT and SIPI in
// KVM's reset state, which is also their state in the plan.
Result<void> VirtualMachine::set_up_vcpu(kvm::Vcpu& vcpu, const kvm::CpuidTable& table,
                                         const plan::tee::LaunchPlan& plan) {
  using Registers = launch::Launcher::Registers;
  TRY(vcpu.set_cpuid(table));
  TRY(vcpu::set_msrs(vcpu));
  Registers which = launcher_->registers();
  if (which == Registers::none || (which == Registers::boot_processor && vcpu.id() != 0)) return {};
  return vcpu::set_registers(vcpu, plan.cpus[vcpu.id()]);
}

Result<void> VirtualMachine::create_vcpus(const kvm::CpuidTable& supported,
                                          const plan::tee::LaunchPlan& plan) {
  auto count = static_cast<uint32_t>(plan.cpus.size());
  for (uint32_t id = 0; id < count; ++id) {
    auto vcpu = TRY(launch::explain(vm_.create_vcpu(id), "KVM_CREATE_VCPU"));
    auto table = vcpu::cpuid_of(supported, id, count);
    launcher_->edit_cpuid(table);
    TRY(set_up_vcpu(vcpu, table, plan));
    vcpus_.push_back(std::make_unique<vcpu::VcpuThread>(std::move(vcpu), handlers_, exits_));
  }
  return {};
}

Result<void> VirtualMachine::load(const kvm::CpuidTable& cpuid, const plan::tee::LaunchPlan& plan) {
  launch::LaunchTarget target{vm_, {}, cpuid, *memory_};
  for (auto& vcpu : vcpus_) target.vcpus.push_back(&vcpu->vcpu());
  return launcher_->load(plan, target);
}

Result<void> VirtualMachine::connect_interrupt(int event_fd, uint32_t gsi) {
  return vm_.irqfd(event_fd, gsi);
}

Result<void> VirtualMachine::connect_notify(int event_fd, uint64_t address, uint64_t value) {
  return vm_.ioeventfd(event_fd, kvm::AddressSpace::mmio, address, 4, &value);
}

Result<void> VirtualMachine::run(const vcpu::VcpuThread::OnEnd& on_end, const ThreadSetup& setup) {
  for (auto& vcpu : vcpus_) {
    auto started = vcpu->start(on_end, setup);
    if (started.ok()) continue;
    stop();
    return started;
  }
  return {};
}

void VirtualMachine::stop() {
  for (auto& vcpu : vcpus_) vcpu->stop();
}

void VirtualMachine::pause() {
  for (auto& vcpu : vcpus_) vcpu->pause();
  for (auto& vcpu : vcpus_) vcpu->wait_until_paused();
}

void VirtualMachine::resume() {
  for (auto& vcpu : vcpus_) vcpu->resume();
}

void VirtualMachine::join() {
  for (auto& vcpu : vcpus_) vcpu->join();
}

}  // namespace bartizan::vmm::vcpu
