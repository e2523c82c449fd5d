/* direct.h: the convolution of bytes straight from its definition, for any groups. */
#ifndef ONEBIT_DIRECT_H
#define ONEBIT_DIRECT_H

#include "../conv2d/window.h"
#include "../epilogue/epilogue_scalar.h"

/* The sum of p * w over one window for one output channel: all p, less twice those whose weight bit is 1. */
OB_INLINE int32_t ob_direct_sum(const ob_conv2d_job *job, const unsigned char *x, int64_t channel) {
    const int64_t low = channel / job->group_n * job->group_c, bit = low % 64;
    const unsigned char *w = ob_group(&job->dense, channel) + 8 * (channel % 8);
    uint32_t all = 0, minus = 0;
    for (int64_t i = 0; i < job->taps_y; i++)
        for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots) {
            const unsigned char *p = x + i * job->tap_y + j * job->tap_x + low;
            for (int64_t l = 0; l < job->group_c; l++) {
                const uint64_t word = ob_load_u64(w + (bit + l) / 64 * 64);
                all += p[l];
                minus += p[l] & (0u - (uint32_t)(word >> (bit + l) % 64 & 1));
            }
        }
    return (int32_t)(all - 2 * minus);
}

OB_INLINE void ob_direct(const ob_conv2d_job *job, const ob_dense_part *part) {
    ob_window window = ob_window_at(job, part->row);
    for (int64_t row = part->row; row < part->row + part->rows; row++, ob_window_next(job, &window)) {
        const int32_t *base = ob_window_base(job, &window);
        for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
            int32_t y[8] = {0};
            for (int64_t c = channel; c < channel + 8 && c < job->dense.n; c++)
                y[c - channel] =
                    (int32_t)((uint32_t)job->factor * (uint32_t)ob_direct_sum(job, window.x, c) + (uint32_t)base[c]);
            ob_store_scalar(&job->dense, row, channel, y);
        }
    }
    ob_clear_tail(&job->dense, part);
}

#endif
