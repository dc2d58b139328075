// SEV-SNP through KVM (Linux Documentation/virt/kvm/x86/amd-memory-encryption.rst; SNP firmware
// ABI, chapter 8): INIT2, private memory in guest_memfds, LAUNCH_START, an UPDATE for each item of
// the plan in its order, FINISH, at which KVM measures one VMSA a vCPU.
#include <algorithm>

#include "base/errors.hpp"
#include "base/guest_address.hpp"
#include "base/units.hpp"
#include "plan/tee/snp/vmsa.hpp"
#include "vmm/launch/aligned_pages.hpp"
#include "vmm/launch/causes.hpp"
#include "vmm/launch/launcher.hpp"
#include "vmm/launch/private_memory.hpp"
#include "vmm/launch/sev/device.hpp"
#include "vmm/launch/snp/certificates.hpp"
#include "vmm/launch/snp/cpuid_page.hpp"

namespace bartizan::vmm::launch {
namespace {

using kvm::SevCommandId;

constexpr const char* kOrigin = "tee/snp";

// Pages that one UPDATE copies at a time: what a launch needs of memory beside the plan's own.
constexpr size_t kBatchPages = 256;

Result<void> check_id_block(const LaunchIdentity& binding) {
  bool none = binding.id_block.empty() && binding.id_auth.empty() && !binding.author_key;
  bool whole = binding.id_block.size() == kvm::kSnpIdBlockSize &&
               binding.id_auth.size() == kvm::kSnpIdAuthSize;
  if (none || whole) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin,
                    "ID block of {} and authentication of {} bytes: need {} and {}",
                    binding.id_block.size(), binding.id_auth.size(), kvm::kSnpIdBlockSize,
                    kvm::kSnpIdAuthSize);
}

class SnpLauncher final : public Launcher {
 public:
  explicit SnpLauncher(LauncherInputs inputs) : inputs_(std::move(inputs)), batch_(kBatchPages) {}

  unsigned long vm_type() const override { return static_cast<unsigned long>(kvm::VmType::snp); }
  memory::PageState initial_page_state() const override { return memory::PageState::private_; }
  Registers registers() const override { return Registers::all; }
  void edit_cpuid(kvm::CpuidTable& table) const override {
    sev::announce(table, sev::kCpuidSev | sev::kCpuidSevEs | sev::kCpuidSnp, inputs_.c_bit);
  }

  Result<void> check_host(const kvm::CpuidTable& supported) const override {
    return sev::check_c_bit(supported, inputs_.c_bit);
  }
  Result<void> configure(kvm::Vm& vm, const kvm::CpuidTable&) override;
  Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) override {
    return ram_.map(vm, memory);
  }
  Result<void> load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) override;
  Result<void> convert(kvm::Vm& vm, memory::GuestMemory& memory, GuestAddress address,
                       uint64_t pages, memory::PageState state) override {
    return ram_.convert(vm, memory, address, pages, state);
  }
  std::optional<uint64_t> read_msr(uint32_t) const override { return std::nullopt; }
  bool write_msr(uint32_t, uint64_t) override { return false; }
  std::vector<std::string> remarks() const override { return remarks_; }
  void request_certificates(memory::GuestMemory& memory, kvm::ExitSnpReqCerts& request) override {
    snp::give_certificates(inputs_.binding.certificate_table, memory, request);
  }

 private:
  kvm::FirmwareResult command(kvm::Vm& vm, SevCommandId id, void* data) const {
    return vm.sev(id, data, device_.get());
  }
  Result<void> enable_certificates(kvm::Vm& vm);
  Result<void> start(kvm::Vm& vm, uint64_t policy);
  Result<void> load_item(kvm::Vm& vm, const plan::tee::PlanItem& item);
  Result<void> load_cpuid(kvm::Vm& vm, const plan::tee::PlanItem& item,
                          const kvm::CpuidTable& cpuid);
  Result<void> update(kvm::Vm& vm, const std::string& what, kvm::SnpLaunchUpdate update);
  Result<void> finish(kvm::Vm& vm);

  LauncherInputs inputs_;
  UniqueFd device_;
  PrivateMemory ram_;
  AlignedPages batch_;
  std::vector<std::string> remarks_;
};

Result<void> SnpLauncher::configure(kvm::Vm& vm, const kvm::CpuidTable&) {
  TRY(check_id_block(inputs_.binding));
  if (!batch_.valid()) return errno_error(ENOMEM, kOrigin, "launch buffer");
  auto enabled = vm.enable_cap(kvm::kCapExitHypercall, {1ull << kvm::kHypercallMapGpaRange});
  TRY(explain(std::move(enabled), "KVM_ENABLE_CAP"));
  // KVM sets the bit "SNP active" itself, and refuses it from anybody else.
  uint64_t features = inputs_.guest_features & ~plan::tee::snp::kSnpActive;
  device_ = TRY(sev::initialise(*inputs_.kernel, vm, features));
  return inputs_.binding.certificate_table.empty() ? Result<void>() : enable_certificates(vm);
}

// A KVM without the command answers EINVAL, as it does to any that it does not know.
Result<void> SnpLauncher::enable_certificates(kvm::Vm& vm) {
  auto id = SevCommandId::snp_enable_req_certs;
  auto outcome = command(vm, id, nullptr);
  if (outcome.os_errno != EINVAL || inputs_.binding.require_certificates) {
    return explain(id, outcome);
  }
  remarks_.push_back(
      fmt::format("{}: {}: the guest gets no certificates with its reports, and asks the report "
                  "service for them",
                  kvm::request::sev(id).name, cause_of(kvm::request::sev(id).name, EINVAL)));
  return {};
}

Result<void> SnpLauncher::load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) {
  TRY(start(target.vm, plan.guest_policy));
  TRY(ram_.make_private(target.vm, target.memory));
  for (const plan::tee::PlanItem& item : plan.items) {
    TRY(item.kind == plan::tee::PageKind::cpuid ? load_cpuid(target.vm, item, target.cpuid)
                                                : load_item(target.vm, item));
  }
  return finish(target.vm);
}

Result<void> SnpLauncher::start(kvm::Vm& vm, uint64_t policy) {
  kvm::SnpLaunchStart wish;
  wish.policy = policy;
  auto id = SevCommandId::snp_launch_start;
  return explain(id, command(vm, id, &wish));
}

kvm::SnpLaunchUpdate piece_of(const plan::tee::PlanItem& item, uint64_t offset, uint64_t size) {
  kvm::SnpLaunchUpdate update;
  update.gfn_start = (item.address.value + offset) / kPageSize;
  update.len = size;
  update.type = static_cast<uint8_t>(item.kind);
  return update;
}

// Page kinds have the firmware's own numbers; what of an item has no bytes is zeros.
Result<void> SnpLauncher::load_item(kvm::Vm& vm, const plan::tee::PlanItem& item) {
  ByteView bytes = item.bytes == nullptr ? ByteView() : ByteView(*item.bytes);
  if (bytes.size() > item.size || item.kind == plan::tee::PageKind::vmsa) {
    return make_error(ErrorCode::internal, kOrigin, "plan item {}: {} bytes in a range of {}",
                      item.what, bytes.size(), item.size);
  }
  if (item.kind == plan::tee::PageKind::zero)
    return update(vm, item.what, piece_of(item, 0, item.size));
  for (uint64_t offset = 0; offset < item.size; offset += batch_.size()) {
    uint64_t size = std::min<uint64_t>(batch_.size(), item.size - offset);
    ByteView rest = bytes.subspan(std::min<uint64_t>(offset, bytes.size()));
    batch_.fill(rest.first(std::min<uint64_t>(size, rest.size())), size);
    auto piece = piece_of(item, offset, size);
    piece.uaddr = batch_.address();
    TRY(update(vm, item.what, piece));
  }
  return {};
}

// Success may be partial: KVM moves the fields on to what is left. Each round loads a page at
// least.
Result<void> SnpLauncher::update(kvm::Vm& vm, const std::string& what,
                                 kvm::SnpLaunchUpdate update) {
  auto id = SevCommandId::snp_launch_update;
  while (update.len != 0) {
    uint64_t before = update.len, gpa = update.gfn_start * kPageSize;
    auto done = explain(id, command(vm, id, &update));
    if (!done.ok()) {
      done.error().message += fmt::format(": {} at guest address {:#x}", what, gpa);
      return done;
    }
    if (update.len < before) continue;
    return make_error(ErrorCode::protocol, kOrigin, "{}: {} at {:#x}: no progress",
                      kvm::request::sev(id).name, what, gpa);
  }
  return {};
}

// The firmware refuses what the processor cannot do and hands back what it would take. That is
// taken once, and reported to the user: a page corrected behind everybody's back could hide a
// downgrade.
Result<void> SnpLauncher::load_cpuid(kvm::Vm& vm, const plan::tee::PlanItem& item,
                                     const kvm::CpuidTable& cpuid) {
  auto id = SevCommandId::snp_launch_update;
  Bytes asked = TRY(snp::cpuid_page(cpuid));
  batch_.fill(asked, kPageSize);
  auto wish = piece_of(item, 0, kPageSize);
  wish.uaddr = batch_.address();
  auto again = wish;
  auto outcome = command(vm, id, &wish);
  bool refused =
      outcome.os_errno == EIO &&
      outcome.firmware == static_cast<uint64_t>(kvm::SevFirmwareError::invalid_parameter);
  if (!refused) return explain(id, outcome);
  auto changes = TRY(snp::cpuid_page_changes(asked, {batch_.data(), kPageSize}));
  if (changes.empty()) return explain(id, outcome);
  for (auto& line : changes) remarks_.push_back("firmware corrected CPUID " + line);
  return update(vm, item.what, again);
}

Result<void> SnpLauncher::finish(kvm::Vm& vm) {
  LaunchIdentity& binding = inputs_.binding;
  kvm::SnpLaunchFinish wish;
  std::ranges::copy(binding.workload_digest, wish.host_data);
  if (!binding.id_block.empty()) {
    wish.id_block_en = 1;
    wish.auth_key_en = binding.author_key ? 1 : 0;
    wish.id_block_uaddr = reinterpret_cast<uint64_t>(binding.id_block.data());
    wish.id_auth_uaddr = reinterpret_cast<uint64_t>(binding.id_auth.data());
  }
  auto id = SevCommandId::snp_launch_finish;
  return explain(id, command(vm, id, &wish));
}

}  // namespace

std::unique_ptr<Launcher> make_snp_launcher(LauncherInputs inputs) {
  return std::make_unique<SnpLauncher>(std::move(inputs));
}

}  // namespace bartizan::vmm::launch
