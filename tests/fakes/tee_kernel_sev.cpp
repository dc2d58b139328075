// SEV and SEV-ES as KVM and the SEV firmware play them. Sources: Linux
// Documentation/virt/kvm/x86/amd-memory-encryption.rst and arch/x86/kvm/svm/sev.c (which errno);
// AMD "SEV API Version 0.24" (guest states, measurement, secrets).
#include "fakes/tee_kernel_sev.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bartizan::fakes {
namespace {

using vmm::kvm::SevCommandId;
using vmm::kvm::SevFirmwareError;
using vmm::kvm::SevGuestState;

constexpr uint64_t kFirmwareBlobLimit = 16 * 1024;  // SEV_FW_BLOB_MAX_SIZE
constexpr uint32_t kPolicyNoDebug = 1 << 0, kPolicyEs = 1 << 2;
constexpr uint64_t kPageMask = ~(kPage - 1);

}  // namespace

int SevVm::firmware_says(vmm::kvm::SevCommand& command, SevFirmwareError error) {
  command.error = static_cast<uint32_t>(error);
  return error == SevFirmwareError::success ? 0 : -EIO;
}

int SevVm::encrypt_op(uint64_t argument) {
  if ((host_.vm_types & (1u << 2 | 1u << 3 | 1u << 4)) == 0) return -ENOTTY;  // kvm_amd without SEV
  if (argument == 0) return 0;
  vmm::kvm::SevCommand command;
  if (!user_.read(argument, command)) return -EFAULT;
  command.error = static_cast<uint32_t>(SevFirmwareError::not_called);
  if (!allowed(command.id)) return -EPERM;
  int result = execute(command);
  return user_.write(argument, command) ? result : -EFAULT;
}

int SevVm::execute(vmm::kvm::SevCommand& command) {
  auto id = static_cast<SevCommandId>(command.id);
  if (id == SevCommandId::init2) return init2(command);
  if (id == SevCommandId::init || id == SevCommandId::es_init) return legacy_init(command);
  bool known = id == SevCommandId::launch_start || id == SevCommandId::launch_update_data ||
               id == SevCommandId::launch_update_vmsa || id == SevCommandId::launch_secret ||
               id == SevCommandId::launch_measure || id == SevCommandId::launch_finish ||
               id == SevCommandId::guest_status || id == SevCommandId::debug_decrypt ||
               id == SevCommandId::debug_encrypt;
  if (!known) return command.id >= 100 && command.id <= 103 ? -ENOTTY : -EINVAL;
  if (!active_) return -ENOTTY;
  if (id == SevCommandId::launch_start) return launch_start(command);
  switch (id) {
    case SevCommandId::launch_update_data:
      return update_data(command);
    case SevCommandId::launch_update_vmsa:
      return update_vmsa(command);
    case SevCommandId::launch_secret:
      return secret(command);
    case SevCommandId::launch_measure:
      return measure(command);
    case SevCommandId::launch_finish:
      return finish(command);
    case SevCommandId::guest_status:
      return guest_status(command);
    default:
      return debug(command);
  }
}

int SevVm::init2(vmm::kvm::SevCommand& command) {
  if (type_ == vmm::kvm::VmType::normal) return -EINVAL;
  vmm::kvm::SevInit2 init;
  if (!user_.read(command.data, init)) return -EFAULT;
  shared_.detail = fmt::format("vmsa_features={:#x} flags={:#x} ghcb_version={}",
                               init.vmsa_features, init.flags, init.ghcb_version);
  bool es = type_ != vmm::kvm::VmType::sev;
  if (!vcpus_.empty() || init.flags != 0 || active_) return -EINVAL;
  if ((init.vmsa_features & ~(es ? host_.vmsa_features : 0)) != 0) return -EINVAL;
  if (init.ghcb_version > 2 || (!es && init.ghcb_version != 0)) return -EINVAL;
  if (type_ == vmm::kvm::VmType::snp && init.ghcb_version == 1) return -EINVAL;
  if (!shared_.asid_free()) return -EBUSY;
  active_ = true;
  es_ = es;
  uint64_t snp_active = type_ == vmm::kvm::VmType::snp ? 1 : 0;
  record_.features = init.vmsa_features | snp_active;
  return 0;
}

// INIT and ES_INIT on a VM of the default type: the interface before Linux 6.10, which leaves the
// FPU out of the VMSA.
int SevVm::legacy_init(vmm::kvm::SevCommand& command) {
  if (type_ != vmm::kvm::VmType::normal || !vcpus_.empty() || active_) return -EINVAL;
  if (!shared_.asid_free()) return -EBUSY;
  active_ = true;
  es_ = static_cast<SevCommandId>(command.id) == SevCommandId::es_init;
  copies_fpu_ = false;
  return 0;
}

// A blob that KVM copies in for the firmware.
int SevVm::copy_blob(uint64_t address, uint64_t size, std::vector<uint8_t>& to) {
  if (address == 0 || size == 0 || size > kFirmwareBlobLimit) return -EINVAL;
  to.resize(size);
  return user_.read(address, to.data(), size) ? 0 : -EFAULT;
}

int SevVm::launch_start(vmm::kvm::SevCommand& command) {
  vmm::kvm::SevLaunchStart start;
  if (!user_.read(command.data, start)) return -EFAULT;
  std::vector<uint8_t> owner, session;
  shared_.detail = fmt::format("policy={:#x} dh_len={} session_len={}", start.policy, start.dh_len,
                               start.session_len);
  if (start.dh_uaddr != 0) {
    if (int bad = copy_blob(start.dh_uaddr, start.dh_len, owner); bad != 0) return bad;
  }
  if (start.session_uaddr != 0) {
    if (int bad = copy_blob(start.session_uaddr, start.session_len, session); bad != 0) return bad;
  }
  if (!shared_.is_sev_device(command.sev_fd)) return -EBADF;
  if (state_ != SevGuestState::invalid) return firmware_says(command, SevFirmwareError::asid_owned);
  auto answer = open_session(start, owner, session);
  if (answer != SevFirmwareError::success) return firmware_says(command, answer);
  state_ = SevGuestState::launching;
  record_.policy = start.policy;
  start.handle = handle_ = 1;
  device_ = command.sev_fd;
  if (!user_.write(command.data, start)) return -EFAULT;
  return firmware_says(command, SevFirmwareError::success);
}

SevFirmwareError SevVm::open_session(const vmm::kvm::SevLaunchStart& start,
                                     const std::vector<uint8_t>& owner,
                                     const std::vector<uint8_t>& session) {
  if (((start.policy & kPolicyEs) != 0) != es_) return SevFirmwareError::policy_failure;
  unsigned major = start.policy >> 16 & 0xff, minor = start.policy >> 24 & 0xff;
  if (major > host_.firmware_api_major ||
      (major == host_.firmware_api_major && minor > host_.firmware_api_minor)) {
    return SevFirmwareError::policy_failure;
  }
  if (owner.empty() != session.empty()) return SevFirmwareError::invalid_length;
  if (session.empty()) {  // keys that nobody knows: a launch without an owner
    auto seed = fake_sha256(std::vector<uint8_t>{'u', 'n', 'o', 'w', 'n', 'e', 'd'});
    std::copy_n(seed.begin(), 16, keys_.encryption.begin());
    std::copy_n(seed.begin() + 16, 16, keys_.integrity.begin());
    return SevFirmwareError::success;
  }
  return unwrap_session(owner, session, start.policy, keys_);
}

// Every command that reaches the firmware needs the device: the one given here, and the one of
// LAUNCH_START, whose number KVM keeps.
int SevVm::check_device(const vmm::kvm::SevCommand& command) const {
  bool ok = shared_.is_sev_device(command.sev_fd) && state_ != SevGuestState::invalid &&
            shared_.is_sev_device(device_);
  return ok ? 0 : -EBADF;
}

// Encryption that depends on the place, as the hardware's does: moved or plainly written bytes read
// as garbage.
void SevVm::transform(uint64_t address, std::span<uint8_t> bytes) const {
  if (!active_) return;  // an ordinary VM
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint64_t block = (address + i) / 16 * 0x9e3779b97f4a7c15 ^ memory_key_;
    block ^= block >> 29;
    block *= 0xbf58476d1ce4e5b9;
    bytes[i] ^= static_cast<uint8_t>(block >> 8 * ((address + i) % 8));
  }
}

int SevVm::update_data(vmm::kvm::SevCommand& command) {
  vmm::kvm::SevLaunchUpdateData update;
  if (!user_.read(command.data, update)) return -EFAULT;
  if (update.len == 0 || update.uaddr + update.len < update.uaddr) return -EINVAL;
  std::vector<uint8_t> bytes(update.len);
  if (!user_.read(update.uaddr, bytes.data(), bytes.size())) return -ENOMEM;  // cannot be pinned
  shared_.detail = fmt::format("len={:#x} sha256={}", update.len, short_hash(bytes));
  if (int bad = check_device(command); bad != 0) return bad;
  if (state_ != SevGuestState::launching) {
    return firmware_says(command, SevFirmwareError::invalid_guest_state);
  }
  if (update.uaddr % 16 != 0) return firmware_says(command, SevFirmwareError::invalid_address);
  if (update.len % 16 != 0) return firmware_says(command, SevFirmwareError::invalid_length);
  digest_.add(bytes);
  transform(update.uaddr, bytes);
  if (!user_.write(update.uaddr, bytes.data(), bytes.size())) return -ENOMEM;
  record_.digest = digest_.value();
  record_.loaded.push_back({0, update.len, 1});
  encrypted_.push_back(update.uaddr);
  return firmware_says(command, SevFirmwareError::success);
}

int SevVm::check_vmsas() {
  if (a_vcpu_runs()) {
    shared_.find("VMSAs asked for while a vCPU runs: a real kernel would wait for it");
    return -EBUSY;
  }
  for (const TeeVcpu* vcpu : in_creation_order()) {
    if (vcpu->guest_debug || vcpu->state_protected || vcpu->registers.dr7 != 0x400) return -EINVAL;
  }
  return 0;
}

Page SevVm::take_vmsa(TeeVcpu& vcpu) {
  VmsaRules rules{record_.features, host_.machine_check, copies_fpu_};
  Page page = make_vmsa(vcpu.registers, rules, vcpu.sregs_set);
  vcpu.state_protected = true;
  record_.vmsas.push_back(page);
  return page;
}

int SevVm::update_vmsa(vmm::kvm::SevCommand& command) {
  if (!es_) return -ENOTTY;
  if (int bad = check_vmsas(); bad != 0) return bad;
  if (int bad = check_device(command); bad != 0) return bad;
  if (state_ != SevGuestState::launching) {
    return firmware_says(command, SevFirmwareError::invalid_guest_state);
  }
  for (TeeVcpu* vcpu : in_creation_order()) digest_.add(take_vmsa(*vcpu));
  shared_.detail = fmt::format("vcpus={}", record_.vmsas.size());
  record_.digest = digest_.value();
  return firmware_says(command, SevFirmwareError::success);
}

std::vector<uint8_t> SevVm::measurement() {
  std::vector<uint8_t> nonce(16, 0x5a),
      said{0x04, host_.firmware_api_major, host_.firmware_api_minor, host_.firmware_build};
  for (int shift : {0, 8, 16, 24}) said.push_back(static_cast<uint8_t>(record_.policy >> shift));
  record_.digest = digest_.value();
  said.insert(said.end(), record_.digest.begin(), record_.digest.end());
  said.insert(said.end(), nonce.begin(), nonce.end());
  Digest256 mac = fake_hmac_sha256(keys_.integrity, said);
  std::vector<uint8_t> blob(mac.begin(), mac.end());
  blob.insert(blob.end(), nonce.begin(), nonce.end());
  return blob;
}

int SevVm::measure(vmm::kvm::SevCommand& command) {
  constexpr uint32_t kBlobSize = 48;
  vmm::kvm::SevLaunchMeasure wish;
  if (!user_.read(command.data, wish)) return -EFAULT;
  shared_.detail = fmt::format("len={}", wish.len);
  if (wish.len > kFirmwareBlobLimit) return -EINVAL;
  if (int bad = check_device(command); bad != 0) return bad;
  if (state_ != SevGuestState::launching) {
    return firmware_says(command, SevFirmwareError::invalid_guest_state);
  }
  if (wish.len < kBlobSize) {
    bool query = std::exchange(wish.len, kBlobSize) == 0;
    if (query && !user_.write(command.data, wish)) return -EFAULT;
    return firmware_says(command, SevFirmwareError::invalid_length);
  }
  if (es_ && record_.vmsas.empty()) shared_.find("SEV-ES launch measured without its VMSAs");
  measurement_ = measurement();
  state_ = SevGuestState::secret;
  wish.len = kBlobSize;
  bool copied = user_.write(wish.uaddr, measurement_.data(), measurement_.size()) &&
                user_.write(command.data, wish);
  return copied ? firmware_says(command, SevFirmwareError::success) : -EFAULT;
}

int SevVm::secret(vmm::kvm::SevCommand& command) {
  vmm::kvm::SevLaunchSecret wish;
  if (!user_.read(command.data, wish)) return -EFAULT;
  shared_.detail = fmt::format("hdr_len={} guest_len={} trans_len={}", wish.hdr_len, wish.guest_len,
                               wish.trans_len);
  if (wish.guest_len == 0 || wish.guest_uaddr + wish.guest_len < wish.guest_uaddr) return -EINVAL;
  std::vector<uint8_t> guest(wish.guest_len), header, transported;
  if (!user_.read(wish.guest_uaddr, guest.data(), guest.size())) return -ENOMEM;
  bool one_page = ((wish.guest_uaddr ^ (wish.guest_uaddr + wish.guest_len - 1)) & kPageMask) == 0;
  if (!one_page) return -EINVAL;  // not physically contiguous, in general
  if (int bad = copy_blob(wish.trans_uaddr, wish.trans_len, transported); bad != 0) return bad;
  if (int bad = copy_blob(wish.hdr_uaddr, wish.hdr_len, header); bad != 0) return bad;
  if (int bad = check_device(command); bad != 0) return bad;
  if (state_ != SevGuestState::secret) {
    return firmware_says(command, SevFirmwareError::invalid_guest_state);
  }
  if (wish.guest_uaddr % 16 != 0) return firmware_says(command, SevFirmwareError::invalid_address);
  if (wish.guest_len % 16 != 0 || transported.size() != guest.size()) {
    return firmware_says(command, SevFirmwareError::invalid_length);
  }
  auto answer = open_secret(header, transported, guest);
  if (answer != SevFirmwareError::success) return firmware_says(command, answer);
  transform(wish.guest_uaddr, guest);
  if (!user_.write(wish.guest_uaddr, guest.data(), guest.size())) return -ENOMEM;
  return firmware_says(command, SevFirmwareError::success);
}

// The packet of LAUNCH_SECRET: flags u32, IV 16, MAC 32; the MAC covers sizes and the measurement,
// too.
SevFirmwareError SevVm::open_secret(std::span<const uint8_t> header,
                                    std::span<const uint8_t> ciphertext, std::span<uint8_t> plain) {
  if (header.size() != 52) return SevFirmwareError::invalid_length;
  std::vector<uint8_t> said{0x01};
  auto append = [&said](std::span<const uint8_t> bytes) {
    said.insert(said.end(), bytes.begin(), bytes.end());
  };
  auto number = static_cast<uint32_t>(ciphertext.size());
  std::span<const uint8_t> size(reinterpret_cast<const uint8_t*>(&number), 4);
  append(header.first(20));
  append(size);
  append(size);
  append(ciphertext);
  append(std::span(measurement_).first(32));
  Digest256 mac = fake_hmac_sha256(keys_.integrity, said);
  if (CRYPTO_memcmp(mac.data(), header.data() + 20, mac.size()) != 0) {
    return SevFirmwareError::bad_measurement;
  }
  fake_aes128_ctr(keys_.encryption, header.subspan(4, 16), ciphertext, plain);
  return SevFirmwareError::success;
}

int SevVm::finish(vmm::kvm::SevCommand& command) {
  if (int bad = check_device(command); bad != 0) return bad;
  if (state_ != SevGuestState::secret) {
    return firmware_says(command, SevFirmwareError::invalid_guest_state);
  }
  state_ = SevGuestState::running;
  record_.finished = true;
  for (const auto& [id, slot] : memory_.slots()) {
    bool encrypted = std::any_of(encrypted_.begin(), encrypted_.end(), [&slot](uint64_t address) {
      return address >= slot.hva && address - slot.hva < slot.size;
    });
    if (encrypted && !pinned(slot)) {
      shared_.find(fmt::format("slot {}: not registered as encrypted memory", id));
    }
  }
  return firmware_says(command, SevFirmwareError::success);
}

int SevVm::guest_status(vmm::kvm::SevCommand& command) {
  if (int bad = check_device(command); bad != 0) return bad;
  vmm::kvm::SevGuestStatus status{handle_, static_cast<uint32_t>(record_.policy),
                                  static_cast<uint32_t>(state_)};
  if (!user_.write(command.data, status)) return -EFAULT;
  return firmware_says(command, SevFirmwareError::success);
}

int SevVm::debug(vmm::kvm::SevCommand& command) {
  vmm::kvm::SevDebug wish;
  if (!user_.read(command.data, wish)) return -EFAULT;
  if (wish.len == 0 || wish.src_uaddr + wish.len < wish.src_uaddr || wish.dst_uaddr == 0) {
    return -EINVAL;
  }
  if (int bad = check_device(command); bad != 0) return bad;
  if ((record_.policy & kPolicyNoDebug) != 0) {
    return firmware_says(command, SevFirmwareError::policy_failure);
  }
  bool decrypt = static_cast<SevCommandId>(command.id) == SevCommandId::debug_decrypt;
  std::vector<uint8_t> bytes(wish.len);
  if (!user_.read(wish.src_uaddr, bytes.data(), bytes.size())) return -EFAULT;
  transform(decrypt ? wish.src_uaddr : wish.dst_uaddr, bytes);
  if (!user_.write(wish.dst_uaddr, bytes.data(), bytes.size())) return -EFAULT;
  return firmware_says(command, SevFirmwareError::success);
}

int SevVm::encrypted_region(const vmm::kvm::EncryptedRegion& region, bool add) {
  if (!active_) return -ENOTTY;
  auto same = [&region](const auto& known) {
    return known.addr == region.addr && known.size == region.size;
  };
  auto found = std::find_if(regions_.begin(), regions_.end(), same);
  if (!add) {
    if (found == regions_.end()) return -EINVAL;
    regions_.erase(found);
    return 0;
  }
  uint8_t byte = 0;
  if (region.size == 0 || region.addr + region.size < region.addr) return -EINVAL;
  if (!user_.read(region.addr, byte) || !user_.read(region.addr + region.size - 1, byte)) {
    return -ENOMEM;
  }
  regions_.push_back(region);
  return 0;
}

bool SevVm::pinned(const Slot& slot) const {
  return std::any_of(regions_.begin(), regions_.end(), [&slot](const auto& region) {
    return region.addr <= slot.hva && slot.hva + slot.size <= region.addr + region.size;
  });
}

// Of an ordinary VM there is nothing to pin. Memory that is only ever shared may move.
void SevVm::check_pinned(uint64_t gpa, const Slot* slot) {
  if (!active_ || slot == nullptr || pinned(*slot)) return;
  shared_.find(fmt::format("{:#x}: used as encrypted memory, but not registered", gpa));
}

// The guest's private view of plain host memory: through the cipher.
std::vector<uint8_t> SevVm::read_private(uint64_t gpa, uint64_t size) {
  const Slot* slot = memory_.find(gpa);
  check_pinned(gpa, slot);
  std::vector<uint8_t> bytes(size);
  uint64_t hva = slot == nullptr ? 0 : slot->hva + (gpa - slot->gpa);
  if (!user_.read(hva, bytes.data(), size)) shared_.find("bad slot address");
  transform(hva, bytes);
  return bytes;
}

void SevVm::write_private(uint64_t gpa, std::span<const uint8_t> plain) {
  const Slot* slot = memory_.find(gpa);
  check_pinned(gpa, slot);
  std::vector<uint8_t> bytes(plain.begin(), plain.end());
  uint64_t hva = slot == nullptr ? 0 : slot->hva + (gpa - slot->gpa);
  transform(hva, bytes);
  if (!user_.write(hva, bytes.data(), bytes.size())) shared_.find("bad slot address");
}

void SevVm::page_state_refused(TeeVcpu& vcpu) {
  constexpr uint64_t kTerminate = 0x100 | 1 << 12 | 1 << 16;  // GHCB: Linux' set 1, reason PSC
  vcpu.run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
  vcpu.run->system_event.type = vmm::kvm::kSystemEventSevTerminate;
  vcpu.run->system_event.ndata = 1;
  vcpu.run->system_event.data[0] = kTerminate;
  vcpu.dead = true;
}

std::unique_ptr<TeeVm> make_sev_vm(vmm::kvm::VmType type, TeeShared& shared) {
  return std::make_unique<SevVm>(type, shared);
}

}  // namespace bartizan::fakes
