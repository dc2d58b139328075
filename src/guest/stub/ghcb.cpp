#include "guest/stub/ghcb.hpp"

#include <cstring>

#include "guest/stub/platform.hpp"

namespace bartizan::guest::stub {
namespace {

// GHCB specification, "GHCB MSR Protocol": the low 12 bits of the MSR.
constexpr uint64_t kInfoMask = 0xfff;
constexpr uint64_t kSevInfoResponse = 0x001, kSevInfoRequest = 0x002;
constexpr uint64_t kCpuidRequest = 0x004, kCpuidResponse = 0x005;
constexpr uint64_t kTerminate = 0x100;

// "GHCB Layout"; "AP Jump Table" of the software exit codes.
constexpr uint64_t kExitCode = 0x390, kExitInfo1 = 0x398, kExitInfo2 = 0x3a0;
constexpr uint64_t kValidBitmap = 0x3f0, kProtocolVersion = 0xffa;
constexpr uint64_t kApJumpTable = 0x80000005, kSetJumpTable = 0;
constexpr uint64_t kMaxVersion = 2;

uint64_t call(uint64_t request) {
  platform::write_ghcb_msr(request);
  platform::vmgexit();
  return platform::read_msr(platform::kMsrGhcb);
}

// The version that both sides speak; 0: none.
uint16_t negotiate() {
  uint64_t answer = call(kSevInfoRequest);
  if ((answer & kInfoMask) != kSevInfoResponse) return 0;
  uint64_t highest = answer >> 48, lowest = answer >> 32 & 0xffff;
  uint64_t version = highest < kMaxVersion ? highest : kMaxVersion;
  return version < lowest ? 0 : static_cast<uint16_t>(version);
}

void set_field(uint8_t* ghcb, uint64_t offset, uint64_t value) {
  std::memcpy(ghcb + offset, &value, sizeof value);
  ghcb[kValidBitmap + offset / 64] |= static_cast<uint8_t>(1u << offset / 8 % 8);
}

}  // namespace

uint32_t ghcb_cpuid(uint32_t leaf, CpuidRegister which) {
  uint64_t selector = static_cast<uint64_t>(which) << 30;
  uint64_t answer = call(static_cast<uint64_t>(leaf) << 32 | selector | kCpuidRequest);
  return (answer & kInfoMask) == kCpuidResponse ? static_cast<uint32_t>(answer >> 32) : 0;
}

StubRefusal set_ap_jump_table(const StubTable& table) {
  if (platform_of(table) != StubPlatform::sev_es || table.vcpus == 1) return kDone;
  uint16_t version = negotiate();
  if (version == 0) return StubRefusal::ap_jump_table;
  uint8_t* ghcb = platform::memory(guest_abi::kStagingAddress);
  std::memset(ghcb, 0, kPageSize);
  set_field(ghcb, kExitCode, kApJumpTable);
  set_field(ghcb, kExitInfo1, kSetJumpTable);
  set_field(ghcb, kExitInfo2, guest_abi::kStubMailboxAddress);
  std::memcpy(ghcb + kProtocolVersion, &version, sizeof version);
  platform::write_ghcb_msr(guest_abi::kStagingAddress);
  platform::vmgexit();
  uint32_t error;  // low half of SW_EXITINFO1: 0, no exception, no error
  std::memcpy(&error, ghcb + kExitInfo1, sizeof error);
  return error == 0 ? kDone : StubRefusal::ap_jump_table;
}

void ghcb_terminate(uint32_t reason) {
  platform::write_ghcb_msr(static_cast<uint64_t>(reason) << 16 | guest_abi::kStubReasonSet << 12 |
                           kTerminate);
  platform::vmgexit();
  platform::halt();
}

}  // namespace bartizan::guest::stub
