/* epilogue_neon.h: what happens to the exact sums of 8 neighbouring channels of one row, in registers. */
#ifndef ONEBIT_EPILOGUE_NEON_H
#define ONEBIT_EPILOGUE_NEON_H

#if defined(__aarch64__)
#include <arm_neon.h>

#include "../kernels.h"
#include "epilogue_scalar.h"

/* The epilogue of channels [channel, channel + 8), loaded once for all rows of a tile. */
typedef struct ob_finish_neon {
    float32x4_t scale_f32x4[2], bias_f32x4[2];
    int32x4_t threshold_i32x4[2];
    uint32x4_t down_u32x4[2]; /* all ones where the direction is -1 */
    int live;                 /* channels below n */
} ob_finish_neon;

OB_INLINE ob_finish_neon ob_finish_load_neon(const ob_dense_job *job, int64_t channel) {
    const ob_epilogue *e = &job->epilogue;
    ob_finish_neon f = {.live = job->n - channel < 8 ? (int)(job->n - channel) : 8};
    const size_t bytes = 4 * (size_t)f.live;
    if (e->output == OB_OUTPUT_FLOAT) {
        float scale[8] = {0}, bias[8] = {0};
        memcpy(scale, e->scale + channel, bytes), memcpy(bias, e->bias + channel, bytes);
        for (int h = 0; h < 2; h++)
            f.scale_f32x4[h] = vld1q_f32(scale + 4 * h), f.bias_f32x4[h] = vld1q_f32(bias + 4 * h);
    } else if (e->output == OB_OUTPUT_BITS) {
        int32_t threshold[8] = {0}, direction[8] = {0};
        memcpy(threshold, e->threshold + channel, bytes);
        for (int c = 0; c < f.live; c++) direction[c] = e->direction[channel + c];
        for (int h = 0; h < 2; h++) {
            f.threshold_i32x4[h] = vld1q_s32(threshold + 4 * h);
            f.down_u32x4[h] = vcltzq_s32(vld1q_s32(direction + 4 * h));
        }
    }
    return f;
}

/* Two vectors of 4 floats or integers to the first `live` places of a row. */
OB_INLINE void ob_store8_neon(unsigned char *to, int live, int32x4_t low_x4, int32x4_t high_x4) {
    unsigned char eight[32], *const at = live == 8 ? to : eight;
    vst1q_u8(at, vreinterpretq_u8_s32(low_x4));
    vst1q_u8(at + 16, vreinterpretq_u8_s32(high_x4));
    if (live < 8) memcpy(to, eight, 4 * (size_t)live);
}

/* out: where the row starts. */
OB_INLINE void ob_store_to_neon(const ob_dense_job *job, const ob_finish_neon *f, unsigned char *out, int64_t channel,
                                const int32x4_t y_i32x4[2]) {
    int32x4_t stored_x4[2] = {y_i32x4[0], y_i32x4[1]};
    if (job->epilogue.output == OB_OUTPUT_BITS) {
        const uint32_t bits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
        unsigned minus = 0;
        for (int h = 0; h < 2; h++) {
            const uint32x4_t below = vcltq_s32(y_i32x4[h], f->threshold_i32x4[h]);
            const uint32x4_t above = vcgtq_s32(y_i32x4[h], f->threshold_i32x4[h]);
            minus |= vaddvq_u32(vandq_u32(vbslq_u32(f->down_u32x4[h], above, below), vld1q_u32(bits + 4 * h)));
        }
        out[channel / 8] = (unsigned char)(minus & 0xffu >> (8 - f->live));
        return;
    }
    if (job->epilogue.output == OB_OUTPUT_FLOAT)
        for (int h = 0; h < 2; h++) { /* rounded twice, never fused */
            const float32x4_t scaled_f32x4 = vmulq_f32(vcvtq_f32_s32(y_i32x4[h]), f->scale_f32x4[h]);
            stored_x4[h] = vreinterpretq_s32_f32(vaddq_f32(scaled_f32x4, f->bias_f32x4[h]));
        }
    ob_store8_neon(out + channel * 4, f->live, stored_x4[0], stored_x4[1]);
}

OB_INLINE void ob_store_neon(const ob_dense_job *job, const ob_finish_neon *f, int64_t row, int64_t channel,
                             const int32x4_t y_i32x4[2]) {
    ob_store_to_neon(job, f, job->out + row * job->out_bytes, channel, y_i32x4);
}

#endif
#endif
