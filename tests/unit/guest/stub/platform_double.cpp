#include "unit/guest/stub/platform_double.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>
#include <stdexcept>

#include "guest/stub/stub.hpp"

namespace bartizan::guest::stub::test {
namespace {

PlatformDouble* the_double = nullptr;
constexpr uint64_t kLow = 4ull << 30, kWindow = 1ull << 39, kHigh = 1ull << 30;

uint8_t* reserve(uint64_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::runtime_error("no address space");
  return static_cast<uint8_t*>(at);
}

}  // namespace

PlatformDouble::PlatformDouble() : low_(reserve(kLow)), high_(reserve(kHigh)) {
  the_double = this;
  validate = [](uint64_t, bool) { return platform::Validation{0, false}; };
  tdx = [](uint64_t, uint64_t, uint64_t) { return 0; };
}

PlatformDouble::~PlatformDouble() {
  munmap(low_, kLow);
  munmap(high_, kHigh);
  the_double = nullptr;
}

uint8_t* PlatformDouble::at(uint64_t address) {
  if (address < kLow) return low_ + address;
  if (address < kWindow || address >= kWindow + kHigh)
    throw std::out_of_range(fmt::format("{:#x}", address));
  return high_ + (address - kWindow);
}

guest_abi::StubTable& PlatformDouble::table() {
  return *reinterpret_cast<guest_abi::StubTable*>(at(guest_abi::kStubTableAddress));
}

std::string PlatformDouble::sequence() const {
  return fmt::format("{}", fmt::join(calls, "\n"));
}

Ended PlatformDouble::run() {
  try {
    stub_main();
  } catch (const Ended& ended) {
    return ended;
  }
}

PlatformDouble& current() {
  return *the_double;
}

}  // namespace bartizan::guest::stub::test

namespace bartizan::guest::stub::platform {
namespace {

using test::current;

template <typename... Values>
void note(std::string_view text, Values... values) {
  test::current().calls.push_back(fmt::vformat(text, fmt::make_format_args(values...)));
}

void answer_ghcb_page(uint64_t address) {
  uint64_t code, info1, info2;
  const uint8_t* page = test::current().at(address);
  std::memcpy(&code, page + 0x390, 8);
  std::memcpy(&info1, page + 0x398, 8);
  std::memcpy(&info2, page + 0x3a0, 8);
  note("ghcb exit {:x} {:x} {:x}, version {}, valid {:02x}", code, info1, info2, page[0xffa],
       page[0x3fe]);
  std::memcpy(test::current().at(address) + 0x398, &test::current().jump_table_error, 8);
}

}  // namespace

uint8_t* memory(uint64_t address) {
  return test::current().at(address);
}

Cpuid cpuid(uint32_t leaf, uint32_t) {
  note("cpuid {:x}", leaf);
  if ((leaf & 0x7fffffff) == 0) return {leaf | 0x1f, 0, 0, 0};
  return {0, test::current().cpuid_ebx[leaf], 0, 0};
}

uint64_t read_msr(uint32_t msr) {
  note("rdmsr {:x}", msr);
  return msr == kMsrGhcb ? test::current().ghcb_msr : test::current().sev_status;
}

void write_ghcb_msr(uint64_t value) {
  note("ghcb {:x}", value);
  test::current().ghcb_msr = value;
}

void vmgexit() {
  note("vmgexit");
  uint64_t& msr = test::current().ghcb_msr;
  switch (msr & 0xfff) {
    case 0:
      return answer_ghcb_page(msr);
    case 0x002:
      msr = test::current().ghcb_versions << 32 | 0x001;
      return;
    case 0x004:
      msr = static_cast<uint64_t>(test::current().cpuid_ebx[msr >> 32]) << 32 | 0x005;
      return;
  }
}

Validation pvalidate(uint64_t address, bool large) {
  note("pvalidate {:x}{}", address, large ? " large" : "");
  return test::current().validate(address, large);
}

void tdcall(Tdcall* registers) {
  uint64_t leaf = registers->rax;
  if (leaf == 0) {
    note("vmcall {:x} {:x}, mask {:x}", registers->r11, registers->r12, registers->rcx);
    throw test::Ended{"fatal error"};
  }
  note("tdcall {} {:x} {:x}", leaf, leaf == 2 ? 0 : registers->rcx, registers->rdx);
  if (leaf == 1) registers->rcx = test::current().tdx_address_bits;
  registers->rax = test::current().tdx(leaf, registers->rcx, registers->rdx);
}

void out32(uint16_t port, uint32_t value) {
  note("out {:x} {:x}", port, value);
}

void load_cr3(uint64_t value) {
  note("cr3 {:x}", value);
}

void enter_kernel(uint64_t entry, uint64_t boot_params) {
  throw test::Ended{"kernel", entry, boot_params};
}

void halt() {
  throw test::Ended{"halt"};
}

void triple_fault() {
  throw test::Ended{"triple fault"};
}

}  // namespace bartizan::guest::stub::platform
