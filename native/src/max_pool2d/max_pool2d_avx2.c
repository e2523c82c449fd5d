/* max_pool2d_avx2.c: m ^ AND(m ^ x) (see max_pool2d_scalar.c), 4 words of a pixel at a time.
 *
 * Cost of 256 channels of one place of a window: a masked load, xor, and. Pixels of fewer than 4 words use part of a
 * vector. Limit: the loads, or the memory. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"
#include "pool_window.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

OB_INLINE __m256i load(const unsigned char *from, __m256i live_i64x4) {
    return _mm256_maskload_epi64((const void *)from, live_i64x4);
}

/* Up to 4 words of all output columns of one row. */
OB_INLINE void row_of_words(const ob_max_pool2d_job *job, int64_t row, int64_t word, __m256i live_i64x4) {
    const int64_t pixel_bytes = job->words * 8, line_bytes = job->width * pixel_bytes;
    unsigned char *out = job->out + row * job->out_width * pixel_bytes + 8 * word;
    const __m256i minimum_u64x4 = job->minimum ? load(job->minimum + 8 * word, live_i64x4) : _mm256_setzero_si256();
    for (int64_t ox = 0; ox < job->out_width; ox++, out += pixel_bytes) {
        const ob_pool_window window = ob_pool_window_at(job, row, ox);
        __m256i all_u64x4 = _mm256_set1_epi64x(-1);
        for (int64_t i = 0; i < window.rows; i++) {
            const unsigned char *x = window.x + i * line_bytes + 8 * word;
            for (int64_t j = 0; j < window.columns; j++, x += pixel_bytes)
                all_u64x4 = _mm256_and_si256(all_u64x4, _mm256_xor_si256(load(x, live_i64x4), minimum_u64x4));
        }
        _mm256_maskstore_epi64((void *)out, live_i64x4, _mm256_xor_si256(all_u64x4, minimum_u64x4));
    }
}

void ob_max_pool2d_avx2(const ob_max_pool2d_job *job, int64_t row, int64_t rows) {
    const __m256i lane_i64x4 = _mm256_setr_epi64x(0, 1, 2, 3);
    for (; rows > 0; rows--, row++)
        for (int64_t word = 0; word < job->words; word += 4)
            row_of_words(job, row, word, _mm256_cmpgt_epi64(_mm256_set1_epi64x(job->words - word), lane_i64x4));
}

OB_TARGET_END

#endif
