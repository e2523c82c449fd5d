/* conv2d_avx512vpopcnt.c: y = base - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * by_class.h makes windows rows of a product, in the picture as it lies. Cost and limit are those of
 * avx512vpopcnt/product.c: 3 vector operations for 512 MAC.
 *
 * The dense kernel's form of two words at once would save a sixth, but needs windows and weights written as running
 * exclusive ors: about 1 cycle per word, where it saves 0.4 per 32 channels.
 *
 * Groups that are not whole words, or whose outputs are no multiple of 16, go line by line: each lane has its own word
 * of the window (one broadcast if all lanes share it, else a gather) and a mask. 5 operations for 8 lanes, most of
 * whose bits a mask may discard: a depthwise convolution does 8 MAC in a step. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../avx512vpopcnt/product.h"
#include "../epilogue/epilogue_avx2.h"
#include "by_class.h"
#include "lanes.h"
#include "window.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum { LANE_ROWS = 4 };

/* ---- lane by lane ---- */

/* One slot of 8 channels: in which word of a pixel each lane has it, and which of its bits count. */
typedef struct lanes {
    __m512i at_i64x8, mask_u64x8;
    int64_t shared; /* the word's place if all lanes share it, else -1 */
} lanes;

OB_INLINE lanes lanes_load(const ob_conv2d_job *job, int64_t channel, int64_t slot) {
    int64_t at[8];
    uint64_t mask[8];
    lanes l = {.shared = 0};
    for (int c = 0; c < 8; c++) {
        const ob_lane lane = ob_lane_of(job, channel + c);
        at[c] = ob_lane_bytes(job, &lane, slot), mask[c] = ob_lane_mask(&lane, slot);
        if (at[c] != at[0]) l.shared = -1;
    }
    if (!l.shared) l.shared = at[0];
    l.at_i64x8 = _mm512_loadu_si512(at), l.mask_u64x8 = _mm512_loadu_si512(mask);
    return l;
}

/* The places of one slot in which `rows` windows differ from a line's channels. */
OB_INLINE void count(const ob_conv2d_job *job, const unsigned char *const x[LANE_ROWS], const unsigned char *w,
                     const lanes *l, __m512i differ_u64x8[LANE_ROWS], const int rows, const int shared) {
    for (int64_t i = 0; i < job->taps_y; i++)
        for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots) {
            const int64_t tap = i * job->tap_y + j * job->tap_x;
            const __m512i w_u64x8 = _mm512_loadu_si512(w);
            OB_UNROLL
            for (int r = 0; r < rows; r++) {
                const __m512i x_u64x8 = shared ? _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + tap + l->shared))
                                               : _mm512_i64gather_epi64(l->at_i64x8, (const void *)(x[r] + tap), 1);
                const __m512i masked_u64x8 =
                    _mm512_ternarylogic_epi64(x_u64x8, w_u64x8, l->mask_u64x8, 0x28); /* (a ^ b) & c */
                differ_u64x8[r] = _mm512_add_epi64(differ_u64x8[r], _mm512_popcnt_epi64(masked_u64x8));
            }
        }
}

/* `rows` windows x 8 channels, whose first slot is `first`; `window` moves along. */
OB_INLINE void lane_tile(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t channel,
                         const ob_finish_avx2 *finish, const lanes *first, const int rows) {
    const unsigned char *line = ob_group(&job->dense, channel), *x[LANE_ROWS];
    const int32_t *base[LANE_ROWS];
    __m512i differ_u64x8[LANE_ROWS];
    OB_UNROLL
    for (int r = 0; r < rows; r++, ob_window_next(job, window)) {
        x[r] = window->x, base[r] = ob_window_base(job, window) + channel;
        differ_u64x8[r] = _mm512_setzero_si512();
    }
    for (int64_t slot = 0; slot < job->slots; slot++, line += 64) {
        const lanes l = slot ? lanes_load(job, channel, slot) : *first;
        if (l.shared >= 0)
            count(job, x, line, &l, differ_u64x8, rows, 1);
        else
            count(job, x, line, &l, differ_u64x8, rows, 0);
    }
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m256i twice_i32x8 = _mm256_slli_epi32(_mm512_cvtepi64_epi32(differ_u64x8[r]), 1);
        const __m256i base_i32x8 = _mm256_loadu_si256((const void *)base[r]);
        ob_store_avx2(&job->dense, finish, row + r, channel, _mm256_sub_epi32(base_i32x8, twice_i32x8));
    }
}

static void lane_by_lane(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(&job->dense, channel);
        const lanes first = lanes_load(job, channel, 0);
        ob_window window = ob_window_at(job, part->row);
        int64_t row = part->row;
        for (; row + LANE_ROWS <= end; row += LANE_ROWS)
            lane_tile(job, &window, row, channel, &finish, &first, LANE_ROWS);
        for (; row < end; row++) lane_tile(job, &window, row, channel, &finish, &first, 1);
    }
}

void ob_conv2d_avx512vpopcnt(const ob_conv2d_job *job, const ob_dense_part *part) {
    if (job->plain)
        ob_conv2d_by_class(job, part, ob_product_avx512vpopcnt);
    else
        lane_by_lane(job, part);
    ob_clear_tail(&job->dense, part);
}

OB_TARGET_END

#endif
