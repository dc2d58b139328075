#include "plan/tee/snp/cpu_model.hpp"

#include <string>

#include "base/errors.hpp"

namespace bartizan::plan::tee::snp {
namespace {

constexpr CpuModel kModels[] = {
    {"EPYC", 23, 1, 2},          {"EPYC-v1", 23, 1, 2},       {"EPYC-v2", 23, 1, 2},
    {"EPYC-IBPB", 23, 1, 2},     {"EPYC-v3", 23, 1, 2},       {"EPYC-v4", 23, 1, 2},
    {"EPYC-Rome", 23, 49, 0},    {"EPYC-Rome-v1", 23, 49, 0}, {"EPYC-Rome-v2", 23, 49, 0},
    {"EPYC-Rome-v3", 23, 49, 0}, {"EPYC-Milan", 25, 1, 1},    {"EPYC-Milan-v1", 25, 1, 1},
    {"EPYC-Milan-v2", 25, 1, 1}, {"EPYC-Genoa", 25, 17, 0},   {"EPYC-Genoa-v1", 25, 17, 0},
    {"EPYC-Turin", 26, 0, 0},
};

constexpr uint32_t kExtendedFamilyStart = 15;
constexpr uint32_t kFirstFamilyWithCBit51 = 25;  // Zen 3: Milan

uint32_t family_of(uint32_t signature) {
  uint32_t family = signature >> 8 & 0xf;
  return family == kExtendedFamilyStart ? family + (signature >> 20 & 0xff) : family;
}

std::string names() {
  std::string text;
  for (const auto& model : kModels) text += (text.empty() ? "" : ", ") + std::string(model.name);
  return text;
}

}  // namespace

std::span<const CpuModel> cpu_models() {
  return kModels;
}

uint32_t cpu_signature(uint32_t family, uint32_t model, uint32_t stepping) {
  uint32_t low = std::min(family, kExtendedFamilyStart);
  uint32_t extended = (family - low) & 0xff;
  return extended << 20 | (model >> 4 & 0xf) << 16 | low << 8 | (model & 0xf) << 4 |
         (stepping & 0xf);
}

Result<uint32_t> cpu_signature(std::string_view name) {
  for (const auto& model : kModels) {
    if (model.name == name) return cpu_signature(model.family, model.model, model.stepping);
  }
  return make_error(ErrorCode::invalid_argument, "tee/cpu_model",
                    "vCPU type \"{}\": not known; one of {}, or give a signature", name, names());
}

uint8_t c_bit_position(uint32_t signature) {
  return family_of(signature) < kFirstFamilyWithCBit51 ? 47 : 51;
}

}  // namespace bartizan::plan::tee::snp
