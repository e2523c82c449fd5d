/* max_pool2d_avx512bw.c: m ^ AND(m ^ x) (see max_pool2d_scalar.c), 8 words of a pixel at a time.
 *
 * Cost of 512 channels of one place of a window: a load with a ternary operation, x ^ m & all. Pixels of fewer than 8
 * words use part of a vector. Limit: two loads per cycle, or the memory. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"
#include "pool_window.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

/* Up to 8 words of all output columns of one row. */
OB_INLINE void row_of_words(const ob_max_pool2d_job *job, int64_t row, int64_t word, const __mmask8 live) {
    const int64_t pixel_bytes = job->words * 8, line_bytes = job->width * pixel_bytes;
    unsigned char *out = job->out + row * job->out_width * pixel_bytes + 8 * word;
    const __m512i minimum_u64x8 =
        job->minimum ? _mm512_maskz_loadu_epi64(live, job->minimum + 8 * word) : _mm512_setzero_si512();
    for (int64_t ox = 0; ox < job->out_width; ox++, out += pixel_bytes) {
        const ob_pool_window window = ob_pool_window_at(job, row, ox);
        __m512i all_u64x8 = _mm512_set1_epi64(-1);
        for (int64_t i = 0; i < window.rows; i++) {
            const unsigned char *x = window.x + i * line_bytes + 8 * word;
            for (int64_t j = 0; j < window.columns; j++, x += pixel_bytes) {
                const __m512i x_u64x8 = _mm512_maskz_loadu_epi64(live, x);
                all_u64x8 = _mm512_ternarylogic_epi64(all_u64x8, minimum_u64x8, x_u64x8, 0x60); /* a & (b ^ c) */
            }
        }
        _mm512_mask_storeu_epi64(out, live, _mm512_xor_si512(all_u64x8, minimum_u64x8));
    }
}

void ob_max_pool2d_avx512bw(const ob_max_pool2d_job *job, int64_t row, int64_t rows) {
    for (; rows > 0; rows--, row++)
        for (int64_t word = 0; word < job->words; word += 8) {
            const int64_t left = job->words - word;
            row_of_words(job, row, word, left < 8 ? (__mmask8)((1 << left) - 1) : (__mmask8)0xff);
        }
}

OB_TARGET_END

#endif
