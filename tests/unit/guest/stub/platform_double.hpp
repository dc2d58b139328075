// A processor for the stub's common half: guest memory, answers to privileged instructions, and the
// sequence of those that were executed. One at a time; platform_double.cpp stands in the place of
// src/guest/stub/platform.cpp.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "guest/stub/platform.hpp"
#include "guest_abi/stub_table.hpp"

namespace bartizan::guest::stub::test {

// How the stub's run ended: thrown by what does not return.
struct Ended {
  std::string how;  // kernel, halt, triple fault, fatal error
  uint64_t entry = 0;
  uint64_t boot_params = 0;
};

class PlatformDouble {
 public:
  PlatformDouble();
  ~PlatformDouble();
  PlatformDouble(const PlatformDouble&) = delete;
  PlatformDouble& operator=(const PlatformDouble&) = delete;

  guest_abi::StubTable& table();
  uint8_t* at(uint64_t address);
  Ended run();                   // stub_main
  std::string sequence() const;  // of calls, one a line

  uint64_t sev_status = 0;
  std::map<uint32_t, uint32_t> cpuid_ebx;
  std::function<platform::Validation(uint64_t, bool)> validate;
  std::function<uint64_t(uint64_t leaf, uint64_t rcx, uint64_t rdx)> tdx;  // RAX
  uint32_t tdx_address_bits = 48;
  uint64_t ghcb_versions = 0x0002'0001;  // highest, lowest
  uint64_t jump_table_error = 0;
  uint64_t ghcb_msr = 0;
  std::vector<std::string> calls;

 private:
  uint8_t* low_;   // 4 GiB
  uint8_t* high_;  // the GiB behind the window
};

PlatformDouble& current();

}  // namespace bartizan::guest::stub::test
