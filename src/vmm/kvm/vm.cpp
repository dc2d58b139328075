#include "vmm/kvm/vm.hpp"

#include <cerrno>
#include <cstring>

#include "base/errors.hpp"

namespace bartizan::vmm::kvm {
namespace {

constexpr const char* kOrigin = "kvm";

unsigned long address_of(const void* argument) {
  return reinterpret_cast<unsigned long>(argument);
}

}  // namespace

Result<int> Vm::call(const IoctlRequest& request, unsigned long argument) const {
  int got = kernel_->ioctl(fd_.get(), request, argument);
  if (got < 0) return errno_error(errno, kOrigin, request.name);
  return got;
}

Result<int> Vm::check_extension(int capability) const {
  return call(request::check_extension, static_cast<unsigned long>(capability));
}

Result<void> Vm::enable_cap(uint32_t capability, std::array<uint64_t, 4> arguments) {
  kvm_enable_cap cap{};
  cap.cap = capability;
  std::copy(arguments.begin(), arguments.end(), cap.args);
  TRY(call(request::enable_cap, address_of(&cap)));
  return {};
}

Result<void> Vm::create_irqchip() {
  TRY(call(request::create_irqchip, 0));
  return {};
}

Result<void> Vm::set_tss_addr(uint64_t address) {
  TRY(call(request::set_tss_addr, address));
  return {};
}

Result<void> Vm::set_identity_map_addr(uint64_t address) {
  TRY(call(request::set_identity_map_addr, address_of(&address)));
  return {};
}

Result<void> Vm::set_user_memory_region(const kvm_userspace_memory_region& region) {
  TRY(call(request::set_user_memory_region, address_of(&region)));
  return {};
}

Result<void> Vm::irqfd(int event_fd, uint32_t gsi) {
  kvm_irqfd request{};
  request.fd = static_cast<uint32_t>(event_fd);
  request.gsi = gsi;
  TRY(call(request::irqfd, address_of(&request)));
  return {};
}

Result<void> Vm::ioeventfd(int event_fd, AddressSpace space, uint64_t address, uint32_t size,
                           const uint64_t* match) {
  kvm_ioeventfd request{};
  request.fd = event_fd;
  request.addr = address;
  request.len = size;
  if (space == AddressSpace::pio) request.flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (match != nullptr) {
    request.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    request.datamatch = *match;
  }
  TRY(call(request::ioeventfd, address_of(&request)));
  return {};
}

Result<void> Vm::deny_msrs(const std::vector<uint32_t>& indices) {
  if (indices.size() > KVM_MSR_FILTER_MAX_RANGES) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "KVM_X86_SET_MSR_FILTER: {} ranges, at most {}", indices.size(),
                      KVM_MSR_FILTER_MAX_RANGES);
  }
  uint8_t denied = 0;  // bitmap of one MSR: a clear bit denies
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
  for (size_t i = 0; i < indices.size(); ++i) {
    filter.ranges[i].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    filter.ranges[i].base = indices[i];
    filter.ranges[i].nmsrs = 1;
    filter.ranges[i].bitmap = &denied;
  }
  TRY(call(request::set_msr_filter, address_of(&filter)));
  return {};
}

Result<void> Vm::set_message_routes(const std::vector<MessageRoute>& routes) {
  std::vector<uint8_t> buffer(sizeof(GsiRoutingHead) +
                              routes.size() * sizeof(kvm_irq_routing_entry));
  GsiRoutingHead head{static_cast<uint32_t>(routes.size()), 0};
  std::memcpy(buffer.data(), &head, sizeof head);
  for (size_t i = 0; i < routes.size(); ++i) {
    kvm_irq_routing_entry entry{};
    entry.gsi = routes[i].gsi;
    entry.type = KVM_IRQ_ROUTING_MSI;
    entry.u.msi.address_lo = static_cast<uint32_t>(routes[i].address);
    entry.u.msi.address_hi = static_cast<uint32_t>(routes[i].address >> 32);
    entry.u.msi.data = routes[i].data;
    std::memcpy(buffer.data() + sizeof head + i * sizeof entry, &entry, sizeof entry);
  }
  TRY(call(request::set_gsi_routing, address_of(buffer.data())));
  return {};
}

Result<void> Vm::set_user_memory_region2(const MemoryRegion2& region) {
  TRY(call(request::set_user_memory_region2, address_of(&region)));
  return {};
}

Result<UniqueFd> Vm::create_guest_memfd(uint64_t size) {
  CreateGuestMemfd wish;
  wish.size = size;
  return UniqueFd(TRY(call(request::create_guest_memfd, address_of(&wish))));
}

Result<void> Vm::set_memory_attributes(uint64_t address, uint64_t size, uint64_t attributes) {
  MemoryAttributes wish{address, size, attributes, 0};
  TRY(call(request::set_memory_attributes, address_of(&wish)));
  return {};
}

Result<void> Vm::register_encrypted_region(const void* address, uint64_t size) {
  EncryptedRegion region{address_of(address), size};
  TRY(call(request::register_encrypted_region, address_of(&region)));
  return {};
}

FirmwareResult Vm::sev(SevCommandId id, void* data, int sev_device) const {
  SevCommand command;
  command.id = static_cast<uint32_t>(id);
  command.data = address_of(data);
  command.sev_fd = static_cast<uint32_t>(sev_device);
  int got = kernel_->ioctl(fd_.get(), request::sev(id), address_of(&command));
  return {got < 0 ? errno : 0, command.error};
}

FirmwareResult Vm::tdx(TdxCommandId id, void* data) const {
  TdxCommand command;
  command.id = static_cast<uint32_t>(id);
  command.data = address_of(data);
  int got = kernel_->ioctl(fd_.get(), request::tdx(id), address_of(&command));
  return {got < 0 ? errno : 0, command.hw_error};
}

Result<Vcpu> Vm::create_vcpu(uint32_t id) {
  UniqueFd fd(kernel_->ioctl(fd_.get(), request::create_vcpu, id));
  if (!fd.valid()) return errno_error(errno, kOrigin, fmt::format("KVM_CREATE_VCPU {}", id));
  return Vcpu::create(kernel_, std::move(fd), id, run_size_);
}

}  // namespace bartizan::vmm::kvm
