// TeeVm: one VM of the fake kernel. The base plays what all types share (slots, vCPUs, registers,
// the scripted guest); SevVm, SnpVm and TdxVm are the state machines of KVM_MEMORY_ENCRYPT_OP.
//
// Functions that play an ioctl return what the kernel does: 0 or more, or a negative errno. Under
// TeeKernel's lock.
#pragma once

#include <linux/kvm.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fakes/fake_kvm.hpp"
#include "fakes/tee_kernel_digest.hpp"
#include "fakes/tee_kernel_guest.hpp"
#include "fakes/tee_kernel_host.hpp"
#include "fakes/tee_kernel_memory.hpp"

namespace bartizan::fakes {

// What the VMs of one TeeKernel share.
struct TeeShared {
  TeeHost host;
  UserMemory user;
  std::set<uint64_t> sev_devices;  // identities of what open("/dev/sev") gave
  std::string detail;              // of the call in hand, for the transcript
  std::vector<std::string> findings;
  std::map<uint32_t, std::vector<GuestStep>> scripts;  // by vCPU
  std::function<bool()> asid_free;
  std::atomic<bool> idle = false;  // a vCPU is in the guest, and its script has ended

  bool is_sev_device(uint32_t fd) const;
  void find(std::string what) { findings.push_back(std::move(what)); }
};

// What reached the TEE in a launch, for tests to compare with a plan.
struct LaunchRecord {
  bool finished = false;
  std::vector<uint8_t> digest;  // SEV, SEV-ES: 32 bytes; SNP, TDX: 48
  uint64_t policy = 0;
  uint64_t features = 0;                     // VMSA features with what KVM adds
  std::vector<uint8_t> host_data;            // SNP 32; TDX: MRCONFIGID, 48
  std::vector<uint8_t> owner, owner_config;  // TDX
  uint64_t attributes = 0, xfam = 0;         // TDX
  bool id_block = false, author_key = false, vcek_disabled = false;
  Digest384 id_key_digest{}, author_key_digest{};
  std::vector<Page> vmsas;  // in vCPU order
  struct Loaded {
    uint64_t gpa = 0;  // SEV, SEV-ES: 0, the firmware is not told
    uint64_t size = 0;
    uint8_t type = 0;  // SnpPageType; TDX: 1 measured, 0 added only
  };
  std::vector<Loaded> loaded;  // one for each page; SEV: for each call
};

struct TeeVcpu {
  uint32_t id = 0;
  VcpuRegisters registers = reset_registers();
  bool sregs_set = false;
  bool guest_debug = false;
  bool state_protected = false;  // registers are the guest's: KVM refuses to show them
  bool initialised = false;      // TDX: INIT_VCPU
  uint64_t initial_rcx = 0;
  std::vector<kvm_cpuid_entry2> cpuid;
  kvm_run* run = nullptr;
  bool running = false;
  // The scripted guest.
  size_t next_step = 0;
  uint64_t progress = 0;  // bytes of the step in hand that are done
  enum class Pending { none, map_gpa, tdvmcall, certs } pending = Pending::none;
  bool dead = false;
  std::vector<uint64_t> answers;  // the VMM's, in order
};

class TeeVm {
 public:
  TeeVm(vmm::kvm::VmType type, TeeShared& shared);
  virtual ~TeeVm();

  int fd() const { return fd_; }
  vmm::kvm::VmType type() const { return type_; }
  bool alive() const;  // a descriptor of it is still open
  int vm_call(const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int vcpu_call(uint32_t id, const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int run(uint32_t id, std::unique_lock<std::mutex>& lock);

  // For tests.
  const SlotTable& memory() const { return memory_; }
  const LaunchRecord& record() const { return record_; }
  const std::map<uint32_t, TeeVcpu>& vcpus() const { return vcpus_; }
  const PageSet& validated() const { return validated_; }
  FakeKvm& plain() { return plain_; }  // irqfds, ioeventfds, denied MSRs, capabilities
  // What the guest sees in a private page; nullptr: nothing was ever put there.
  const Page* private_page(uint64_t gpa) const;
  virtual bool holds_asid() const { return false; }

 protected:
  virtual int encrypt_op(uint64_t) { return -ENOTTY; }
  virtual int vcpu_encrypt_op(TeeVcpu&, uint64_t) { return -ENOTTY; }
  virtual int may_create_vcpu() { return 0; }
  virtual void created(TeeVcpu&) {}
  virtual bool ready_to_run(const TeeVcpu&) const { return true; }
  virtual bool launched() const { return true; }  // false: entering the guest fails
  virtual bool allows_msr(uint32_t) const { return true; }
  virtual int encrypted_region(const vmm::kvm::EncryptedRegion&, bool) { return -ENOTTY; }
  virtual bool private_needs_attribute() const { return false; }
  // The guest touched a private page that is not validated or accepted.
  virtual int unvalidated(TeeVcpu&, uint64_t) { return 0; }
  virtual void page_state_refused(TeeVcpu&) {}
  virtual uint64_t max_map_gpa() const { return UINT64_MAX; }
  virtual void fill_tdvmcall(TeeVcpu&, const GuestStep&) {}
  virtual void check_tdvmcall(TeeVcpu&, const GuestStep&) {}
  virtual bool certs_enabled() const { return false; }
  virtual std::vector<uint8_t> read_private(uint64_t gpa, uint64_t size);
  virtual void write_private(uint64_t gpa, std::span<const uint8_t> bytes);
  // Not while a vCPU runs: KVM takes every vCPU's lock and would wait.
  bool a_vcpu_runs() const;
  std::vector<TeeVcpu*> in_creation_order();
  bool irqchip_split() const { return split_irqchip_; }

  vmm::kvm::VmType type_;
  TeeShared& shared_;
  TeeHost& host_;
  UserMemory& user_;
  SlotTable memory_;
  LaunchRecord record_;
  std::map<uint32_t, TeeVcpu> vcpus_;
  std::vector<uint32_t> creation_;
  PageSet validated_;
  std::map<uint64_t, Page> contents_;  // by page number, as the guest reads them

 private:
  int check_extension(int capability) const;
  int enable_cap(uint64_t argument);
  int set_region(uint64_t argument, bool second_version);
  int set_attributes(uint64_t argument);
  int create_guest_memfd(uint64_t argument);
  int create_irqchip();
  int create_vcpu(const vmm::kvm::IoctlRequest& request, unsigned long id);
  int set_registers(TeeVcpu& vcpu, unsigned long number, uint64_t argument);
  int get_registers(TeeVcpu& vcpu, unsigned long number, uint64_t argument);
  int set_sregs(TeeVcpu& vcpu, uint64_t argument);
  bool valid_sregs(const TeeVcpu& vcpu, const kvm_sregs& sregs) const;
  int set_cpuid(TeeVcpu& vcpu, const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int set_msrs(TeeVcpu& vcpu, uint64_t argument);
  int get_msrs(TeeVcpu& vcpu, uint64_t argument);
  int pre_fault(uint64_t argument);
  int forward(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument);

  // The scripted guest. nullopt: the step is done, go on.
  std::optional<int> step(TeeVcpu& vcpu);
  std::optional<int> do_step(TeeVcpu& vcpu, const GuestStep& step);
  std::optional<int> touch(TeeVcpu& vcpu, const GuestStep& step, bool is_private);
  std::optional<int> touch_page(TeeVcpu& vcpu, uint64_t gpa, bool is_private);
  std::optional<int> validate(TeeVcpu& vcpu, const GuestStep& step);
  std::optional<int> map_gpa(TeeVcpu& vcpu, const GuestStep& step);
  void access(const GuestStep& step);
  int complete(TeeVcpu& vcpu);
  int complete_certs(TeeVcpu& vcpu, const GuestStep& step);
  int complete_map_gpa(TeeVcpu& vcpu, const GuestStep& step, uint64_t answer);
  int memory_fault(TeeVcpu& vcpu, uint64_t gpa, bool is_private);
  int fail_run(TeeVcpu& vcpu, int error);

  FakeKvm plain_;
  int fd_ = -1;
  uint64_t identity_ = 0;
  std::map<uint32_t, std::pair<int, uint64_t>> vcpu_files_;
  bool split_irqchip_ = false;
  uint64_t exit_hypercall_ = 0;
};

std::unique_ptr<TeeVm> make_sev_vm(vmm::kvm::VmType type, TeeShared& shared);
std::unique_ptr<TeeVm> make_snp_vm(TeeShared& shared);
std::unique_ptr<TeeVm> make_tdx_vm(TeeShared& shared);

}  // namespace bartizan::fakes
