// One exit at a time: string I/O, hostile hypercalls, ends.
#include "vmm/vcpu/dispatch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "vmm/vcpu/setup.hpp"

namespace bartizan::vmm::vcpu {
namespace {

class Dispatch : public ::testing::Test {
 protected:
  class Port final : public devices::BusDevice {
   public:
    uint64_t read(uint64_t, uint32_t) override { return next_++; }
    void write(uint64_t, uint32_t, uint64_t value) override { written.push_back(value); }
    std::vector<uint64_t> written;

   private:
    uint64_t next_ = 0x41;
  };
  Dispatch() {
    handlers_.pio = &pio_;
    handlers_.mmio = &mmio_;
    EXPECT_TRUE(pio_.add(0x10, 4, port_).ok());
    handlers_.page_state = [this](uint64_t address, uint64_t pages, bool make_private) {
      changes_.push_back({address, pages, make_private});
      return address < 0x100000000000;
    };
  }
  kvm_run& run() { return *reinterpret_cast<kvm_run*>(page_); }
  std::optional<End> go(uint32_t reason) {
    run().exit_reason = reason;
    return dispatch(run(), handlers_, counters_);
  }
  uint64_t hypercall(uint64_t number, uint64_t address, uint64_t pages, uint64_t flags) {
    run().hypercall.nr = number;
    run().hypercall.args[0] = address;
    run().hypercall.args[1] = pages;
    run().hypercall.args[2] = flags;
    EXPECT_FALSE(go(KVM_EXIT_HYPERCALL).has_value());
    return run().hypercall.ret;
  }

  alignas(4096) uint8_t page_[3 * 4096] = {};
  devices::Bus pio_, mmio_;
  std::shared_ptr<Port> port_ = std::make_shared<Port>();
  Handlers handlers_;
  ExitCounters counters_;
  std::vector<std::tuple<uint64_t, uint64_t, bool>> changes_;
};

template <typename T>
T& exit_data(kvm_run& run) {
  return *reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(&run) + kvm::kExitDataOffset);
}

TEST_F(Dispatch, MemoryFaultsAreConversions) {
  exit_data<kvm::ExitMemoryFault>(run()) = {kvm::kMemoryFaultPrivate, 0x5000, 4096};
  EXPECT_FALSE(go(kvm::kExitMemoryFault).has_value());
  exit_data<kvm::ExitMemoryFault>(run()) = {0, 0x6123, 0};
  EXPECT_FALSE(go(kvm::kExitMemoryFault).has_value());
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[0], std::make_tuple(0x5000ull, 1ull, true));
  EXPECT_EQ(changes_[1], std::make_tuple(0x6000ull, 1ull, false));
  exit_data<kvm::ExitMemoryFault>(run()) = {0, 0x1000'0000'0000, 4096};
  auto end = go(kvm::kExitMemoryFault);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->kind, End::Kind::crash);
  EXPECT_NE(end->detail.find("0x100000000000"), std::string::npos);
}

TEST_F(Dispatch, ARefusedPageStateIsTheGuestsEinval) {
  EXPECT_EQ(hypercall(12, 0x1000'0000'0000, 1, 0x10), static_cast<uint64_t>(EINVAL));
}

TEST_F(Dispatch, TdxCallsGoToTheirHandler) {
  exit_data<kvm::ExitTdx>(run()) = {};
  exit_data<kvm::ExitTdx>(run()).ret = kvm::kTdvmcallSubfunctionUnsupported;
  EXPECT_FALSE(go(kvm::kExitTdx).has_value());
  EXPECT_EQ(exit_data<kvm::ExitTdx>(run()).ret, kvm::kTdvmcallSubfunctionUnsupported);
  handlers_.tdx_call = [](kvm::ExitTdx& call) { call.ret = call.get_quote.gpa; };
  exit_data<kvm::ExitTdx>(run()).get_quote.gpa = 0x77;
  EXPECT_FALSE(go(kvm::kExitTdx).has_value());
  EXPECT_EQ(exit_data<kvm::ExitTdx>(run()).ret, 0x77u);
}

TEST_F(Dispatch, AGuestThatEndsItselfSaysWhy) {
  run().system_event.type = kvm::kSystemEventSevTerminate;
  run().system_event.data[0] = 0x100 | 1 << 12 | 3 << 16;
  auto end = go(KVM_EXIT_SYSTEM_EVENT);
  EXPECT_EQ(end->detail, "SEV guest ended itself: reason set 1, code 0x3: not at VMPL 0");
  EXPECT_EQ(end->sev_reason, 0x103u);
  run().system_event.data[0] = 0x100 | 2 << 16;
  EXPECT_THAT(go(KVM_EXIT_SYSTEM_EVENT)->detail, ::testing::EndsWith("features not supported"));
  run().system_event.data[0] = 0x100 | 0xb << 12 | 7 << 16;
  EXPECT_EQ(go(KVM_EXIT_SYSTEM_EVENT)->sev_reason, 0xb07u);
  run().system_event.data[0] = 0x1234000;
  EXPECT_EQ(go(KVM_EXIT_SYSTEM_EVENT)->detail, "SEV guest ended itself, GHCB 0x1234000");
}

TEST_F(Dispatch, StringInstructionsMoveEachItem) {
  run().io.direction = KVM_EXIT_IO_OUT;
  run().io.size = 2;
  run().io.port = 0x10;
  run().io.count = 3;
  run().io.data_offset = 4096;
  std::memcpy(page_ + 4096, "a\0b\0c\0", 6);
  EXPECT_FALSE(go(KVM_EXIT_IO).has_value());
  EXPECT_EQ(port_->written, (std::vector<uint64_t>{'a', 'b', 'c'}));
  run().io.direction = KVM_EXIT_IO_IN;
  run().io.size = 1;
  EXPECT_FALSE(go(KVM_EXIT_IO).has_value());
  EXPECT_EQ(std::memcmp(page_ + 4096, "ABC", 3), 0);
  EXPECT_EQ(counters_.total(), 2u) << "one exit each, however many items";
}

TEST_F(Dispatch, PageStateHypercallsAreChecked) {
  EXPECT_EQ(hypercall(12, 0x1000, 4, 0x10), 0u);
  EXPECT_EQ(hypercall(12, 0x2000, 1, 0), 0u);
  EXPECT_EQ(changes_, (decltype(changes_){{0x1000, 4, true}, {0x2000, 1, false}}));
  EXPECT_EQ(hypercall(12, 0x1001, 4, 0), static_cast<uint64_t>(EINVAL));
  EXPECT_EQ(hypercall(12, 0x1000, 0, 0), static_cast<uint64_t>(EINVAL));
  EXPECT_EQ(static_cast<int64_t>(hypercall(99, 0x1000, 1, 0)), -1000);
  EXPECT_EQ(changes_.size(), 2u);
}

TEST_F(Dispatch, EndsAreToldApart) {
  EXPECT_EQ(go(KVM_EXIT_SHUTDOWN)->kind, End::Kind::triple_fault);
  run().system_event.type = KVM_SYSTEM_EVENT_RESET;
  EXPECT_EQ(go(KVM_EXIT_SYSTEM_EVENT)->kind, End::Kind::reset);
  run().system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
  EXPECT_EQ(go(KVM_EXIT_SYSTEM_EVENT)->kind, End::Kind::shutdown);
  run().system_event.type = KVM_SYSTEM_EVENT_CRASH;
  EXPECT_EQ(go(KVM_EXIT_SYSTEM_EVENT)->kind, End::Kind::crash);
  EXPECT_EQ(go(KVM_EXIT_HLT)->kind, End::Kind::crash)
      << "with the interrupt chip in the kernel nobody sees HLT";
}

TEST_F(Dispatch, CertificateRequestsGoToTheirHandler) {
  auto& request = exit_data<kvm::ExitSnpReqCerts>(run());
  request = {0x3000, 2, 0};
  EXPECT_FALSE(go(kvm::kExitSnpReqCerts).has_value());
  EXPECT_EQ(request.ret, static_cast<uint64_t>(EIO)) << "nobody has any";
  handlers_.certificates = [](kvm::ExitSnpReqCerts& asked) {
    EXPECT_EQ(asked.gpa, 0x3000u);
    asked.npages = 5;
    asked.ret = ENOSPC;
  };
  EXPECT_FALSE(go(kvm::kExitSnpReqCerts).has_value());
  EXPECT_EQ(request.ret, static_cast<uint64_t>(ENOSPC));
  EXPECT_EQ(request.npages, 5u);
}

// SNP's AP_CREATION and TDX' mailbox name processors by APIC id, and KVM takes it for the vCPU's.
TEST(Cpuid, ApicIdIsTheVcpusNumber) {
  for (uint32_t id : {0u, 1u, 7u}) {
    auto table = cpuid_of(kvm::CpuidTable{}, id, 8);
    EXPECT_EQ(table.find(1)->ebx >> 24, id);
    for (uint32_t level : {0u, 1u, 2u}) EXPECT_EQ(table.find(0xb, level)->edx, id);
  }
}

TEST(Cpuid, SurvivesATableThatLacksEverything) {
  auto table = cpuid_of(kvm::CpuidTable{}, 0, 1);
  EXPECT_NE(table.find(1)->ecx & 1u << 31, 0u);
  EXPECT_EQ(table.find(0xd), nullptr);
  EXPECT_EQ(table.find(0xb, 1)->eax, 0u);
}

}  // namespace
}  // namespace bartizan::vmm::vcpu
