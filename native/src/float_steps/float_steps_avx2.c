/* float_steps_avx2.c: the steps of onebit.h on 32 floats of a row, four vectors, and half a word of their signs.
 *
 * Cost of 32 floats with a residual, a clamp and bits: 16 loads beside the floats and 4 stores, some 30 vector
 * operations. Limit: two loads per cycle in L1. Bottleneck: the cache that the floats and the residual are in. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum { VECTORS = 4, LANES = 8, BLOCK = VECTORS * LANES };

OB_INLINE __m256 load(const __m256i live_i32x8[VECTORS], const void *from, int v) {
    return _mm256_maskload_ps((const float *)from + LANES * v, live_i32x8[v]);
}

OB_INLINE void add(__m256 f_f32x8[VECTORS], const __m256i live_i32x8[VECTORS], const float *residual) {
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) f_f32x8[v] = _mm256_add_ps(f_f32x8[v], load(live_i32x8, residual, v));
}

/* max and min give their second operand if the two are equal or one is a NaN: so a NaN stays, and -0.0 too. */
OB_INLINE void clamp(__m256 f_f32x8[VECTORS], const __m256i live_i32x8[VECTORS], const float *low, const float *high) {
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        f_f32x8[v] = _mm256_min_ps(load(live_i32x8, high, v), _mm256_max_ps(load(live_i32x8, low, v), f_f32x8[v]));
}

OB_INLINE void prelu(__m256 f_f32x8[VECTORS], const __m256i live_i32x8[VECTORS], const float *slope) {
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const __m256 positive = _mm256_cmp_ps(f_f32x8[v], _mm256_setzero_ps(), _CMP_GT_OQ);
        f_f32x8[v] = _mm256_blendv_ps(_mm256_mul_ps(load(live_i32x8, slope, v), f_f32x8[v]), f_f32x8[v], positive);
    }
}

OB_INLINE uint32_t minus(const __m256 f_f32x8[VECTORS], const __m256i live_i32x8[VECTORS], const float *threshold,
                         const int8_t *direction, int64_t count) {
    uint32_t bits = 0;
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const int64_t left = count - LANES * v;
        uint64_t eight = 0;
        if (left > 0) memcpy(&eight, direction + LANES * v, left < LANES ? (size_t)left : LANES);
        const __m256i down_i32x8 = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((int64_t)eight)); /* its sign chooses */
        const __m256 threshold_f32x8 = load(live_i32x8, threshold, v);
        const __m256 below = _mm256_cmp_ps(f_f32x8[v], threshold_f32x8, _CMP_LT_OQ);
        const __m256 above = _mm256_cmp_ps(f_f32x8[v], threshold_f32x8, _CMP_GT_OQ);
        const __m256 minus = _mm256_blendv_ps(below, above, _mm256_castsi256_ps(down_i32x8));
        bits |= (uint32_t)_mm256_movemask_ps(_mm256_and_ps(minus, _mm256_castsi256_ps(live_i32x8[v]))) << LANES * v;
    }
    return bits;
}

/* `count` <= 32 channels of one row from `channel` on; live: one lane for each. */
OB_INLINE void block(const ob_epilogue *e, unsigned char *row_out, unsigned char *row_bits, const float *row_residual,
                     int64_t channel, int64_t count, const __m256i live_i32x8[VECTORS]) {
    const float *residual = row_residual ? row_residual + channel : NULL;
    unsigned char *out = row_out + 4 * channel;
    __m256 f_f32x8[VECTORS];
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) f_f32x8[v] = load(live_i32x8, out, v);
    if (residual && !e->residual_last) add(f_f32x8, live_i32x8, residual);
    if (e->activation == OB_ACTIVATION_CLAMP) clamp(f_f32x8, live_i32x8, e->low + channel, e->high + channel);
    if (e->activation == OB_ACTIVATION_PRELU) prelu(f_f32x8, live_i32x8, e->slope + channel);
    if (residual && e->residual_last) add(f_f32x8, live_i32x8, residual);
    if (e->activation || residual) {
        OB_UNROLL
        for (int v = 0; v < VECTORS; v++)
            _mm256_maskstore_ps((float *)(void *)out + LANES * v, live_i32x8[v], f_f32x8[v]);
    }
    if (!row_bits) return;
    const uint32_t bits = minus(f_f32x8, live_i32x8, e->float_threshold + channel, e->direction + channel, count);
    memcpy(row_bits + channel / 8, &bits, sizeof bits);
}

OB_INLINE void lanes_below(int64_t count, __m256i live_i32x8[VECTORS]) {
    const __m256i lane_i32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int v = 0; v < VECTORS; v++)
        live_i32x8[v] = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count - LANES * v), lane_i32x8);
}

void ob_float_steps_avx2(const ob_epilogue *e, unsigned char *out, int64_t n, const ob_dense_part *part) {
    const ob_epilogue steps = *e; /* a copy that no store can change */
    const int64_t words = (n + 63) / 64, end = part->channel + part->channels, whole = end / BLOCK * BLOCK;
    __m256i all_i32x8[VECTORS], some_i32x8[VECTORS];
    lanes_below(BLOCK, all_i32x8), lanes_below(end - whole, some_i32x8);
    for (int64_t row = part->row; row < part->row + part->rows; row++) {
        unsigned char *row_out = out + row * n * 4;
        unsigned char *bits = e->output == OB_OUTPUT_FLOAT_BITS ? (unsigned char *)e->bits + row * words * 8 : NULL;
        const float *residual = e->residual ? e->residual + row * n : NULL;
        for (int64_t channel = part->channel; channel < whole; channel += BLOCK)
            block(&steps, row_out, bits, residual, channel, BLOCK, all_i32x8);
        if (end > whole) block(&steps, row_out, bits, residual, whole, end - whole, some_i32x8);
        if (bits && (end + BLOCK - 1) / BLOCK % 2)
            memset(bits + (end + BLOCK - 1) / BLOCK * 4, 0, 4); /* the word's end */
    }
}

OB_TARGET_END

#endif
