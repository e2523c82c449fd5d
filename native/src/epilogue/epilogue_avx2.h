/* epilogue_avx2.h: what happens to the exact sums of 8 neighbouring channels of one row, in registers. */
#ifndef ONEBIT_EPILOGUE_AVX2_H
#define ONEBIT_EPILOGUE_AVX2_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"
#include "epilogue_scalar.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

/* The epilogue of channels [channel, channel + 8), loaded once for all rows of a tile. */
typedef struct ob_finish_avx2 {
    __m256 scale_f32x8, bias_f32x8;
    __m256i threshold_i32x8, live_i32x8, down_i32x8; /* live: channel is below n; down: its direction is -1 */
    int whole;                                       /* all 8 channels are below n */
} ob_finish_avx2;

OB_INLINE ob_finish_avx2 ob_finish_load_avx2(const ob_dense_job *job, int64_t channel) {
    const ob_epilogue *e = &job->epilogue;
    const int live = job->n - channel < 8 ? (int)(job->n - channel) : 8;
    const __m256i lane_i32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), zero = _mm256_setzero_si256();
    ob_finish_avx2 f = {.live_i32x8 = _mm256_cmpgt_epi32(_mm256_set1_epi32(live), lane_i32x8), .whole = live == 8};
    if (e->output == OB_OUTPUT_FLOAT) {
        f.scale_f32x8 = _mm256_maskload_ps(e->scale + channel, f.live_i32x8);
        f.bias_f32x8 = _mm256_maskload_ps(e->bias + channel, f.live_i32x8);
    } else if (e->output == OB_OUTPUT_BITS) {
        uint64_t direction = 0;
        memcpy(&direction, e->direction + channel, (size_t)live);
        f.threshold_i32x8 = _mm256_maskload_epi32(e->threshold + channel, f.live_i32x8);
        f.down_i32x8 = _mm256_cmpgt_epi32(zero, _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((int64_t)direction)));
    }
    return f;
}

/* A masked store to a line that is not in L1 is slow (Zen 5: 10 % of a product with k = 2048), so whole vectors, the
 * usual case, go without a mask. */
OB_INLINE void store8(unsigned char *to, const ob_finish_avx2 *f, __m256i v_x8) {
    if (f->whole)
        _mm256_storeu_si256((void *)to, v_x8);
    else
        _mm256_maskstore_epi32((void *)to, f->live_i32x8, v_x8);
}

/* out: where the row starts. */
OB_INLINE void ob_store_to_avx2(const ob_dense_job *job, const ob_finish_avx2 *f, unsigned char *out, int64_t channel,
                                __m256i y_i32x8) {
    if (job->epilogue.output == OB_OUTPUT_INT32) {
        store8(out + channel * 4, f, y_i32x8);
    } else if (job->epilogue.output == OB_OUTPUT_FLOAT) {
        const __m256 scaled_f32x8 = _mm256_mul_ps(_mm256_cvtepi32_ps(y_i32x8), f->scale_f32x8);
        store8(out + channel * 4, f, _mm256_castps_si256(_mm256_add_ps(scaled_f32x8, f->bias_f32x8)));
    } else {
        const __m256i below = _mm256_cmpgt_epi32(f->threshold_i32x8, y_i32x8);
        const __m256i above = _mm256_cmpgt_epi32(y_i32x8, f->threshold_i32x8);
        const __m256i minus = _mm256_and_si256(_mm256_blendv_epi8(below, above, f->down_i32x8), f->live_i32x8);
        out[channel / 8] = (unsigned char)_mm256_movemask_ps(_mm256_castsi256_ps(minus));
    }
}

OB_INLINE void ob_store_avx2(const ob_dense_job *job, const ob_finish_avx2 *f, int64_t row, int64_t channel,
                             __m256i y_i32x8) {
    ob_store_to_avx2(job, f, job->out + row * job->out_bytes, channel, y_i32x8);
}

OB_TARGET_END

#endif
#endif
