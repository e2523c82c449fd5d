/* sign_panel_avx2.c: 16 bits of each of the 4 terms of a quad become bytes, which are then interleaved.
 * Cost of 64 bytes: 4 times (broadcast, and, compare, blend), 6 unpacks, 4 stores. Bottleneck: all of them. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

/* Byte i: fill[bit i of the word]. */
OB_INLINE __m128i spread(const unsigned char *word, __m128i plus, __m128i minus, __m128i none) {
    const __m128i bit = _mm_set1_epi64x((int64_t)0x8040201008040201u);
    const __m128i halves = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    uint16_t bits;
    if (!word) return none;
    memcpy(&bits, word, sizeof bits);
    const __m128i own = _mm_and_si128(_mm_shuffle_epi8(_mm_cvtsi32_si128(bits), halves), bit);
    return _mm_blendv_epi8(plus, minus, _mm_cmpeq_epi8(own, bit));
}

void ob_sign_panel_avx2(const unsigned char *const *words, int64_t quads, const signed char fill[3],
                        unsigned char *panel) {
    const __m128i plus = _mm_set1_epi8(fill[0]), minus = _mm_set1_epi8(fill[1]), none = _mm_set1_epi8(fill[2]);
    for (int64_t q = 0; q < quads; q++, words += 4)
        for (int part = 0; part < 4; part++, panel += 64) {
            __m128i term[4];
            OB_UNROLL
            for (int i = 0; i < 4; i++) term[i] = spread(words[i] ? words[i] + 2 * part : NULL, plus, minus, none);
            const __m128i low_01 = _mm_unpacklo_epi8(term[0], term[1]), high_01 = _mm_unpackhi_epi8(term[0], term[1]);
            const __m128i low_23 = _mm_unpacklo_epi8(term[2], term[3]), high_23 = _mm_unpackhi_epi8(term[2], term[3]);
            _mm_storeu_si128((__m128i *)(void *)panel, _mm_unpacklo_epi16(low_01, low_23));
            _mm_storeu_si128((__m128i *)(void *)(panel + 16), _mm_unpackhi_epi16(low_01, low_23));
            _mm_storeu_si128((__m128i *)(void *)(panel + 32), _mm_unpacklo_epi16(high_01, high_23));
            _mm_storeu_si128((__m128i *)(void *)(panel + 48), _mm_unpackhi_epi16(high_01, high_23));
        }
}

OB_TARGET_END

#endif
