/* conv2d_avx2.c: y = base - 2 * popcount(x ^ w) without a popcount instruction.
 *
 * pair_table/product_avx2.c multiplies windows where they lie in the picture. Limit and bottleneck are its: 96 MAC per
 * operation.
 *
 * Groups that are not whole words, or whose outputs are no multiple of 16, and windows too long for 16-bit counts go
 * line by line: each lane has its own word of the window and a mask; 12 operations for 4 lanes. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "../pair_table/windows.h"
#include "../popcount_avx2.h"
#include "lanes.h"
#include "window.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

/* ---- lane by lane ---- */

/* One slot of 8 channels: in which word of a pixel each lane has it, and which of its bits count. */
typedef struct lanes {
    __m256i at_i64x4[2], mask_u64x4[2];
} lanes;

static void lanes_load(const ob_conv2d_job *job, int64_t channel, int64_t slot, lanes *to) {
    int64_t at[8];
    uint64_t mask[8];
    for (int c = 0; c < 8; c++) {
        const ob_lane lane = ob_lane_of(job, channel + c);
        at[c] = ob_lane_bytes(job, &lane, slot), mask[c] = ob_lane_mask(&lane, slot);
    }
    for (int half = 0; half < 2; half++) {
        to->at_i64x4[half] = _mm256_loadu_si256((const void *)(at + 4 * half));
        to->mask_u64x4[half] = _mm256_loadu_si256((const void *)(mask + 4 * half));
    }
}

/* The places of one slot in which a window differs from a line's channels. */
OB_INLINE void count(const ob_conv2d_job *job, const unsigned char *x, const unsigned char *w, const lanes *l,
                     __m256i differ_u64x4[2]) {
    for (int64_t i = 0; i < job->taps_y; i++)
        for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots)
            for (int half = 0; half < 2; half++) {
                const void *const tap = x + i * job->tap_y + j * job->tap_x;
                const __m256i x_u64x4 = _mm256_i64gather_epi64(tap, l->at_i64x4[half], 1);
                const __m256i w_u64x4 = _mm256_loadu_si256((const void *)(w + 32 * half));
                const __m256i d_u64x4 = _mm256_and_si256(_mm256_xor_si256(x_u64x4, w_u64x4), l->mask_u64x4[half]);
                const __m256i sums_u64x4 = _mm256_sad_epu8(ob_byte_counts_avx2(d_u64x4), _mm256_setzero_si256());
                differ_u64x4[half] = _mm256_add_epi64(differ_u64x4[half], sums_u64x4);
            }
}

static void lane_by_lane(const ob_conv2d_job *job, const ob_dense_part *part) {
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const unsigned char *line = ob_group(&job->dense, channel);
        const ob_finish_avx2 finish = ob_finish_load_avx2(&job->dense, channel);
        lanes first, later;
        lanes_load(job, channel, 0, &first);
        ob_window window = ob_window_at(job, part->row);
        for (int64_t row = part->row; row < part->row + part->rows; row++, ob_window_next(job, &window)) {
            __m256i differ_u64x4[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
            count(job, window.x, line, &first, differ_u64x4);
            for (int64_t slot = 1; slot < job->slots; slot++) {
                lanes_load(job, channel, slot, &later);
                count(job, window.x, line + 64 * slot, &later, differ_u64x4);
            }
            const __m256i differ_u32x8 = ob_narrow_u64_avx2(differ_u64x4[0], differ_u64x4[1]);
            const __m256i twice_u32x8 = _mm256_slli_epi32(differ_u32x8, 1);
            const __m256i base_i32x8 = _mm256_loadu_si256((const void *)(ob_window_base(job, &window) + channel));
            ob_store_avx2(&job->dense, &finish, row, channel, _mm256_sub_epi32(base_i32x8, twice_u32x8));
        }
    }
}

void ob_conv2d_avx2(const ob_conv2d_job *job, const ob_dense_part *part) {
    if (ob_pair_fits(job))
        ob_pair_conv2d(job, part, &ob_pair_avx2);
    else
        lane_by_lane(job, part);
    ob_clear_tail(&job->dense, part);
}

OB_TARGET_END

#endif
