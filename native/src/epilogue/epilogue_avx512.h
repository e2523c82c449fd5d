/* epilogue_avx512.h: what happens to the exact sums of 16 neighbouring channels of one row, in registers. */
#ifndef ONEBIT_EPILOGUE_AVX512_H
#define ONEBIT_EPILOGUE_AVX512_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"
#include "epilogue_scalar.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

/* The epilogue of channels [channel, channel + 16), loaded once for all rows of a tile. */
typedef struct ob_finish_avx512 {
    __m512 scale_f32x16, bias_f32x16;
    __m512i threshold_i32x16,
        down_i32x16; /* down: all ones where the direction is -1; the threshold is xored with it */
    __mmask16 live;  /* channel is below n */
} ob_finish_avx512;

OB_INLINE ob_finish_avx512 ob_finish_load_avx512(const ob_dense_job *job, int64_t channel) {
    const ob_epilogue *e = &job->epilogue;
    const int64_t left = job->n - channel;
    ob_finish_avx512 f = {.live = left < 16 ? (__mmask16)((1u << left) - 1) : (__mmask16)0xffff};
    if (e->output == OB_OUTPUT_FLOAT) {
        f.scale_f32x16 = _mm512_maskz_loadu_ps(f.live, e->scale + channel);
        f.bias_f32x16 = _mm512_maskz_loadu_ps(f.live, e->bias + channel);
    } else if (e->output == OB_OUTPUT_BITS) {
        /* y > t is ~y < ~t. A direction's sign, spread over 32 bits, is the mask that does it. */
        const __m128i direction_i8x16 = _mm_maskz_loadu_epi8(f.live, e->direction + channel);
        const __m512i threshold_i32x16 = _mm512_maskz_loadu_epi32(f.live, e->threshold + channel);
        f.down_i32x16 = _mm512_srai_epi32(_mm512_cvtepi8_epi32(direction_i8x16), 31);
        f.threshold_i32x16 = _mm512_xor_si512(threshold_i32x16, f.down_i32x16);
    }
    return f;
}

/* A masked store to a line that is not in L1 is slow (Zen 5: 20 % of a product with k = 512), so whole vectors, the
 * usual case, go without a mask. */
OB_INLINE void store16(unsigned char *to, __mmask16 live, __m512i v_x16) {
    if (live == 0xffff)
        _mm512_storeu_si512(to, v_x16);
    else
        _mm512_mask_storeu_epi32(to, live, v_x16);
}

/* Bits: the channels that become -1. */
OB_INLINE __mmask16 ob_below_avx512(const ob_finish_avx512 *f, __m512i y_i32x16) {
    return _mm512_mask_cmplt_epi32_mask(f->live, _mm512_xor_si512(y_i32x16, f->down_i32x16), f->threshold_i32x16);
}

/* out: where the row starts. */
OB_INLINE void ob_store_to_avx512(const ob_dense_job *job, const ob_finish_avx512 *f, unsigned char *out,
                                  int64_t channel, __m512i y_i32x16) {
    if (job->epilogue.output == OB_OUTPUT_INT32) {
        store16(out + channel * 4, f->live, y_i32x16);
    } else if (job->epilogue.output == OB_OUTPUT_FLOAT) {
        const __m512 scaled_f32x16 = _mm512_mul_ps(_mm512_cvtepi32_ps(y_i32x16), f->scale_f32x16);
        store16(out + channel * 4, f->live, _mm512_castps_si512(_mm512_add_ps(scaled_f32x16, f->bias_f32x16)));
    } else {
        const uint16_t minus = (uint16_t)ob_below_avx512(f, y_i32x16);
        memcpy(out + channel / 8, &minus, sizeof minus); /* inside the row: a row of bits is whole words */
    }
}

OB_INLINE void ob_store_avx512(const ob_dense_job *job, const ob_finish_avx512 *f, int64_t row, int64_t channel,
                               __m512i y_i32x16) {
    ob_store_to_avx512(job, f, job->out + row * job->out_bytes, channel, y_i32x16);
}

OB_TARGET_END

#endif
#endif
