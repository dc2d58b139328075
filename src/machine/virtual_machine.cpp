#include "machine/virtual_machine.hpp"

#include "base/errors.hpp"
#include "vcpu/kick.hpp"
#include "vcpu/setup.hpp"

namespace bartizan::machine {
namespace {

// Three pages and one page that KVM needs on Intel hosts, in the hole below 4 GiB, away from
// devices and APICs.
constexpr uint64_t kTssAddress = 0xfffb'd000;
constexpr uint64_t kIdentityMapAddress = 0xfffb'c000;

std::vector<memory::Region> regions_of(const tee::LaunchPlan& plan) {
  std::vector<memory::Region> regions;
  for (const tee::RamRegion& region : plan.ram) regions.push_back({region.base, region.size});
  return regions;
}

Result<void> check_vcpu_limit(const kvm::System& system, size_t wanted) {
  int limit = TRY(system.check_extension(KVM_CAP_MAX_VCPUS));
  if (wanted >= 1 && (limit <= 0 || wanted <= static_cast<size_t>(limit))) return {};
  return make_error(ErrorCode::invalid_argument, "machine", "{} vCPUs: this host allows 1 to {}",
                    wanted, limit);
}

}  // namespace

VirtualMachine::VirtualMachine(std::unique_ptr<tee::Launcher> launcher, kvm::Vm vm,
                               std::unique_ptr<memory::GuestMemory> memory)
    : launcher_(std::move(launcher)), memory_(std::move(memory)), vm_(std::move(vm)) {
  set_handlers();
}

VirtualMachine::~VirtualMachine() {
  stop();
  join();
}

Result<std::unique_ptr<VirtualMachine>> VirtualMachine::create(
    std::shared_ptr<kvm::KernelApi> kernel, const std::filesystem::path& kvm_device,
    const tee::LaunchPlan& plan) {
  auto launcher = TRY(tee::make_launcher(plan.tee));
  TRY(vcpu::prepare_kick_signal());
  auto system = TRY(kvm::System::open(std::move(kernel), kvm_device));
  TRY(check_vcpu_limit(system, plan.cpus.size()));
  auto supported = TRY(system.supported_cpuid());
  auto vm = TRY(system.create_vm(launcher->vm_type()));
  auto memory = TRY(memory::GuestMemory::create(regions_of(plan), launcher->initial_page_state()));
  std::unique_ptr<VirtualMachine> machine(
      new VirtualMachine(std::move(launcher), std::move(vm), std::move(memory)));
  TRY(machine->prepare_vm(plan));
  TRY(machine->create_vcpus(supported, plan));
  return machine;
}

void VirtualMachine::set_handlers() {
  handlers_.pio = &pio_;
  handlers_.mmio = &mmio_;
  handlers_.page_state = [this](uint64_t address, uint64_t pages, bool make_private) {
    auto state = make_private ? memory::PageState::private_ : memory::PageState::shared;
    memory_->set_state({address}, pages, state);
  };
  handlers_.read_msr = [this](uint32_t index) { return launcher_->read_msr(index); };
  handlers_.write_msr = [this](uint32_t index, uint64_t value) {
    return launcher_->write_msr(index, value);
  };
}

Result<void> VirtualMachine::prepare_vm(const tee::LaunchPlan& plan) {
  TRY(launcher_->configure(vm_));
  if (TRY(vm_.check_extension(KVM_CAP_SET_TSS_ADDR)) > 0) TRY(vm_.set_tss_addr(kTssAddress));
  if (TRY(vm_.check_extension(KVM_CAP_SET_IDENTITY_MAP_ADDR)) > 0) {
    TRY(vm_.set_identity_map_addr(kIdentityMapAddress));
  }
  TRY(vm_.create_irqchip());
  TRY(launcher_->map_memory(vm_, *memory_));
  return launcher_->load(plan, *memory_);
}

// The boot processor gets the plan's registers; the others wait for its INIT and SIPI in KVM's
// reset state.
Result<void> VirtualMachine::create_vcpus(const kvm::CpuidTable& supported,
                                          const tee::LaunchPlan& plan) {
  auto count = static_cast<uint32_t>(plan.cpus.size());
  for (uint32_t id = 0; id < count; ++id) {
    auto vcpu = TRY(vm_.create_vcpu(id));
    auto table = vcpu::cpuid_of(supported, id, count);
    launcher_->edit_cpuid(table);
    TRY(vcpu.set_cpuid(table));
    TRY(vcpu::set_msrs(vcpu));
    if (id == 0) TRY(vcpu::set_registers(vcpu, plan.cpus[id]));
    vcpus_.push_back(std::make_unique<vcpu::VcpuThread>(std::move(vcpu), handlers_, exits_));
  }
  return {};
}

Result<void> VirtualMachine::connect_interrupt(int event_fd, uint32_t gsi) {
  return vm_.irqfd(event_fd, gsi);
}

Result<void> VirtualMachine::connect_notify(int event_fd, uint64_t address, uint64_t value) {
  return vm_.ioeventfd(event_fd, kvm::AddressSpace::mmio, address, 4, &value);
}

Result<void> VirtualMachine::run(vcpu::VcpuThread::OnEnd on_end) {
  for (auto& vcpu : vcpus_) {
    auto started = vcpu->start(on_end);
    if (started.ok()) continue;
    stop();
    return started;
  }
  return {};
}

void VirtualMachine::stop() {
  for (auto& vcpu : vcpus_) vcpu->stop();
}

void VirtualMachine::join() {
  for (auto& vcpu : vcpus_) vcpu->join();
}

}  // namespace bartizan::machine
