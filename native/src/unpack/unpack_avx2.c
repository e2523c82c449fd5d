/* unpack_avx2.c: x[i] = -1 if bit i is 1, else +1: the bit is shifted into the sign of 1.0f.
 * Bottleneck: writing x, 256 bytes per word. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

OB_INLINE __m256 signs8(uint64_t bits) {
    const __m256i to_sign_i32x8 = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
    const __m256i shifted_u32x8 = _mm256_sllv_epi32(_mm256_set1_epi32((int)(bits & 0xff)), to_sign_i32x8);
    const __m256 sign_f32x8 = _mm256_and_ps(_mm256_castsi256_ps(shifted_u32x8), _mm256_set1_ps(-0.0f));
    return _mm256_or_ps(sign_f32x8, _mm256_set1_ps(1.0f));
}

void ob_unpack_avx2(const uint64_t *words, int64_t rows, int64_t k, float *x) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < k; i += 64) {
            const int64_t left = k - i < 64 ? k - i : 64;
            const uint64_t word = *words++;
            int64_t b = 0;
            for (; b + 8 <= left; b += 8, x += 8) _mm256_storeu_ps(x, signs8(word >> b));
            for (; b < left; b++) *x++ = word >> b & 1 ? -1.0f : 1.0f;
        }
}

OB_TARGET_END

#endif
