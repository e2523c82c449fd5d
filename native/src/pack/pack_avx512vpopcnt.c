/* pack_avx512vpopcnt.c: bit i = x[i] < 0. One compare makes 16 bits. Bottleneck: reading x, 256 bytes per word. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

/* The comparison is ordered: NaN gives 0, which is +1. */
OB_INLINE uint64_t bits16(const float *x, __mmask16 live) {
    return _mm512_mask_cmp_ps_mask(live, _mm512_maskz_loadu_ps(live, x), _mm512_setzero_ps(), _CMP_LT_OQ);
}

OB_INLINE uint64_t bits64(const float *x) {
    return bits16(x, 0xffff) | bits16(x + 16, 0xffff) << 16 | bits16(x + 32, 0xffff) << 32 |
           bits16(x + 48, 0xffff) << 48;
}

void ob_pack_avx512vpopcnt(const float *x, int64_t rows, int64_t k, uint64_t *words) {
    for (int64_t row = 0; row < rows; row++) {
        const float *const end = x + k;
        for (; end - x >= 64; x += 64) *words++ = bits64(x);
        if (x == end) continue;
        uint64_t word = 0;
        for (int shift = 0; x < end; shift += 16) {
            const int64_t left = end - x < 16 ? end - x : 16;
            word |= bits16(x, (__mmask16)((1u << left) - 1)) << shift;
            x += left;
        }
        *words++ = word;
    }
}

OB_TARGET_END

#endif
