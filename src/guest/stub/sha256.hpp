// SHA-256 (FIPS 180-4), in general registers or by the processor's own instructions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bartizan::guest::stub {

constexpr size_t kSha256Bytes = 32;

class Sha256 {
 public:
  // `instructions`: the processor has SHA-NI, SSSE3 and SSE4.1, and SSE is switched on.
  explicit Sha256(bool instructions) : instructions_(instructions) {}

  void update(const uint8_t* data, size_t size);
  void finish(uint8_t digest[kSha256Bytes]);  // last call

 private:
  void blocks(const uint8_t* data, size_t count);

  uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t buffer_[64] = {};
  uint64_t total_ = 0;
  bool instructions_;
};

// One compression function, twice.
extern const uint32_t kSha256Constants[64];
void sha256_blocks_general(uint32_t state[8], const uint8_t* data, size_t count);
void sha256_blocks_instructions(uint32_t state[8], const uint8_t* data, size_t count);

}  // namespace bartizan::guest::stub
