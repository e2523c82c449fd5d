/* float_steps_neon.c: the steps of onebit.h on 64 floats of a row and one word of their signs, 4 floats at a time.
 *
 * Cost of 4 floats with a residual, a clamp and bits: 5 loads beside the floats, a store, some 10 vector operations.
 * Bottleneck: the cache that the floats and the residual are in. Channels past the last 64 are left to the scalar
 * kernel. Built and checked under emulation; its speed was not measured. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../kernels.h"

/* As the scalar kernel's comparisons: a NaN stays, and so does -0.0. */
OB_INLINE float32x4_t clamp(float32x4_t f_f32x4, float32x4_t low_f32x4, float32x4_t high_f32x4) {
    f_f32x4 = vbslq_f32(vcltq_f32(f_f32x4, low_f32x4), low_f32x4, f_f32x4);
    return vbslq_f32(vcgtq_f32(f_f32x4, high_f32x4), high_f32x4, f_f32x4);
}

OB_INLINE float32x4_t prelu(float32x4_t f_f32x4, float32x4_t slope_f32x4) {
    return vbslq_f32(vcgtzq_f32(f_f32x4), f_f32x4, vmulq_f32(slope_f32x4, f_f32x4));
}

/* Which of 4 floats become -1, as 4 bits. */
OB_INLINE uint64_t minus4(float32x4_t f_f32x4, const float *threshold, const int8_t *direction) {
    static const uint32_t bit_of[4] = {1, 2, 4, 8};
    const int32_t turned[4] = {direction[0], direction[1], direction[2], direction[3]};
    const float32x4_t threshold_f32x4 = vld1q_f32(threshold);
    const uint32x4_t below = vcltq_f32(f_f32x4, threshold_f32x4), above = vcgtq_f32(f_f32x4, threshold_f32x4);
    const uint32x4_t minus_u32x4 = vbslq_u32(vcltzq_s32(vld1q_s32(turned)), above, below);
    return vaddvq_u32(vandq_u32(minus_u32x4, vld1q_u32(bit_of)));
}

/* 4 floats of channels from `channel` on; the bits of their signs, if they are wanted. */
OB_INLINE uint64_t four(const ob_epilogue *e, float *out, const float *residual, int64_t channel, const int bits) {
    float32x4_t f_f32x4 = vld1q_f32(out + channel);
    if (residual && !e->residual_last) f_f32x4 = vaddq_f32(f_f32x4, vld1q_f32(residual + channel));
    if (e->activation == OB_ACTIVATION_CLAMP)
        f_f32x4 = clamp(f_f32x4, vld1q_f32(e->low + channel), vld1q_f32(e->high + channel));
    if (e->activation == OB_ACTIVATION_PRELU) f_f32x4 = prelu(f_f32x4, vld1q_f32(e->slope + channel));
    if (residual && e->residual_last) f_f32x4 = vaddq_f32(f_f32x4, vld1q_f32(residual + channel));
    if (e->activation || residual) vst1q_f32(out + channel, f_f32x4);
    return bits ? minus4(f_f32x4, e->float_threshold + channel, e->direction + channel) : 0;
}

void ob_float_steps_neon(const ob_epilogue *e, unsigned char *out, int64_t n, const ob_dense_part *part) {
    const ob_epilogue steps = *e; /* a copy that no store can change */
    const int64_t words = (n + 63) / 64, end = part->channel + part->channels, whole = end / 64 * 64;
    for (int64_t row = part->row; row < part->row + part->rows; row++) {
        float *const row_out = (float *)(void *)(out + row * n * 4);
        const float *const residual = e->residual ? e->residual + row * n : NULL;
        unsigned char *const row_bits =
            e->output == OB_OUTPUT_FLOAT_BITS ? (unsigned char *)e->bits + row * words * 8 : NULL;
        for (int64_t channel = part->channel; channel < whole; channel += 64) {
            uint64_t word = 0;
            for (int c = 0; c < 64; c += 4) word |= four(&steps, row_out, residual, channel + c, row_bits != NULL) << c;
            if (row_bits) memcpy(row_bits + channel / 8, &word, sizeof word);
        }
    }
    const ob_dense_part rest = {part->row, part->rows, whole, end - whole};
    if (rest.channels > 0) ob_float_steps_scalar(e, out, n, &rest);
}

#endif
