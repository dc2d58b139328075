// What the guest needs of the processor that its host shows it. The content of SNP's CPUID page is
// not measured, SEV-ES's CPUID is the host's answer, and both may leave features out.
#pragma once

#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::guest::init::system {

// By the text of /proc/cpuinfo, for each processor in it. With TEE `none` nothing is demanded.
// verification_failed, reason "cpuid", with the flag: without
//   aes     ciphers fall back to tables in memory, whose timing tells about keys
//   rdrand  the kernel's random numbers come from what the host sees or gives: clocks, virtio-rng
Result<void> check_processor(Tee tee, std::string_view cpuinfo);

}  // namespace bartizan::guest::init::system
