/* conv2d_neon.c: y = base - 2 * popcount(x ^ w), 128 bits at a time, 4 windows x 8 channels.
 *
 * by_class.h makes windows rows of neon/product.c, in the picture as it lies. Limit and bottleneck: as there, 42.7 MAC
 * per vector operation. Groups that are not whole words, or whose outputs are no multiple of 16, go channel pair by
 * channel pair, each lane with its own word of the window and a mask: 8 operations for 2 lanes. Built and checked under
 * emulation; its speed was not measured. */
#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../neon/product.h"
#include "../popcount_neon.h"
#include "by_class.h"
#include "lanes.h"
#include "window.h"

enum { PAIRS = OB_PAIRS_NEON };

OB_INLINE void store(const ob_conv2d_job *job, const ob_finish_neon *finish, const int32_t *base, int64_t row,
                     int64_t channel, const int32x4_t differ_i32x4[2]) {
    const int32x4_t y_i32x4[2] = {vmlsq_n_s32(vld1q_s32(base + channel), differ_i32x4[0], 2),
                                  vmlsq_n_s32(vld1q_s32(base + channel + 4), differ_i32x4[1], 2)};
    ob_store_neon(&job->dense, finish, row, channel, y_i32x4);
}

/* ---- lane by lane ---- */

/* One slot of 8 channels: in which word of a pixel each lane has it, and which of its bits count. */
typedef struct lanes {
    int64_t at[8];
    uint64_t mask[8];
} lanes;

static void lanes_load(const ob_conv2d_job *job, int64_t channel, int64_t slot, lanes *to) {
    for (int c = 0; c < 8; c++) {
        const ob_lane lane = ob_lane_of(job, channel + c);
        to->at[c] = ob_lane_bytes(job, &lane, slot), to->mask[c] = ob_lane_mask(&lane, slot);
    }
}

/* The places of one slot in which a window differs from a line's channels. */
OB_INLINE void count(const ob_conv2d_job *job, const unsigned char *x, const unsigned char *w, const lanes *l,
                     uint64x2_t differ_u64x2[PAIRS]) {
    for (int64_t i = 0; i < job->taps_y; i++)
        for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots) {
            const unsigned char *const tap = x + i * job->tap_y + j * job->tap_x;
            for (int p = 0; p < PAIRS; p++) {
                const uint64x2_t x_u64x2 = vcombine_u64(vcreate_u64(ob_load_u64(tap + l->at[2 * p])),
                                                        vcreate_u64(ob_load_u64(tap + l->at[2 * p + 1])));
                const uint64x2_t w_u64x2 = vreinterpretq_u64_u8(vld1q_u8(w + 16 * p));
                const uint64x2_t d_u64x2 = vandq_u64(veorq_u64(x_u64x2, w_u64x2), vld1q_u64(l->mask + 2 * p));
                differ_u64x2[p] = ob_widen_neon(differ_u64x2[p], vcntq_u8(vreinterpretq_u8_u64(d_u64x2)));
            }
        }
}

static void lane_by_lane(const ob_conv2d_job *job, const ob_dense_part *part) {
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const unsigned char *line = ob_group(&job->dense, channel);
        const ob_finish_neon finish = ob_finish_load_neon(&job->dense, channel);
        lanes first, later;
        lanes_load(job, channel, 0, &first);
        ob_window window = ob_window_at(job, part->row);
        for (int64_t row = part->row; row < part->row + part->rows; row++, ob_window_next(job, &window)) {
            uint64x2_t differ_u64x2[PAIRS];
            int32x4_t differ_i32x4[2];
            for (int p = 0; p < PAIRS; p++) differ_u64x2[p] = vdupq_n_u64(0);
            count(job, window.x, line, &first, differ_u64x2);
            for (int64_t slot = 1; slot < job->slots; slot++) {
                lanes_load(job, channel, slot, &later);
                count(job, window.x, line + 64 * slot, &later, differ_u64x2);
            }
            ob_narrow_neon(differ_u64x2, differ_i32x4);
            store(job, &finish, ob_window_base(job, &window), row, channel, differ_i32x4);
        }
    }
}

void ob_conv2d_neon(const ob_conv2d_job *job, const ob_dense_part *part) {
    if (job->plain)
        ob_conv2d_by_class(job, part, ob_product_neon);
    else
        lane_by_lane(job, part);
    ob_clear_tail(&job->dense, part);
}

#endif
