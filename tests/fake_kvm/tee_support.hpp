// TeeCalls: makes single calls on a TeeKernel by hand, as a test of the kernel itself wants them:
// each returns 0 or more, or a negative errno. It knows structures and numbers, and nothing of how
// a launch is to be done.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <deque>
#include <vector>

#include "base/unique_fd.hpp"
#include "fakes/tee_kernel.hpp"
#include "vmm/kvm/kvm_abi.hpp"

namespace bartizan::fakes {

// Page-aligned memory of this process.
class HostMemory {
 public:
  explicit HostMemory(size_t size, int protection = PROT_READ | PROT_WRITE)
      : size_(size),
        data_(static_cast<uint8_t*>(
            ::mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  HostMemory(const HostMemory&) = delete;
  ~HostMemory() { ::munmap(data_, size_); }
  uint8_t* data() { return data_; }
  uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }
  size_t size() const { return size_; }
  uint8_t& operator[](size_t i) { return data_[i]; }

 private:
  size_t size_;
  uint8_t* data_;
};

class TeeCalls {
 public:
  explicit TeeCalls(TeeHost host = {}) : kernel(std::move(host)) {
    kvm = UniqueFd(kernel.open("/dev/kvm", O_RDWR));
    sev = UniqueFd(kernel.open("/dev/sev", O_RDWR));
  }

  int call(int fd, const vmm::kvm::IoctlRequest& request, const void* argument) {
    return call(fd, request, reinterpret_cast<unsigned long>(argument));
  }
  int call(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument = 0) {
    int result = kernel.ioctl(fd, request, argument);
    return result < 0 ? -errno : result;
  }
  int on_vm(const vmm::kvm::IoctlRequest& request, const void* argument = nullptr) {
    return call(vm.get(), request, argument);
  }

  int create_vm(vmm::kvm::VmType type) {
    int fd = call(kvm.get(), vmm::kvm::request::create_vm, static_cast<unsigned long>(type));
    if (fd >= 0) vm = UniqueFd(fd);
    return fd < 0 ? fd : 0;
  }
  int create_vcpu(uint32_t id = 0) {
    int fd = call(vm.get(), vmm::kvm::request::create_vcpu, id);
    if (fd < 0) return fd;
    vcpus.emplace_back(fd);
    void* page = kernel.mmap(sizeof(kvm_run), PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    runs.push_back(static_cast<kvm_run*>(page));
    return 0;
  }
  ~TeeCalls() {
    for (kvm_run* run : runs) kernel.munmap(run, sizeof(kvm_run));
  }
  int run(size_t vcpu = 0) { return call(vcpus.at(vcpu).get(), vmm::kvm::request::run); }
  template <typename T>
  T& exit_data(size_t vcpu = 0) {
    return *reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(runs.at(vcpu)) +
                                 vmm::kvm::kExitDataOffset);
  }
  int enable_cap(uint32_t cap, uint64_t value) {
    kvm_enable_cap wish{};
    wish.cap = cap;
    wish.args[0] = value;
    return on_vm(vmm::kvm::request::enable_cap, &wish);
  }

  // SEV, SEV-ES, SNP. `error` is what the firmware said.
  int sev_command(vmm::kvm::SevCommandId id, void* data = nullptr) {
    return sev_command(id, data, static_cast<uint32_t>(sev.get()));
  }
  int sev_command(vmm::kvm::SevCommandId id, void* data, uint32_t device) {
    vmm::kvm::SevCommand command;
    command.id = static_cast<uint32_t>(id);
    command.data = reinterpret_cast<uint64_t>(data);
    command.sev_fd = device;
    int result = on_vm(vmm::kvm::request::sev(id), &command);
    error = static_cast<vmm::kvm::SevFirmwareError>(command.error);
    return result;
  }
  int init2(vmm::kvm::SevInit2 init = {}) {
    return sev_command(vmm::kvm::SevCommandId::init2, &init);
  }

  // TDX, on the VM or on a vCPU.
  int tdx_command(int fd, vmm::kvm::TdxCommandId id, void* data, uint32_t flags = 0) {
    vmm::kvm::TdxCommand command;
    command.id = static_cast<uint32_t>(id);
    command.flags = flags;
    command.data = reinterpret_cast<uint64_t>(data);
    int result = call(fd, vmm::kvm::request::tdx(id), &command);
    hw_error = command.hw_error;
    return result;
  }

  // guest_memfd and plain slots.
  int create_gmem(uint64_t size, uint64_t flags = 0) {
    vmm::kvm::CreateGuestMemfd wish;
    wish.size = size;
    wish.flags = flags;
    int fd = on_vm(vmm::kvm::request::create_guest_memfd, &wish);
    if (fd >= 0) gmem = UniqueFd(fd);
    return fd < 0 ? fd : 0;
  }
  vmm::kvm::MemoryRegion2 region(uint32_t slot, uint64_t gpa, HostMemory& memory) {
    vmm::kvm::MemoryRegion2 made;
    made.slot = slot;
    made.guest_phys_addr = gpa;
    made.memory_size = memory.size();
    made.userspace_addr = memory.address();
    return made;
  }
  int set_region(vmm::kvm::MemoryRegion2 wish) {
    return on_vm(vmm::kvm::request::set_user_memory_region2, &wish);
  }
  int add_private_slot(uint32_t slot, uint64_t gpa, HostMemory& memory) {
    if (int bad = create_gmem(memory.size()); bad != 0) return bad;
    auto wish = region(slot, gpa, memory);
    wish.flags = vmm::kvm::kSlotGuestMemfd;
    wish.guest_memfd = static_cast<uint32_t>(gmem.get());
    return set_region(wish);
  }
  int set_private(uint64_t gpa, uint64_t size, bool is_private = true) {
    vmm::kvm::MemoryAttributes wish;
    wish.address = gpa;
    wish.size = size;
    wish.attributes = is_private ? vmm::kvm::kAttributePrivate : 0;
    return on_vm(vmm::kvm::request::set_memory_attributes, &wish);
  }

  TeeVm& machine() { return kernel.last_vm(); }

  TeeKernel kernel;
  UniqueFd kvm, sev, vm, gmem;
  std::vector<UniqueFd> vcpus;
  std::vector<kvm_run*> runs;
  vmm::kvm::SevFirmwareError error = vmm::kvm::SevFirmwareError::success;
  uint64_t hw_error = 0;
};

}  // namespace bartizan::fakes
