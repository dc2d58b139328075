// SevVm: KVM's and the firmware's half of SEV and SEV-ES, and what SEV-SNP shares with them.
#pragma once

#include <span>
#include <vector>

#include "fakes/tee_kernel_vm.hpp"

namespace bartizan::fakes {

// Transport keys of a launch (SEV API, "Session"): TEK encrypts, TIK authenticates.
struct SevTransportKeys {
  std::array<uint8_t, 16> encryption{};
  std::array<uint8_t, 16> integrity{};
};

void fake_aes128_ctr(std::span<const uint8_t> key, std::span<const uint8_t> iv,
                     std::span<const uint8_t> from, std::span<uint8_t> to);

// What the platform's key holder does at LAUNCH_START with the owner's certificate and session
// blob: checks both and gets the transport keys.
vmm::kvm::SevFirmwareError unwrap_session(std::span<const uint8_t> owner_certificate,
                                          std::span<const uint8_t> session, uint32_t policy,
                                          SevTransportKeys& keys);
// The platform's Diffie-Hellman certificate (PDH), 0x824 bytes: what an owner makes a session for.
// Unsigned.
std::vector<uint8_t> fake_platform_certificate();

class SevVm : public TeeVm {
 public:
  using TeeVm::TeeVm;
  bool holds_asid() const override { return active_; }
  const SevTransportKeys& transport_keys() const { return keys_; }
  vmm::kvm::SevGuestState state() const { return state_; }

 protected:
  int encrypt_op(uint64_t argument) override;
  bool ready_to_run(const TeeVcpu&) const override {
    return type_ == vmm::kvm::VmType::normal || active_;
  }
  bool launched() const override { return !active_ || record_.finished; }
  int encrypted_region(const vmm::kvm::EncryptedRegion& region, bool add) override;
  bool pinned(const Slot& slot) const;
  void check_pinned(uint64_t gpa, const Slot* slot);
  std::vector<uint8_t> read_private(uint64_t gpa, uint64_t size) override;
  void write_private(uint64_t gpa, std::span<const uint8_t> plain) override;
  void page_state_refused(TeeVcpu& vcpu) override;

  virtual bool allowed(uint32_t) const { return true; }
  virtual int execute(vmm::kvm::SevCommand& command);
  int init2(vmm::kvm::SevCommand& command);
  int check_vmsas();
  Page take_vmsa(TeeVcpu& vcpu);
  int copy_blob(uint64_t address, uint64_t size, std::vector<uint8_t>& to);
  static int firmware_says(vmm::kvm::SevCommand& command, vmm::kvm::SevFirmwareError error);

  bool active_ = false;
  uint32_t device_ = UINT32_MAX;

 private:
  int legacy_init(vmm::kvm::SevCommand& command);
  int launch_start(vmm::kvm::SevCommand& command);
  vmm::kvm::SevFirmwareError open_session(const vmm::kvm::SevLaunchStart& start,
                                          const std::vector<uint8_t>& owner,
                                          const std::vector<uint8_t>& session);
  int update_data(vmm::kvm::SevCommand& command);
  int update_vmsa(vmm::kvm::SevCommand& command);
  int measure(vmm::kvm::SevCommand& command);
  int secret(vmm::kvm::SevCommand& command);
  int finish(vmm::kvm::SevCommand& command);
  int guest_status(vmm::kvm::SevCommand& command);
  int debug(vmm::kvm::SevCommand& command);
  int check_device(const vmm::kvm::SevCommand& command) const;
  std::vector<uint8_t> measurement();
  vmm::kvm::SevFirmwareError open_secret(std::span<const uint8_t> header,
                                         std::span<const uint8_t> ciphertext,
                                         std::span<uint8_t> plain);
  void transform(uint64_t address, std::span<uint8_t> bytes) const;

  bool es_ = false;
  bool copies_fpu_ = true;
  vmm::kvm::SevGuestState state_ = vmm::kvm::SevGuestState::invalid;
  uint32_t handle_ = 0;
  uint64_t memory_key_ = 0x6a09e667f3bcc908;
  SevTransportKeys keys_;
  RunningHash digest_{RunningHash::Kind::sha256};
  std::vector<uint8_t> measurement_;
  std::vector<vmm::kvm::EncryptedRegion> regions_;
  std::vector<uint64_t> encrypted_;  // where LAUNCH_UPDATE_DATA encrypted
};

}  // namespace bartizan::fakes
