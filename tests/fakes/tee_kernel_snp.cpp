// SEV-SNP as KVM and the SNP firmware play it. Sources: Linux
// Documentation/virt/kvm/x86/amd-memory-encryption.rst, arch/x86/kvm/svm/sev.c (which errno, and
// partial success of LAUNCH_UPDATE), virt/kvm/guest_memfd.c; AMD "SEV Secure Nested Paging Firmware
// ABI".
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fakes/tee_kernel_firmware.hpp"
#include "fakes/tee_kernel_sev.hpp"

namespace bartizan::fakes {
namespace {

using vmm::kvm::SevCommandId;
using vmm::kvm::SevFirmwareError;
using vmm::kvm::SnpPageType;

constexpr uint64_t kPolicyMustBeOne = 1 << 17;
constexpr uint32_t kMaxCpuidPageEntries = 64;
constexpr size_t kCpuidEntriesAt = 16;

bool known_type(uint8_t type) {
  return type == 1 || (type >= 3 && type <= 6);
}

class SnpVm : public SevVm {
 public:
  explicit SnpVm(TeeShared& shared) : SevVm(vmm::kvm::VmType::snp, shared) {}

 protected:
  // After INIT2 only SNP's own commands. (SEV_INIT2 itself below 100 is then refused, too.)
  bool allowed(uint32_t id) const override { return !active_ || id >= 100; }
  int execute(vmm::kvm::SevCommand& command) override;
  bool private_needs_attribute() const override { return true; }
  int unvalidated(TeeVcpu& vcpu, uint64_t gpa) override;
  bool certs_enabled() const override { return certs_; }
  std::vector<uint8_t> read_private(uint64_t gpa, uint64_t size) override {
    return TeeVm::read_private(gpa, size);
  }
  void write_private(uint64_t gpa, std::span<const uint8_t> plain) override {
    TeeVm::write_private(gpa, plain);
  }

 private:
  int start(vmm::kvm::SevCommand& command);
  int update(vmm::kvm::SevCommand& command);
  uint64_t load_pages(const vmm::kvm::SnpLaunchUpdate& update, uint64_t pages,
                      vmm::kvm::SevCommand& command);
  bool load_page(const vmm::kvm::SnpLaunchUpdate& update, uint64_t index,
                 vmm::kvm::SevCommand& command);
  SevFirmwareError accept_cpuid(Page& page, uint64_t source);
  bool correct(CpuidPageEntry& entry) const;
  int finish(vmm::kvm::SevCommand& command);
  int check_id_block(const vmm::kvm::SnpLaunchFinish& finish, vmm::kvm::SevCommand& command);
  void lint();

  bool context_ = false;
  bool certs_ = false;
  SnpChain chain_;
  PageSet added_;
};

int SnpVm::execute(vmm::kvm::SevCommand& command) {
  switch (static_cast<SevCommandId>(command.id)) {
    case SevCommandId::snp_launch_start:
      return active_ ? start(command) : -ENOTTY;
    case SevCommandId::snp_launch_update:
      return update(command);
    case SevCommandId::snp_launch_finish:
      return active_ ? finish(command) : -ENOTTY;
    case SevCommandId::snp_enable_req_certs:
      if (!active_) return -ENOTTY;
      if (!host_.snp_certs || !vcpus_.empty()) return -EINVAL;
      certs_ = true;
      return 0;
    default:
      return active_ ? -EINVAL : SevVm::execute(command);
  }
}

int SnpVm::start(vmm::kvm::SevCommand& command) {
  vmm::kvm::SnpLaunchStart start;
  if (!user_.read(command.data, start)) return -EFAULT;
  shared_.detail = fmt::format("policy={:#x} flags={:#x}", start.policy, start.flags);
  if (context_ || start.flags != 0) return -EINVAL;
  if ((start.policy & ~host_.snp_policy_bits) != 0) return -EINVAL;
  if ((start.policy & kPolicyMustBeOne) == 0) return -EINVAL;
  if (!shared_.is_sev_device(command.sev_fd)) return -ENOTTY;  // the guest context cannot be made
  unsigned major = start.policy >> 8 & 0xff, minor = start.policy & 0xff;
  if (major > host_.firmware_api_major ||
      (major == host_.firmware_api_major && minor > host_.firmware_api_minor)) {
    return firmware_says(command, SevFirmwareError::policy_failure);
  }
  context_ = true;
  device_ = command.sev_fd;
  record_.policy = start.policy;
  return firmware_says(command, SevFirmwareError::success);
}

int SnpVm::update(vmm::kvm::SevCommand& command) {
  vmm::kvm::SnpLaunchUpdate update;
  if (!context_) return -EINVAL;
  if (!user_.read(command.data, update)) return -EFAULT;
  shared_.detail =
      fmt::format("gpa={:#x} len={:#x} type={}", update.gfn_start * kPage, update.len, update.type);
  bool with_source = static_cast<SnpPageType>(update.type) != SnpPageType::zero;
  if (update.len == 0 || update.len % kPage != 0 || update.flags != 0) return -EINVAL;
  if (!known_type(update.type)) return -EINVAL;
  if (with_source && (update.uaddr == 0 || update.uaddr % kPage != 0)) return -EINVAL;
  uint64_t gpa = update.gfn_start * kPage;
  const Slot* slot = memory_.find(gpa);
  if (update.gfn_start >> 40 != 0 || slot == nullptr || !slot->file) return -EINVAL;
  uint64_t space = (slot->gpa + slot->size - gpa) / kPage;
  command.error = 0;
  uint64_t done = load_pages(update, std::min(update.len / kPage, space), command);
  if (done == 0) return -EIO;
  update.gfn_start += done;
  update.len -= done * kPage;
  if (with_source) update.uaddr += done * kPage;
  if (update.len != 0) shared_.detail += fmt::format(" left={:#x}", update.len);
  return user_.write(command.data, update) ? 0 : -EFAULT;
}

uint64_t SnpVm::load_pages(const vmm::kvm::SnpLaunchUpdate& update, uint64_t pages,
                           vmm::kvm::SevCommand& command) {
  uint64_t done = 0;
  while (done < pages) {
    bool signal = host_.interrupt_after_pages != 0 && done == host_.interrupt_after_pages;
    if (signal || !load_page(update, done, command)) break;
    ++done;
  }
  return done;
}

// False: this page was refused; command.error tells if the firmware did it.
bool SnpVm::load_page(const vmm::kvm::SnpLaunchUpdate& update, uint64_t index,
                      vmm::kvm::SevCommand& command) {
  uint64_t number = update.gfn_start + index, source = update.uaddr + index * kPage;
  if (!memory_.is_private(number) || added_.contains(number)) return false;
  Page page{};
  auto type = static_cast<SnpPageType>(update.type);
  if (type != SnpPageType::zero && !user_.read(source, page)) return false;
  if (!shared_.is_sev_device(command.sev_fd)) return false;  // the firmware is not reached
  auto answer = SevFirmwareError::success;
  if (record_.finished) answer = SevFirmwareError::invalid_guest_state;
  if (answer == SevFirmwareError::success && type == SnpPageType::cpuid) {
    answer = accept_cpuid(page, source);
  }
  command.error = static_cast<uint32_t>(answer);
  if (answer != SevFirmwareError::success) return false;
  chain_.add(update.type, number * kPage, page);
  record_.digest.assign(chain_.value().begin(), chain_.value().end());
  record_.loaded.push_back({number * kPage, kPage, update.type});
  if (type == SnpPageType::secrets) page = Page{};  // the firmware writes its own: see lint()
  contents_[number] = page;
  added_.insert(number, 1);
  validated_.insert(number, 1);
  memory_.allocate_private(number * kPage);
  return true;
}

// The firmware compares with what the processor can do; on refusal KVM hands the corrected page
// back.
SevFirmwareError SnpVm::accept_cpuid(Page& page, uint64_t source) {
  uint32_t count = 0;
  std::memcpy(&count, page.data(), sizeof count);
  if (count > kMaxCpuidPageEntries) return SevFirmwareError::invalid_parameter;
  bool corrected = false;
  for (uint32_t i = 0; i < count; ++i) {
    CpuidPageEntry entry;
    uint8_t* at = page.data() + kCpuidEntriesAt + i * sizeof entry;
    std::memcpy(&entry, at, sizeof entry);
    if (!correct(entry)) continue;
    corrected = true;
    std::memcpy(at, &entry, sizeof entry);
  }
  if (!corrected) return SevFirmwareError::success;
  if (!user_.write(source, page)) shared_.find("the source of a CPUID page cannot be written");
  return SevFirmwareError::invalid_parameter;
}

bool SnpVm::correct(CpuidPageEntry& entry) const {
  if (host_.correct_cpuid) return host_.correct_cpuid(entry);
  CpuidPageEntry before = entry;
  bool xsave_size = entry.eax_in == 0xd && entry.ecx_in <= 1;
  if (entry.eax_in == 7 && entry.ecx_in == 0) {
    entry.ebx &= ~(1u << 1);  // TSC_ADJUST
    entry.edx = 0;
  } else if (entry.eax_in == 0x80000008) {
    entry.ebx &= ~(1u << 25);  // virtual SSBD
  } else if (xsave_size && (entry.xcr0_in == 1 || entry.xcr0_in == 3)) {
    entry.ebx = 0x240;
  } else if (entry.eax_in == 0x8000001f) {
    entry.eax = 0x1a;  // SEV, SEV-ES, SNP
    entry.ebx = host_.c_bit | 1 << 6;
    entry.ecx = entry.edx = 0;
  }
  return std::memcmp(&before, &entry, sizeof entry) != 0;
}

int SnpVm::finish(vmm::kvm::SevCommand& command) {
  vmm::kvm::SnpLaunchFinish finish;
  if (!context_) return -EINVAL;
  if (!user_.read(command.data, finish)) return -EFAULT;
  shared_.detail =
      fmt::format("id_block={} auth_key={} vcek_disabled={} host_data={}", finish.id_block_en,
                  finish.auth_key_en, finish.vcek_disabled, short_hash(finish.host_data));
  if (finish.flags != 0) return -EINVAL;
  if (int bad = check_vmsas(); bad != 0) return bad;
  if (!shared_.is_sev_device(command.sev_fd)) return -EBADF;
  for (TeeVcpu* vcpu : in_creation_order()) {
    chain_.add(SnpChain::kVmsaType, SnpChain::kVmsaGpa, take_vmsa(*vcpu));
  }
  record_.digest.assign(chain_.value().begin(), chain_.value().end());
  if (record_.finished) return firmware_says(command, SevFirmwareError::invalid_guest_state);
  if (int bad = check_id_block(finish, command); bad != 0) return bad;
  record_.host_data.assign(std::begin(finish.host_data), std::end(finish.host_data));
  record_.vcek_disabled = finish.vcek_disabled != 0;
  record_.finished = true;
  lint();
  return firmware_says(command, SevFirmwareError::success);
}

int SnpVm::check_id_block(const vmm::kvm::SnpLaunchFinish& finish, vmm::kvm::SevCommand& command) {
  if (finish.id_block_en == 0) {
    if (finish.auth_key_en == 0) return 0;
    return firmware_says(command, SevFirmwareError::invalid_parameter);
  }
  std::array<uint8_t, kIdBlockBytes> block;
  std::array<uint8_t, kIdAuthBytes> auth;
  if (!user_.read(finish.id_block_uaddr, block)) return -EFAULT;
  if (!user_.read(finish.id_auth_uaddr, auth)) return -EFAULT;
  IdBlockCheck check{block, auth, finish.auth_key_en != 0, chain_.value(), record_.policy};
  auto answer = check.check();
  if (answer != SevFirmwareError::success) return firmware_says(command, answer);
  record_.id_block = true;
  record_.author_key = finish.auth_key_en != 0;
  record_.id_key_digest = check.id_key_digest;
  record_.author_key_digest = check.author_key_digest;
  return 0;
}

// What no call refuses, and what would only show when a guest runs.
void SnpVm::lint() {
  if (record_.vmsas.empty()) shared_.find("SNP launch finished without a vCPU");
  for (const auto& [id, slot] : memory_.slots()) {
    if (!slot.file) continue;
    auto missing = memory_.private_pages().first_missing(slot.gpa / kPage, slot.size / kPage);
    if (!missing) continue;
    shared_.find(
        fmt::format("slot {}: {:#x} is not private at SNP_LAUNCH_FINISH", id, *missing * kPage));
  }
}

// #VC 0x404 in a guest that has no handler for it yet: triple fault.
int SnpVm::unvalidated(TeeVcpu& vcpu, uint64_t gpa) {
  shared_.find(fmt::format("vcpu {}: {:#x}: touched before PVALIDATE", vcpu.id, gpa));
  vcpu.run->exit_reason = KVM_EXIT_SHUTDOWN;
  vcpu.dead = true;
  return 0;
}

}  // namespace

std::unique_ptr<TeeVm> make_snp_vm(TeeShared& shared) {
  return std::make_unique<SnpVm>(shared);
}

}  // namespace bartizan::fakes
