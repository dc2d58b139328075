// SEV and SEV-ES through KVM (Linux Documentation/virt/kvm/x86/amd-memory-encryption.rst; SEV API
// specification): INIT2, all RAM pinned, LAUNCH_START with the owner's session, the plan's bytes
// encrypted in place in its order, with SEV-ES one VMSA a vCPU, MEASURE, which the owner judges and
// may answer with a secret, FINISH.
//
// The guest decides by its page tables what is encrypted; KVM does not inform the VMM, and a VMM
// that reads encrypted memory gets garbage. So page states come from the guest's hypercalls alone.
#include <algorithm>

#include "base/errors.hpp"
#include "base/units.hpp"
#include "plan/tee/sev/digest.hpp"
#include "vmm/launch/causes.hpp"
#include "vmm/launch/launcher.hpp"
#include "vmm/launch/sev/device.hpp"

namespace bartizan::vmm::launch {
namespace {

using kvm::SevCommandId;

constexpr const char* kOrigin = "tee/sev";
constexpr size_t kSecretHeaderBytes = 52;
constexpr uint64_t kCipherBlock = 16;

// LAUNCH_UPDATE_DATA takes 32 bits; a multiple of the page size below that.
constexpr uint64_t kMaxUpdateBytes = kGiB;

Result<void> check_binding(const LaunchIdentity& binding) {
  if (binding.owner_certificate.empty() == binding.session.empty()) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin,
                    "owner certificate of {} and session of {} bytes: both or neither",
                    binding.owner_certificate.size(), binding.session.size());
}

class SevLauncher final : public Launcher {
 public:
  SevLauncher(bool encrypted_state, LauncherInputs inputs)
      : es_(encrypted_state), inputs_(std::move(inputs)) {}

  unsigned long vm_type() const override {
    return static_cast<unsigned long>(es_ ? kvm::VmType::sev_es : kvm::VmType::sev);
  }
  memory::PageState initial_page_state() const override { return memory::PageState::private_; }
  Registers registers() const override { return es_ ? Registers::all : Registers::boot_processor; }
  void edit_cpuid(kvm::CpuidTable& table) const override {
    sev::announce(table, sev::kCpuidSev | (es_ ? sev::kCpuidSevEs : 0), inputs_.c_bit);
  }
  Result<void> check_host(const kvm::CpuidTable& supported) const override {
    return sev::check_c_bit(supported, inputs_.c_bit);
  }
  Result<void> configure(kvm::Vm& vm, const kvm::CpuidTable&) override;
  Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) override {
    return map_regions(vm, memory, 0, 0);
  }
  Result<void> load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) override;
  std::optional<uint64_t> read_msr(uint32_t) const override { return std::nullopt; }
  bool write_msr(uint32_t, uint64_t) override { return false; }

 private:
  Result<void> command(kvm::Vm& vm, SevCommandId id, void* data) const {
    return explain(id, vm.sev(id, data, device_.get()));
  }
  Result<void> start(kvm::Vm& vm, uint64_t policy);
  Result<void> pin(kvm::Vm& vm, const memory::GuestMemory& memory) const;
  Result<void> load_item(kvm::Vm& vm, memory::GuestMemory& memory,
                         const plan::tee::PlanItem& item) const;
  Result<SevMeasurement> measure(kvm::Vm& vm) const;
  Result<void> ask_owner(const LaunchTarget& target, const SevMeasurement& measurement) const;
  Result<void> inject(kvm::Vm& vm, memory::GuestMemory& memory, const SevSecret& secret) const;

  bool es_;
  LauncherInputs inputs_;
  UniqueFd device_;
};

Result<void> SevLauncher::configure(kvm::Vm& vm, const kvm::CpuidTable&) {
  TRY(check_binding(inputs_.binding));
  auto enabled = vm.enable_cap(kvm::kCapExitHypercall, {1ull << kvm::kHypercallMapGpaRange});
  TRY(explain(std::move(enabled), "KVM_ENABLE_CAP"));
  device_ = TRY(sev::initialise(*inputs_.kernel, vm, inputs_.guest_features));
  return {};
}

Result<void> SevLauncher::load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) {
  TRY(start(target.vm, plan.guest_policy));
  TRY(pin(target.vm, target.memory));
  for (const plan::tee::PlanItem& item : plan.items) TRY(load_item(target.vm, target.memory, item));
  if (es_) TRY(command(target.vm, SevCommandId::launch_update_vmsa, nullptr));
  auto measurement = TRY(measure(target.vm));
  if (inputs_.binding.owner) TRY(ask_owner(target, measurement));
  return command(target.vm, SevCommandId::launch_finish, nullptr);
}

Result<void> SevLauncher::ask_owner(const LaunchTarget& target,
                                    const SevMeasurement& measurement) const {
  auto answer = inputs_.binding.owner(measurement);
  if (!answer.ok()) return std::move(answer).error();
  return answer->has_value() ? inject(target.vm, target.memory, **answer) : Result<void>();
}

Result<void> SevLauncher::start(kvm::Vm& vm, uint64_t policy) {
  const LaunchIdentity& binding = inputs_.binding;
  kvm::SevLaunchStart wish;
  wish.policy = static_cast<uint32_t>(policy);
  if (!binding.session.empty()) {
    wish.dh_uaddr = reinterpret_cast<uint64_t>(binding.owner_certificate.data());
    wish.dh_len = static_cast<uint32_t>(binding.owner_certificate.size());
    wish.session_uaddr = reinterpret_cast<uint64_t>(binding.session.data());
    wish.session_len = static_cast<uint32_t>(binding.session.size());
  }
  return command(vm, SevCommandId::launch_start, &wish);
}

// Encrypted pages must not move: what is read at another place decrypts to garbage.
Result<void> SevLauncher::pin(kvm::Vm& vm, const memory::GuestMemory& memory) const {
  for (size_t i = 0; i < memory.regions().size(); ++i) {
    auto pinned = vm.register_encrypted_region(memory.host_address(i), memory.regions()[i].size);
    TRY(explain(std::move(pinned), "KVM_MEMORY_ENCRYPT_REG_REGION"));
  }
  return {};
}

// RAM is zero before the launch, so zero items and what lies behind an item's bytes are there
// already; both are measured, and encrypted, as bytes.
Result<void> SevLauncher::load_item(kvm::Vm& vm, memory::GuestMemory& memory,
                                    const plan::tee::PlanItem& item) const {
  if (!plan::tee::sev::is_loaded(item)) return {};
  ByteView bytes = item.bytes == nullptr ? ByteView() : ByteView(*item.bytes);
  auto places = memory.ram_in(item.address, item.size / kPageSize);
  bool fits = places.size() == 1 && places[0].size == item.size && bytes.size() <= item.size;
  if (!fits) {
    return make_error(ErrorCode::internal, kOrigin, "plan item {}: {:#x}+{:#x} with {} bytes",
                      item.what, item.address.value, item.size, bytes.size());
  }
  if (item.kind == plan::tee::PageKind::normal) TRY(memory.load(item.address, bytes));
  const auto& region = memory.regions()[places[0].region];
  uint8_t* host = memory.host_address(places[0].region) + (item.address.value - region.base.value);
  for (uint64_t offset = 0; offset < item.size; offset += kMaxUpdateBytes) {
    kvm::SevLaunchUpdateData update;
    update.uaddr = reinterpret_cast<uint64_t>(host + offset);
    update.len = static_cast<uint32_t>(std::min(kMaxUpdateBytes, item.size - offset));
    TRY(command(vm, SevCommandId::launch_update_data, &update));
  }
  return {};
}

Result<SevMeasurement> SevLauncher::measure(kvm::Vm& vm) const {
  SevMeasurement measurement;
  std::array<uint8_t, sizeof measurement.measure + sizeof measurement.nonce> blob{};
  kvm::SevLaunchMeasure wish;
  wish.uaddr = reinterpret_cast<uint64_t>(blob.data());
  wish.len = blob.size();
  TRY(command(vm, SevCommandId::launch_measure, &wish));
  auto nonce = blob.begin() + sizeof measurement.measure;
  std::copy(blob.begin(), nonce, measurement.measure.begin());
  std::copy(nonce, blob.end(), measurement.nonce.begin());
  return measurement;
}

// One page: KVM wants physically contiguous memory, and more than a page seldom is.
Result<void> SevLauncher::inject(kvm::Vm& vm, memory::GuestMemory& memory,
                                 const SevSecret& secret) const {
  uint64_t at = secret.guest_address, size = secret.ciphertext.size();
  bool shape = secret.header.size() == kSecretHeaderBytes && size != 0 &&
               size % kCipherBlock == 0 && at % kCipherBlock == 0 &&
               at % kPageSize + size <= kPageSize;
  auto places = memory.ram_in({at}, 1);
  if (!shape || places.size() != 1) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "launch secret: header of {} and {} bytes at guest address {:#x}: need a "
                      "header of {}, blocks of {} within one page of RAM",
                      secret.header.size(), size, at, kSecretHeaderBytes, kCipherBlock);
  }
  const auto& region = memory.regions()[places[0].region];
  kvm::SevLaunchSecret wish;
  wish.hdr_uaddr = reinterpret_cast<uint64_t>(secret.header.data());
  wish.hdr_len = static_cast<uint32_t>(secret.header.size());
  wish.guest_uaddr =
      reinterpret_cast<uint64_t>(memory.host_address(places[0].region)) + (at - region.base.value);
  wish.guest_len = wish.trans_len = static_cast<uint32_t>(size);
  wish.trans_uaddr = reinterpret_cast<uint64_t>(secret.ciphertext.data());
  return command(vm, SevCommandId::launch_secret, &wish);
}

}  // namespace

std::unique_ptr<Launcher> make_sev_launcher(bool encrypted_state, LauncherInputs inputs) {
  return std::make_unique<SevLauncher>(encrypted_state, std::move(inputs));
}

}  // namespace bartizan::vmm::launch
