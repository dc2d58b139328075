#include "guest/stub/sha256.hpp"

#include <cstring>

namespace bartizan::guest::stub {
namespace {

constexpr size_t kBlock = 64;

uint32_t rotate(uint32_t word, int by) {
  return word >> by | word << (32 - by);
}

uint32_t load_be(const uint8_t* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return __builtin_bswap32(word);
}

void store_be(uint8_t* to, uint32_t word) {
  word = __builtin_bswap32(word);
  std::memcpy(to, &word, sizeof word);
}

// FIPS 180-4, 6.2.2, step 1.
void schedule(uint32_t w[64], const uint8_t* block) {
  for (int t = 0; t < 16; t++) w[t] = load_be(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
}

// Steps 2 to 4.
void compress(uint32_t state[8], const uint32_t w[64]) {
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t++) {
    uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kSha256Constants[t] + w[t];
    uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

}  // namespace

// FIPS 180-4, 4.2.2.
extern const uint32_t kSha256Constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void sha256_blocks_general(uint32_t state[8], const uint8_t* data, size_t count) {
  uint32_t w[64];
  for (; count > 0; count--, data += kBlock) {
    schedule(w, data);
    compress(state, w);
  }
}

void Sha256::blocks(const uint8_t* data, size_t count) {
  if (count == 0) return;
  (instructions_ ? sha256_blocks_instructions : sha256_blocks_general)(state_, data, count);
}

void Sha256::update(const uint8_t* data, size_t size) {
  size_t held = total_ % kBlock;
  total_ += size;
  if (held > 0) {
    size_t part = size < kBlock - held ? size : kBlock - held;
    std::memcpy(buffer_ + held, data, part);
    data += part, size -= part;
    if (held + part < kBlock) return;
    blocks(buffer_, 1);
  }
  blocks(data, size / kBlock);
  std::memcpy(buffer_, data + size / kBlock * kBlock, size % kBlock);
}

// FIPS 180-4, 5.1.1: a one bit, zeroes, the length in bits.
void Sha256::finish(uint8_t digest[kSha256Bytes]) {
  size_t held = total_ % kBlock;
  buffer_[held++] = 0x80;
  std::memset(buffer_ + held, 0, kBlock - held);
  if (held > kBlock - 8) {
    blocks(buffer_, 1);
    std::memset(buffer_, 0, kBlock);
  }
  store_be(buffer_ + 56, static_cast<uint32_t>(total_ >> 29));
  store_be(buffer_ + 60, static_cast<uint32_t>(total_ << 3));
  blocks(buffer_, 1);
  for (int word = 0; word < 8; word++) store_be(digest + 4 * word, state_[word]);
}

}  // namespace bartizan::guest::stub
