// AMD processors by the names that QEMU gives them: the signature that ends up in a vCPU's RDX, and
// the position of the C-bit. Names, families, models and steppings are QEMU's builtin_x86_defs.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "bartizan/result.hpp"

namespace bartizan::plan::tee::snp {

struct CpuModel {
  std::string_view name;
  uint32_t family, model, stepping;
};

std::span<const CpuModel> cpu_models();

// CPUID leaf 1 EAX (AMD APM volume 3, Fn0000_0001_EAX).
uint32_t cpu_signature(uint32_t family, uint32_t model, uint32_t stepping);

// invalid_argument lists the names.
Result<uint32_t> cpu_signature(std::string_view name);

// Position of the C-bit on the processor with that signature: 47 on family 17h, 51 since Milan.
uint8_t c_bit_position(uint32_t signature);

}  // namespace bartizan::plan::tee::snp
