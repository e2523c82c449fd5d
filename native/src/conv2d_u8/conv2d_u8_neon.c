/* conv2d_u8_neon.c: y = factor * (sum of p * w) + base, 8 products per instruction.
 *
 * As conv2d_u8_avx512.h: lanes are output channels, their 4 bytes are 4 neighbouring bytes of a run. Both are widened
 * to 16 bits, where a product (255 * 64) fits; sadalp adds pairs of products, at most 2 * 255 * 64, to 32 bits. Cost of
 * 8 MAC: mul + sadalp, and its share of widening w (sxtl) among 2 windows: 3.2 MAC per operation. Bottleneck: those.
 * Built and checked under emulation; its speed was not measured. */
#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../target.h"
#include "direct.h"

enum { ROWS = 2, EIGHTS = 8 }; /* a step of 16 channels is 64 bytes */

/* 4 bytes, twice, as 16 bits. */
OB_INLINE int16x8_t load4(const unsigned char *from) {
    uint32_t four;
    memcpy(&four, from, sizeof four);
    return vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))));
}

/* `rows` windows x 16 channels of one group. */
OB_INLINE void tile(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t channel, const int rows) {
    const int64_t group_bytes = channel / job->group_n * job->group_c;
    const unsigned char *x[ROWS], *w = job->bytes + channel / 16 * job->step_count * 64;
    const int32_t *base[ROWS];
    int32x4_t sum_i32x4[ROWS][EIGHTS]; /* {pair 0, pair 1} of two channels */
    for (int r = 0; r < rows; r++, ob_window_next(job, window)) {
        x[r] = window->x + group_bytes, base[r] = ob_window_base(job, window) + channel;
        for (int v = 0; v < EIGHTS; v++) sum_i32x4[r][v] = vdupq_n_s32(0);
    }
    for (int64_t i = 0; i < job->step_count; i++, w += 64) {
        int16x8_t x_i16x8[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) x_i16x8[r] = load4(x[r] + job->steps[i]);
        OB_UNROLL
        for (int v = 0; v < EIGHTS; v++) {
            const int16x8_t w_i16x8 = vmovl_s8(vld1_s8((const int8_t *)w + 8 * v));
            OB_UNROLL
            for (int r = 0; r < rows; r++)
                sum_i32x4[r][v] = vpadalq_s16(sum_i32x4[r][v], vmulq_s16(x_i16x8[r], w_i16x8));
        }
    }
    for (int64_t c = 0; c < 16 && channel + c < job->dense.n; c += 8) {
        const ob_finish_neon finish = ob_finish_load_neon(&job->dense, channel + c);
        for (int r = 0; r < rows; r++) {
            int32x4_t y_i32x4[2];
            for (int h = 0; h < 2; h++) {
                const int32x4_t *const two = &sum_i32x4[r][c / 2 + 2 * h];
                const int32x4_t base_i32x4 = vld1q_s32(base[r] + c + 4 * h);
                y_i32x4[h] = vmlaq_n_s32(base_i32x4, vpaddq_s32(two[0], two[1]), job->bytes_factor);
            }
            ob_store_neon(&job->dense, &finish, row + r, channel + c, y_i32x4);
        }
    }
}

static void plain(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 16) {
        ob_window window = ob_window_at(job, part->row);
        int64_t row = part->row;
        for (; row + ROWS <= end; row += ROWS) tile(job, &window, row, channel, ROWS);
        for (; row < end; row++) tile(job, &window, row, channel, 1);
    }
    ob_clear_tail(&job->dense, part);
}

void ob_conv2d_u8_neon(const ob_conv2d_job *job, const ob_dense_part *part) {
    (job->plain ? plain : ob_direct)(job, part);
}

#endif
