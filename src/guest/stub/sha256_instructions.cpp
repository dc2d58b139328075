// The only place of the stub where XMM registers are used (tests/checks/boot_stub/test_static.py).
#include <immintrin.h>

#include "guest/stub/sha256.hpp"

namespace bartizan::guest::stub {
namespace {

__m128i load(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

}  // namespace

// Intel SDM volume 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2: the state as {A, B, E, F} and
// {C, D, G, H}, high to low; four rounds and four words of the schedule at a time.
__attribute__((target("sha,ssse3,sse4.1"))) void sha256_blocks_instructions(uint32_t state[8],
                                                                            const uint8_t* data,
                                                                            size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i cdab = _mm_shuffle_epi32(load(state), 0xb1);
  __m128i efgh = _mm_shuffle_epi32(load(state + 4), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; count > 0; count--, data += 64) {
    __m128i before_abef = abef, before_cdgh = cdgh, w[4];
#pragma GCC unroll 16
    for (int group = 0; group < 16; group++) {
      __m128i& now = w[group % 4];
      if (group < 4) {
        now = _mm_shuffle_epi8(load(data + 16 * group), big_endian);
      } else {
        __m128i last = w[(group + 3) % 4];
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, w[(group + 1) % 4]),
                                    _mm_alignr_epi8(last, w[(group + 2) % 4], 4));
        now = _mm_sha256msg2_epu32(sum, last);
      }
      __m128i keyed = _mm_add_epi32(now, load(kSha256Constants + 4 * group));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0e));
    }
    abef = _mm_add_epi32(abef, before_abef);
    cdgh = _mm_add_epi32(cdgh, before_cdgh);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  auto words = reinterpret_cast<__m128i*>(state);
  _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace bartizan::guest::stub
