/* pack_avx2.c: bit i = x[i] < 0. One compare and one movmskps make 8 bits. Bottleneck: reading x, 256 bytes per word.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

/* The comparison is ordered: NaN gives 0, which is +1. */
OB_INLINE uint64_t bits8(const float *x) {
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_LT_OQ));
}

void ob_pack_avx2(const float *x, int64_t rows, int64_t k, uint64_t *words) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < k; i += 64) {
            const int64_t left = k - i < 64 ? k - i : 64;
            uint64_t word = 0;
            int64_t b = 0;
            for (; b + 8 <= left; b += 8, x += 8) word |= bits8(x) << b;
            for (; b < left; b++, x++) word |= (uint64_t)(*x < 0) << b;
            *words++ = word;
        }
}

OB_TARGET_END

#endif
