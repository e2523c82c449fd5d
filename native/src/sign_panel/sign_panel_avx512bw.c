/* sign_panel_avx512bw.c: a word is a mask that chooses between two bytes; the 4 terms of a quad are then interleaved.
 * vpermd first puts 4 x 4 channels into each 128-bit lane, so that two rounds of unpacking leave them in order.
 * Cost of 256 bytes: 4 kmovq, 4 vpblendmb, 4 vpermd, 8 unpacks, 4 stores. Bottleneck: shuffles. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

void ob_sign_panel_avx512bw(const unsigned char *const *words, int64_t quads, const signed char fill[3],
                            unsigned char *panel) {
    const __m512i plus = _mm512_set1_epi8(fill[0]), minus = _mm512_set1_epi8(fill[1]), none = _mm512_set1_epi8(fill[2]);
    const __m512i lanes = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (int64_t q = 0; q < quads; q++, words += 4, panel += OB_QUAD_BYTES) {
        __m512i term[4];
        OB_UNROLL
        for (int i = 0; i < 4; i++) {
            term[i] = words[i] ? _mm512_mask_blend_epi8((__mmask64)ob_load_u64(words[i]), plus, minus) : none;
            term[i] = _mm512_permutexvar_epi32(lanes, term[i]);
        }
        const __m512i low_01 = _mm512_unpacklo_epi8(term[0], term[1]), high_01 = _mm512_unpackhi_epi8(term[0], term[1]);
        const __m512i low_23 = _mm512_unpacklo_epi8(term[2], term[3]), high_23 = _mm512_unpackhi_epi8(term[2], term[3]);
        _mm512_storeu_si512(panel, _mm512_unpacklo_epi16(low_01, low_23));
        _mm512_storeu_si512(panel + 64, _mm512_unpackhi_epi16(low_01, low_23));
        _mm512_storeu_si512(panel + 128, _mm512_unpacklo_epi16(high_01, high_23));
        _mm512_storeu_si512(panel + 192, _mm512_unpackhi_epi16(high_01, high_23));
    }
}

OB_TARGET_END

#endif
