// Slots, guest_memfds and attributes of the fake kernel: what KVM refuses is refused, with its
// errno.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.hpp"
#include "tee_support.hpp"

namespace bartizan::fakes {
namespace {

using ::testing::HasSubstr;
using vmm::kvm::VmType;

struct SnpMachine : TeeCalls {
  SnpMachine() { EXPECT_EQ(create_vm(VmType::snp), 0); }
};

TEST(FakeTeeMemory, PageSetMergesAndSplits) {
  PageSet set;
  set.insert(10, 5);
  set.insert(20, 5);
  set.insert(15, 5);
  EXPECT_EQ(set.ranges().size(), 1u);
  EXPECT_EQ(set.size(), 15u);
  set.erase(12, 2);
  EXPECT_EQ(set.ranges().size(), 2u);
  EXPECT_TRUE(set.contains(11));
  EXPECT_FALSE(set.contains(12));
  EXPECT_TRUE(set.contains(14));
  EXPECT_FALSE(set.contains(25));
  EXPECT_TRUE(set.intersects(0, 11));
  EXPECT_FALSE(set.intersects(0, 10));
  EXPECT_EQ(set.first_missing(10, 10), 12u);
  EXPECT_EQ(set.first_missing(14, 11), std::nullopt);
  EXPECT_EQ(set.first_missing(14, 12), 25u);
}

TEST(FakeTeeMemory, VmTypes) {
  TeeHost host;
  host.vm_types = 1 << 0 | 1 << 4;
  TeeCalls calls(host);
  EXPECT_EQ(calls.create_vm(VmType::tdx), -EINVAL);
  EXPECT_EQ(calls.create_vm(VmType::sev), -EINVAL);
  EXPECT_EQ(calls.create_vm(VmType::snp), 0);
  EXPECT_EQ(calls.create_vm(VmType::normal), 0);
  EXPECT_EQ(calls.call(calls.kvm.get(), vmm::kvm::request::check_extension,
                       size_t{vmm::kvm::kCapVmTypes}),
            1 << 0 | 1 << 4);
}

TEST(FakeTeeMemory, GuestMemfd) {
  SnpMachine calls;
  EXPECT_EQ(calls.create_gmem(0), -EINVAL);
  EXPECT_EQ(calls.create_gmem(4095), -EINVAL);
  EXPECT_EQ(calls.create_gmem(kMiB, vmm::kvm::kGuestMemfdInitShared), -EINVAL);
  EXPECT_EQ(calls.create_gmem(kMiB, 4), -EINVAL);
  EXPECT_EQ(calls.create_gmem(kMiB), 0);
  EXPECT_EQ(calls.kernel.mmap(kMiB, PROT_READ, MAP_SHARED, calls.gmem.get()), MAP_FAILED);
  EXPECT_EQ(errno, ENODEV);
}

TEST(FakeTeeMemory, Slots) {
  SnpMachine calls;
  HostMemory memory(kMiB);
  auto plain = calls.region(0, 0, memory);
  auto bad = plain;
  bad.guest_phys_addr = 1;
  EXPECT_EQ(calls.set_region(bad), -EINVAL);
  bad = plain;
  bad.userspace_addr += 8;
  EXPECT_EQ(calls.set_region(bad), -EINVAL);
  bad = plain;
  bad.memory_size = 0;
  EXPECT_EQ(calls.set_region(bad), -EINVAL);  // nothing to delete
  EXPECT_EQ(calls.set_region(plain), 0);
  bad = plain;
  bad.slot = 1;
  bad.guest_phys_addr = kMiB - 4096;
  EXPECT_EQ(calls.set_region(bad), -EEXIST);
}

TEST(FakeTeeMemory, SlotsWithGuestMemfd) {
  SnpMachine calls;
  HostMemory memory(kMiB);
  ASSERT_EQ(calls.create_gmem(kMiB), 0);
  auto slot = calls.region(0, 0, memory);
  slot.flags = vmm::kvm::kSlotGuestMemfd;
  slot.guest_memfd = static_cast<uint32_t>(calls.gmem.get());
  auto changed = [&slot](auto change) {
    auto copy = slot;
    change(copy);
    return copy;
  };
  using Region = vmm::kvm::MemoryRegion2;
  EXPECT_EQ(calls.set_region(changed([](Region& r) { r.flags |= vmm::kvm::kSlotReadOnly; })),
            -EINVAL);
  EXPECT_EQ(calls.set_region(changed([](Region& r) { r.flags |= vmm::kvm::kSlotLogDirty; })),
            -EINVAL);
  EXPECT_EQ(calls.set_region(changed([](Region& r) { r.guest_memfd_offset = 8; })), -EINVAL);
  EXPECT_EQ(calls.set_region(changed([](Region& r) { r.guest_memfd_offset = 4096; })), -EINVAL);
  EXPECT_EQ(calls.set_region(changed([](Region& r) { r.guest_memfd = 999; })), -EBADF);
  uint32_t other = static_cast<uint32_t>(calls.sev.get());
  EXPECT_EQ(calls.set_region(changed([&](Region& r) { r.guest_memfd = other; })), -EINVAL);
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::set_user_memory_region, &slot), -EINVAL);
  EXPECT_EQ(calls.set_region(slot), 0);
  // It cannot be changed, and its file not be bound twice; deleted it can be.
  EXPECT_EQ(calls.set_region(slot), -EINVAL);
  auto second = changed([](Region& r) {
    r.slot = 1;
    r.guest_phys_addr = 16 * kMiB;
  });
  EXPECT_EQ(calls.set_region(second), -EEXIST);
  EXPECT_EQ(calls.set_region(changed([](Region& r) { r.memory_size = 0; })), 0);
  EXPECT_EQ(calls.set_region(second), 0);
}

TEST(FakeTeeMemory, GuestMemfdOfAnotherVm) {
  SnpMachine calls;
  HostMemory memory(kMiB);
  ASSERT_EQ(calls.create_gmem(kMiB), 0);
  UniqueFd first = std::move(calls.gmem);
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  auto slot = calls.region(0, 0, memory);
  slot.flags = vmm::kvm::kSlotGuestMemfd;
  slot.guest_memfd = static_cast<uint32_t>(first.get());
  EXPECT_EQ(calls.set_region(slot), -EINVAL);
}

TEST(FakeTeeMemory, Attributes) {
  SnpMachine calls;
  vmm::kvm::MemoryAttributes wish;
  wish.size = kMiB;
  wish.attributes = 1;
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::set_memory_attributes, &wish), -EINVAL);
  wish.attributes = vmm::kvm::kAttributePrivate;
  wish.flags = 1;
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::set_memory_attributes, &wish), -EINVAL);
  EXPECT_EQ(calls.set_private(0, 0), -EINVAL);
  EXPECT_EQ(calls.set_private(1, 4096), -EINVAL);
  EXPECT_EQ(calls.set_private(0, 4095), -EINVAL);
  EXPECT_EQ(calls.set_private(UINT64_MAX - 4095, 8192), -EINVAL);
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::set_memory_attributes, nullptr), -EFAULT);
  EXPECT_EQ(calls.set_private(0, kMiB), 0);  // a slot is not needed
  EXPECT_TRUE(calls.machine().memory().is_private(255));
  EXPECT_FALSE(calls.machine().memory().is_private(256));
  EXPECT_EQ(calls.set_private(4096, 4096, false), 0);
  EXPECT_FALSE(calls.machine().memory().is_private(1));
}

// SEV and SEV-ES have no private memory in KVM's sense.
TEST(FakeTeeMemory, SevHasNoAttributes) {
  for (VmType type : {VmType::sev, VmType::sev_es, VmType::normal}) {
    TeeCalls calls;
    ASSERT_EQ(calls.create_vm(type), 0);
    EXPECT_EQ(calls.set_private(0, 4096), -EINVAL);
    EXPECT_EQ(calls.create_gmem(4096), -EINVAL);
  }
}

TEST(FakeTeeMemory, HeldTwiceUntilGivenBack) {
  SnpMachine calls;
  HostMemory memory(16 * 4096);
  ASSERT_EQ(calls.add_private_slot(0, 0, memory), 0);
  const SlotTable& table = calls.machine().memory();
  EXPECT_EQ(table.pages_held_twice(), 0u);
  memory[3 * 4096] = 1;
  EXPECT_EQ(table.pages_held_twice(), 0u);  // shared, and held by the host alone
  ASSERT_EQ(calls.set_private(0, 16 * 4096), 0);
  EXPECT_EQ(table.pages_held_twice(), 1u);
  ::madvise(memory.data(), memory.size(), MADV_DONTNEED);
  EXPECT_EQ(table.pages_held_twice(), 0u);
  const_cast<SlotTable&>(table).allocate_private(5 * 4096);
  ASSERT_EQ(calls.set_private(0, 16 * 4096, false), 0);
  EXPECT_EQ(table.pages_held_twice(), 1u);
  ASSERT_EQ(
      ::fallocate(calls.gmem.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * 4096, 4096), 0);
  EXPECT_EQ(table.pages_held_twice(), 0u);
}

TEST(FakeTeeMemory, Capabilities) {
  SnpMachine calls;
  EXPECT_EQ(calls.enable_cap(vmm::kvm::kCapExitHypercall, 1 << 11), -EINVAL);
  EXPECT_EQ(calls.enable_cap(vmm::kvm::kCapExitHypercall, 1 << 12 | 1), -EINVAL);
  EXPECT_EQ(calls.enable_cap(vmm::kvm::kCapExitHypercall, 1 << 12), 0);
}

TEST(FakeTeeMemory, DeviceAttributes) {
  TeeCalls calls;
  uint64_t value = 0;
  vmm::kvm::DeviceAttribute wish{0, vmm::kvm::kDeviceGroupSev, vmm::kvm::kDeviceSnpPolicyBits,
                                 reinterpret_cast<uint64_t>(&value)};
  EXPECT_EQ(calls.call(calls.kvm.get(), vmm::kvm::request::get_device_attr, &wish), 0);
  EXPECT_EQ(value, calls.kernel.host().snp_policy_bits);
  wish.attr = 3;
  EXPECT_EQ(calls.call(calls.kvm.get(), vmm::kvm::request::has_device_attr, &wish), -ENXIO);
  wish.group = 2;
  EXPECT_EQ(calls.call(calls.kvm.get(), vmm::kvm::request::has_device_attr, &wish), -ENXIO);
}

// A descriptor that was closed, or that is none of the kernel's, is EBADF, even when its number is
// in use again.
TEST(FakeTeeMemory, DescriptorsAreTheFilesTheyWere) {
  SnpMachine calls;
  int number = calls.vm.get();
  calls.vm.reset();
  EXPECT_EQ(calls.call(number, vmm::kvm::request::create_vcpu, size_t{0}), -EBADF);
  UniqueFd other(::memfd_create("other", MFD_CLOEXEC));
  UniqueFd same_number(::fcntl(other.get(), F_DUPFD_CLOEXEC, number));
  ASSERT_EQ(same_number.get(), number);
  EXPECT_EQ(calls.call(number, vmm::kvm::request::create_vcpu, size_t{0}), -EBADF);
}

TEST(FakeTeeMemory, NthCallFails) {
  TeeCalls calls;
  calls.kernel.fail_call = calls.kernel.calls();
  calls.kernel.fail_errno = ENOSPC;
  EXPECT_EQ(calls.create_vm(VmType::snp), -ENOSPC);
  EXPECT_EQ(calls.kernel.failed_call(), "KVM_CREATE_VM");
  EXPECT_EQ(calls.create_vm(VmType::snp), 0);
  EXPECT_THAT(calls.kernel.transcript(),
              HasSubstr("KVM_CREATE_VM -> -ENOSPC\nKVM_CREATE_VM type=4 -> vm\n"));
}

}  // namespace
}  // namespace bartizan::fakes
