// TDX as KVM and the TDX module play it. Sources: Linux Documentation/virt/kvm/x86/intel-tdx.rst,
// arch/x86/kvm/vmx/ tdx.c (which errno, in which order); Intel "TDX Module Base Architecture
// Specification" (MRTD) and "Guest-Host- Communication Interface" (TDVMCALL).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fakes/tee_kernel_vm.hpp"

namespace bartizan::fakes {
namespace {

using vmm::kvm::TdxCommandId;

constexpr uint64_t kOperandInvalid = 0xc000010000000000;
constexpr uint64_t kExtendBytes = 256;  // TDH.MR.EXTEND
constexpr uint64_t kMapGpaPiece = 2 * 1024 * 1024;
constexpr uint32_t kLeaf1X2apic = 1u << 21;

struct Leaf {
  uint32_t function, index;
  bool operator==(const Leaf&) const = default;
};
Leaf leaf(const kvm_cpuid_entry2& entry) {
  return {entry.function, entry.index};
}

// "Emulated" MSRs: those that KVM keeps for a TD. Set by the VMM they are remembered, all others
// are the module's.
bool emulated_msr(uint32_t index) {
  constexpr std::pair<uint32_t, uint32_t> kRanges[] = {{0x17, 0x17},
                                                       {0x8b, 0x8b},
                                                       {0xce, 0xce},
                                                       {0xfe, 0xfe},
                                                       {0x140, 0x140},
                                                       {0x179, 0x17b},
                                                       {0x1a0, 0x1a0},
                                                       {0x1fc, 0x1fc},
                                                       {0x200, 0x20f},
                                                       {0x250, 0x250},
                                                       {0x258, 0x259},
                                                       {0x268, 0x26f},
                                                       {0x277, 0x277},
                                                       {0x280, 0x29f},
                                                       {0x2ff, 0x2ff},
                                                       {0x400, 0x47f},
                                                       {0x6e0, 0x6e0},
                                                       {0x800, 0x8ff},
                                                       {0x4b564d00, 0x4b564dff}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [index](auto range) { return index >= range.first && index <= range.second; });
}

class TdxVm : public TeeVm {
 public:
  explicit TdxVm(TeeShared& shared) : TeeVm(vmm::kvm::VmType::tdx, shared) {}

 protected:
  int encrypt_op(uint64_t argument) override;
  int vcpu_encrypt_op(TeeVcpu& vcpu, uint64_t argument) override;
  int may_create_vcpu() override;
  void created(TeeVcpu& vcpu) override { vcpu.state_protected = true; }
  bool ready_to_run(const TeeVcpu& vcpu) const override {
    return vcpu.initialised && state_ == State::runnable;
  }
  bool allows_msr(uint32_t index) const override { return emulated_msr(index); }
  bool private_needs_attribute() const override { return true; }
  int unvalidated(TeeVcpu& vcpu, uint64_t gpa) override;
  void page_state_refused(TeeVcpu& vcpu) override;
  uint64_t max_map_gpa() const override { return kMapGpaPiece; }
  void fill_tdvmcall(TeeVcpu& vcpu, const GuestStep& step) override;
  void check_tdvmcall(TeeVcpu& vcpu, const GuestStep& step) override;

 private:
  enum class State { uninitialised, initialised, runnable };
  bool shared_bit_set(uint64_t gpa) const { return gpa >> (address_bits_ - 1) != 0; }
  int execute(vmm::kvm::TdxCommand& command);
  int capabilities(const vmm::kvm::TdxCommand& command);
  int init_vm(vmm::kvm::TdxCommand& command);
  int check_init(const vmm::kvm::TdxInitVm& init) const;
  int check_cpuid(const std::vector<kvm_cpuid_entry2>& entries, vmm::kvm::TdxCommand& command);
  int finalize(const vmm::kvm::TdxCommand& command);
  int init_vcpu(TeeVcpu& vcpu, const vmm::kvm::TdxCommand& command);
  int get_cpuid(TeeVcpu& vcpu, const vmm::kvm::TdxCommand& command);
  int init_region(TeeVcpu& vcpu, const vmm::kvm::TdxCommand& command);
  int check_region(const vmm::kvm::TdxInitMemRegion& region) const;
  int add_page(const vmm::kvm::TdxInitMemRegion& region, bool measure);
  void check_quote_buffer(uint64_t gpa, uint64_t size, uint64_t answer);

  State state_ = State::uninitialised;
  uint32_t address_bits_ = 48;
  TdxChain mrtd_;
  PageSet added_;
};

int TdxVm::may_create_vcpu() {
  if (state_ != State::initialised) return -EIO;
  return irqchip_split() ? 0 : -EINVAL;
}

int TdxVm::encrypt_op(uint64_t argument) {
  vmm::kvm::TdxCommand command;
  if (!user_.read(argument, command)) return -EFAULT;
  if (command.hw_error != 0) return -EINVAL;
  int result = execute(command);
  return user_.write(argument, command) ? result : -EFAULT;
}

int TdxVm::execute(vmm::kvm::TdxCommand& command) {
  switch (static_cast<TdxCommandId>(command.id)) {
    case TdxCommandId::capabilities:
      return capabilities(command);
    case TdxCommandId::init_vm:
      return init_vm(command);
    case TdxCommandId::finalize_vm:
      return finalize(command);
    default:
      return -EINVAL;
  }
}

int TdxVm::capabilities(const vmm::kvm::TdxCommand& command) {
  vmm::kvm::TdxCapabilities answer;
  uint64_t entries_at = command.data + sizeof answer;
  if (command.flags != 0) return -EINVAL;
  if (!user_.read(command.data + offsetof(vmm::kvm::TdxCapabilities, cpuid), answer.cpuid)) {
    return -EFAULT;
  }
  const auto& entries = host_.tdx_configurable;
  shared_.detail = fmt::format("nent={}", answer.cpuid.count);
  if (answer.cpuid.count < entries.size()) return -E2BIG;
  answer.cpuid = {static_cast<uint32_t>(entries.size()), 0};
  answer.supported_attrs = host_.tdx_attributes;
  answer.supported_xfam = host_.tdx_xfam;
  answer.user_tdvmcallinfo_1_r11 = 1 << 1;  // SetupEventNotifyInterrupt
  bool copied = user_.write(command.data, answer) &&
                user_.write(entries_at, entries.data(), entries.size() * sizeof entries[0]);
  return copied ? 0 : -EFAULT;
}

int TdxVm::check_init(const vmm::kvm::TdxInitVm& init) const {
  for (uint64_t reserved : init.reserved) {
    if (reserved != 0) return -EINVAL;
  }
  if (init.cpuid.padding != 0) return -EINVAL;
  if ((init.attributes & ~host_.tdx_attributes) != 0) return -EINVAL;
  return (init.xfam & ~host_.tdx_xfam) != 0 ? -EINVAL : 0;
}

int TdxVm::init_vm(vmm::kvm::TdxCommand& command) {
  if (state_ != State::uninitialised || command.flags != 0) return -EINVAL;
  vmm::kvm::TdxInitVm init;
  if (!user_.read(command.data, init)) return -EFAULT;
  shared_.detail =
      fmt::format("attributes={:#x} xfam={:#x} mrconfigid={} cpuids={}", init.attributes, init.xfam,
                  short_hash(init.mrconfigid), init.cpuid.count);
  if (init.cpuid.count > vmm::kvm::kTdxMaxInitCpuids) return -E2BIG;
  std::vector<kvm_cpuid_entry2> entries(init.cpuid.count);
  uint64_t entries_at = command.data + sizeof init;
  if (!user_.read(entries_at, entries.data(), entries.size() * sizeof(kvm_cpuid_entry2))) {
    return -EFAULT;
  }
  if (int bad = check_init(init); bad != 0) return bad;
  if (int bad = check_cpuid(entries, command); bad != 0) return bad;
  state_ = State::initialised;
  record_.attributes = init.attributes;
  record_.xfam = init.xfam;
  record_.host_data.assign(std::begin(init.mrconfigid), std::end(init.mrconfigid));
  record_.owner.assign(std::begin(init.mrowner), std::end(init.mrowner));
  record_.owner_config.assign(std::begin(init.mrownerconfig), std::end(init.mrownerconfig));
  if ((init.attributes & vmm::kvm::kTdxAttributeSeptVeDisable) == 0) {
    shared_.find("TD without SEPT_VE_DISABLE: Linux guests refuse to start in it");
  }
  return 0;
}

int TdxVm::check_cpuid(const std::vector<kvm_cpuid_entry2>& entries,
                       vmm::kvm::TdxCommand& command) {
  constexpr uint32_t kTsx = 1u << 4 | 1u << 11, kWaitpkg = 1u << 5;
  const auto& known = host_.tdx_configurable;
  uint32_t bits = 0;
  bool refused_by_module = false;
  for (const auto& entry : entries) {
    auto same = [&entry](const auto& other) { return leaf(other) == leaf(entry); };
    auto config = std::find_if(known.begin(), known.end(), same);
    if (config == known.end()) return -EINVAL;
    if (entry.function == 0x80000008) bits = entry.eax >> 16 & 0xff;
    if (entry.function == 7 && entry.index == 0 &&
        ((entry.ebx & kTsx) != 0 || (entry.ecx & kWaitpkg) != 0)) {
      return -EINVAL;
    }
    refused_by_module |= ((entry.eax & ~config->eax) | (entry.ebx & ~config->ebx) |
                          (entry.ecx & ~config->ecx) | (entry.edx & ~config->edx)) != 0;
  }
  if (bits != 48 && bits != 52) return -EINVAL;
  if (bits == 52 && !host_.tdx_five_level_ept) return -EINVAL;
  if (refused_by_module) {
    command.hw_error = kOperandInvalid;
    return -EINVAL;
  }
  address_bits_ = bits;
  return 0;
}

int TdxVm::finalize(const vmm::kvm::TdxCommand& command) {
  if (state_ != State::initialised || command.flags != 0) return -EINVAL;
  if (host_.tdx_busy) return -EBUSY;
  auto digest = mrtd_.value();
  record_.digest.assign(digest.begin(), digest.end());
  record_.finished = true;
  state_ = State::runnable;
  for (const auto& [id, slot] : memory_.slots()) {
    auto missing = memory_.private_pages().first_missing(slot.gpa / kPage, slot.size / kPage);
    if (slot.file && missing) {
      shared_.find(fmt::format("slot {}: {:#x} is not private at FINALIZE", id, *missing * kPage));
    }
  }
  for (const auto& [id, vcpu] : vcpus_) {
    if (!vcpu.initialised) shared_.find(fmt::format("vcpu {}: no INIT_VCPU before FINALIZE", id));
  }
  if (vcpus_.empty()) shared_.find("TD finalised without a vCPU");
  return 0;
}

int TdxVm::vcpu_encrypt_op(TeeVcpu& vcpu, uint64_t argument) {
  if (state_ != State::initialised) return -EINVAL;
  vmm::kvm::TdxCommand command;
  if (!user_.read(argument, command)) return -EFAULT;
  if (command.hw_error != 0) return -EINVAL;
  switch (static_cast<TdxCommandId>(command.id)) {  // hw_error is not copied back
    case TdxCommandId::init_vcpu:
      return init_vcpu(vcpu, command);
    case TdxCommandId::init_mem_region:
      return init_region(vcpu, command);
    case TdxCommandId::get_cpuid:
      return get_cpuid(vcpu, command);
    default:
      return -EINVAL;
  }
}

int TdxVm::init_vcpu(TeeVcpu& vcpu, const vmm::kvm::TdxCommand& command) {
  shared_.detail = fmt::format("rcx={:#x}", command.data);
  if (command.flags != 0 || vcpu.initialised) return -EINVAL;
  bool x2apic = std::any_of(vcpu.cpuid.begin(), vcpu.cpuid.end(), [](const auto& entry) {
    return entry.function == 1 && (entry.ecx & kLeaf1X2apic) != 0;
  });
  if (!x2apic) return -EINVAL;
  vcpu.initialised = true;
  vcpu.initial_rcx = command.data;
  return 0;
}

int TdxVm::get_cpuid(TeeVcpu& vcpu, const vmm::kvm::TdxCommand& command) {
  vmm::kvm::CpuidHead head;
  if (command.flags != 0) return -EINVAL;
  if (!user_.read(command.data, head)) return -EFAULT;
  if (head.count < vcpu.cpuid.size()) return -E2BIG;
  head = {static_cast<uint32_t>(vcpu.cpuid.size()), 0};
  bool copied =
      user_.write(command.data, head) && user_.write(command.data + sizeof head, vcpu.cpuid.data(),
                                                     vcpu.cpuid.size() * sizeof(kvm_cpuid_entry2));
  return copied ? 0 : -EFAULT;
}

int TdxVm::check_region(const vmm::kvm::TdxInitMemRegion& region) const {
  if (region.source_addr == 0 || region.source_addr % kPage != 0 || region.gpa % kPage != 0) {
    return -EINVAL;
  }
  uint64_t limit = 1ull << (address_bits_ - 1);  // the shared bit
  if (region.nr_pages == 0 || region.nr_pages > limit / kPage || region.gpa >= limit) {
    return -EINVAL;
  }
  return region.gpa + region.nr_pages * kPage > limit ? -EINVAL : 0;
}

int TdxVm::init_region(TeeVcpu& vcpu, const vmm::kvm::TdxCommand& command) {
  if (!vcpu.initialised) return -EINVAL;
  if ((command.flags & ~vmm::kvm::kTdxMeasureMemoryRegion) != 0) return -EINVAL;
  vmm::kvm::TdxInitMemRegion region;
  if (!user_.read(command.data, region)) return -EFAULT;
  shared_.detail =
      fmt::format("gpa={:#x} pages={} measure={}", region.gpa, region.nr_pages, command.flags);
  if (int bad = check_region(region); bad != 0) return bad;
  int result = 0;
  for (uint64_t done = 0; region.nr_pages != 0 && result == 0; ++done) {
    bool signal = host_.interrupt_after_pages != 0 && done == host_.interrupt_after_pages;
    result = signal ? -EINTR : add_page(region, command.flags != 0);
    if (result != 0) break;
    region.source_addr += kPage;
    region.gpa += kPage;
    --region.nr_pages;
  }
  if (region.nr_pages != 0) shared_.detail += fmt::format(" left={}", region.nr_pages);
  return user_.write(command.data, region) ? result : -EFAULT;
}

// TDH.MEM.PAGE.ADD, then, if wanted, TDH.MR.EXTEND of each chunk: MRTD depends on this order.
int TdxVm::add_page(const vmm::kvm::TdxInitMemRegion& region, bool measure) {
  uint64_t number = region.gpa / kPage;
  const Slot* slot = memory_.find(region.gpa);
  if (slot == nullptr || !slot->file || !memory_.is_private(number)) return -EINVAL;
  if (added_.contains(number)) return -EIO;
  Page page;
  if (!user_.read(region.source_addr, page)) return -EFAULT;
  mrtd_.page_add(region.gpa);
  for (uint64_t at = 0; measure && at < kPage; at += kExtendBytes) {
    mrtd_.extend(region.gpa + at,
                 std::span<const uint8_t, kExtendBytes>(page.data() + at, kExtendBytes));
  }
  record_.loaded.push_back({region.gpa, kPage, measure});
  contents_[number] = page;
  added_.insert(number, 1);
  validated_.insert(number, 1);
  memory_.allocate_private(region.gpa);
  return 0;
}

int TdxVm::unvalidated(TeeVcpu& vcpu, uint64_t gpa) {
  shared_.find(fmt::format("vcpu {}: {:#x}: touched before ACCEPT", vcpu.id, gpa));
  vcpu.dead = true;
  return -EIO;
}

void TdxVm::page_state_refused(TeeVcpu& vcpu) {
  constexpr uint32_t kRegisters = 16;
  vcpu.run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
  vcpu.run->system_event.type = vmm::kvm::kSystemEventTdxFatal;
  vcpu.run->system_event.ndata = kRegisters;
  std::memset(vcpu.run->system_event.data, 0, kRegisters * sizeof(uint64_t));
  vcpu.dead = true;
}

void TdxVm::fill_tdvmcall(TeeVcpu& vcpu, const GuestStep& step) {
  vcpu.run->exit_reason = vmm::kvm::kExitTdx;
  auto* exit = reinterpret_cast<vmm::kvm::ExitTdx*>(reinterpret_cast<uint8_t*>(vcpu.run) +
                                                    vmm::kvm::kExitDataOffset);
  *exit = {};
  exit->nr = step.gpa;
  bool info = exit->nr == vmm::kvm::kTdvmcallGetInfo;
  exit->ret = info ? vmm::kvm::kTdvmcallSuccess : vmm::kvm::kTdvmcallSubfunctionUnsupported;
  size_t count = std::min(step.arguments.size(), std::size(exit->raw));
  std::copy_n(step.arguments.begin(), count, exit->raw);
}

void TdxVm::check_tdvmcall(TeeVcpu& vcpu, const GuestStep& step) {
  uint64_t answer = vcpu.answers.back();
  if (step.gpa == vmm::kvm::kTdvmcallGetQuote && step.arguments.size() == 2) {
    check_quote_buffer(step.arguments[0], step.arguments[1], answer);
  }
}

// The guest polls the buffer's status: 0 tells it that a quote is ready, which may have come
// already.
void TdxVm::check_quote_buffer(uint64_t gpa, uint64_t size, uint64_t answer) {
  constexpr uint64_t kStatusAt = 8, kOutLengthAt = 20;
  bool bad = gpa % kPage != 0 || size % kPage != 0 || size == 0;
  for (uint64_t at = gpa; !bad && at < gpa + size; at += kPage) {
    bad = memory_.find(at) == nullptr || memory_.is_private(at / kPage);
  }
  if (bad && answer == vmm::kvm::kTdvmcallSuccess) {
    shared_.find(
        fmt::format("{:#x}: GetQuote accepted with a buffer that is not shared RAM or not "
                    "whole pages",
                    gpa));
  }
  if (bad || answer != vmm::kvm::kTdvmcallSuccess) return;
  const Slot* slot = memory_.find(gpa);
  const uint64_t buffer = slot->hva + (gpa - slot->gpa);
  uint64_t status = 0;
  uint32_t length = 0;
  bool read = user_.read(buffer + kStatusAt, status) && user_.read(buffer + kOutLengthAt, length);
  if (!read || (status == 0 && length == 0)) {
    shared_.find(fmt::format("{:#x}: GetQuote accepted, but the status says that it is done", gpa));
  }
}

}  // namespace

std::vector<kvm_cpuid_entry2> TeeHost::default_tdx_configurable() {
  auto entry = [](uint32_t function, uint32_t index, std::array<uint32_t, 4> bits) {
    kvm_cpuid_entry2 made{};
    made.function = function;
    made.index = index;
    made.flags = function == 7 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    made.eax = bits[0];
    made.ebx = bits[1];
    made.ecx = bits[2];
    made.edx = bits[3];
    return made;
  };
  return {entry(1, 0, {0x0fff3fff, 0x00ff0000, 0x31044988, 0x82500000}),
          entry(7, 0, {0, 0xd02b9b18, 0x02417f64, 0x00054010}),
          entry(0x80000008, 0, {0x00ff0000, 0, 0, 0})};
}

std::unique_ptr<TeeVm> make_tdx_vm(TeeShared& shared) {
  return std::make_unique<TdxVm>(shared);
}

}  // namespace bartizan::fakes
