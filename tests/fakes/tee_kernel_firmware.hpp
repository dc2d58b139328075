// The public-key half of AMD's firmware: P-384 keys and signatures in its little-endian layouts,
// the check of an SNP ID block, and the platform's side of a SEV session.
#pragma once

#include <cstdint>
#include <span>

#include "fakes/tee_kernel_digest.hpp"
#include "fakes/tee_kernel_sev.hpp"

namespace bartizan::fakes {

constexpr size_t kIdBlockBytes = 96;
constexpr size_t kIdAuthBytes = 4096;

// What SNP_LAUNCH_FINISH decides about an ID block (SNP firmware ABI, "SNP_LAUNCH_FINISH" and its
// ID_BLOCK and ID_AUTH structures). On success fills the key digests of the report.
struct IdBlockCheck {
  std::span<const uint8_t, kIdBlockBytes> block;
  std::span<const uint8_t, kIdAuthBytes> auth;
  bool author_key = false;
  Digest384 launch_digest{};
  uint64_t policy = 0;

  vmm::kvm::SevFirmwareError check();

  Digest384 id_key_digest{}, author_key_digest{};  // out
};

}  // namespace bartizan::fakes
