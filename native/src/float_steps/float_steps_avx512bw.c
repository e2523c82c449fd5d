/* float_steps_avx512bw.c: the steps of onebit.h on 64 floats of a row, four vectors, and one word of their signs.
 *
 * Cost of 64 floats with a residual, a clamp and bits: 12 loads beside the floats and 4 stores, some 20 vector
 * operations. Limit: two loads per cycle in L1; one line of floats, one of the residual and one store per 16 floats
 * in L2. Bottleneck: the cache that the floats and the residual are in. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

enum { VECTORS = 4 };

OB_INLINE __m512 load(__mmask16 live, const void *from, int v) {
    return _mm512_maskz_loadu_ps(live, (const unsigned char *)from + 64 * v);
}

OB_INLINE void add(__m512 f_f32x16[VECTORS], const __mmask16 live[VECTORS], const float *residual) {
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) f_f32x16[v] = _mm512_add_ps(f_f32x16[v], load(live[v], residual, v));
}

/* max and min give their second operand if the two are equal or one is a NaN: so a NaN stays, and -0.0 too. */
OB_INLINE void clamp(__m512 f_f32x16[VECTORS], const __mmask16 live[VECTORS], const float *low, const float *high) {
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        f_f32x16[v] = _mm512_min_ps(load(live[v], high, v), _mm512_max_ps(load(live[v], low, v), f_f32x16[v]));
}

OB_INLINE void prelu(__m512 f_f32x16[VECTORS], const __mmask16 live[VECTORS], const float *slope) {
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const __mmask16 rest = _mm512_cmp_ps_mask(f_f32x16[v], _mm512_setzero_ps(), _CMP_NGT_UQ);
        f_f32x16[v] = _mm512_mask_mul_ps(f_f32x16[v], rest, load(live[v], slope, v), f_f32x16[v]);
    }
}

OB_INLINE uint64_t minus(const __m512 f_f32x16[VECTORS], const __mmask16 live[VECTORS], const float *threshold,
                         const int8_t *direction) {
    uint64_t word = 0;
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const __m512 threshold_f32x16 = load(live[v], threshold, v);
        const unsigned down = _mm_movepi8_mask(_mm_maskz_loadu_epi8(live[v], direction + 16 * v));
        const unsigned below = _mm512_mask_cmp_ps_mask(live[v], f_f32x16[v], threshold_f32x16, _CMP_LT_OQ);
        const unsigned above = _mm512_mask_cmp_ps_mask(live[v], f_f32x16[v], threshold_f32x16, _CMP_GT_OQ);
        word |= (uint64_t)((below & ~down) | (above & down)) << 16 * v;
    }
    return word;
}

/* 64 channels of one row from `channel` on, of which those whose lane is live exist. */
OB_INLINE void block(const ob_epilogue *e, unsigned char *row_out, unsigned char *row_bits, const float *row_residual,
                     int64_t channel, const __mmask16 live[VECTORS]) {
    const float *residual = row_residual ? row_residual + channel : NULL;
    unsigned char *out = row_out + 4 * channel;
    __m512 f_f32x16[VECTORS];
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) f_f32x16[v] = load(live[v], out, v);
    if (residual && !e->residual_last) add(f_f32x16, live, residual);
    if (e->activation == OB_ACTIVATION_CLAMP) clamp(f_f32x16, live, e->low + channel, e->high + channel);
    if (e->activation == OB_ACTIVATION_PRELU) prelu(f_f32x16, live, e->slope + channel);
    if (residual && e->residual_last) add(f_f32x16, live, residual);
    if (e->activation || residual) {
        OB_UNROLL
        for (int v = 0; v < VECTORS; v++) _mm512_mask_storeu_ps(out + 64 * v, live[v], f_f32x16[v]);
    }
    if (!row_bits) return;
    const uint64_t word = minus(f_f32x16, live, e->float_threshold + channel, e->direction + channel);
    memcpy(row_bits + channel / 8, &word, sizeof word);
}

void ob_float_steps_avx512bw(const ob_epilogue *e, unsigned char *out, int64_t n, const ob_dense_part *part) {
    const ob_epilogue steps = *e; /* a copy that no store can change */
    const int64_t words = (n + 63) / 64, end = part->channel + part->channels, whole = end / 64 * 64;
    const __mmask16 all[VECTORS] = {0xffff, 0xffff, 0xffff, 0xffff};
    const uint64_t left = end == whole ? 0 : ~(uint64_t)0 >> (64 - (end - whole));
    const __mmask16 some[VECTORS] = {(__mmask16)left, (__mmask16)(left >> 16), (__mmask16)(left >> 32),
                                     (__mmask16)(left >> 48)};
    for (int64_t row = part->row; row < part->row + part->rows; row++) {
        unsigned char *row_out = out + row * n * 4;
        unsigned char *bits = e->output == OB_OUTPUT_FLOAT_BITS ? (unsigned char *)e->bits + row * words * 8 : NULL;
        const float *residual = e->residual ? e->residual + row * n : NULL;
        for (int64_t channel = part->channel; channel < whole; channel += 64)
            block(&steps, row_out, bits, residual, channel, all);
        if (left) block(&steps, row_out, bits, residual, whole, some);
    }
}

OB_TARGET_END

#endif
