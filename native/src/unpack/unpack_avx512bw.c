/* unpack_avx512bw.c: x[i] = -1 if bit i is 1, else +1: 16 bits are a mask that chooses between the two.
 * Bottleneck: writing x, 256 bytes per word. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

void ob_unpack_avx512bw(const uint64_t *words, int64_t rows, int64_t k, float *x) {
    const __m512 plus_f32x16 = _mm512_set1_ps(1.0f), minus_f32x16 = _mm512_set1_ps(-1.0f);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < k; i += 64) {
            uint64_t word = *words++;
            for (int64_t left = k - i < 64 ? k - i : 64; left > 0; left -= 16, word >>= 16) {
                const __mmask16 live = left < 16 ? (__mmask16)((1u << left) - 1) : (__mmask16)0xffff;
                _mm512_mask_storeu_ps(x, live, _mm512_mask_blend_ps((__mmask16)word, plus_f32x16, minus_f32x16));
                x += left < 16 ? left : 16;
            }
        }
}

OB_TARGET_END

#endif
