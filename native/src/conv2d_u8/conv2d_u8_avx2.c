/* conv2d_u8_avx2.c: y = factor * (sum of p * w) + base, 32 products per instruction.
 *
 * As conv2d_u8_avx512.h: lanes are output channels, their 4 bytes are 4 neighbouring bytes of a run. vpmaddubsw
 * makes two 16-bit sums (at most 2 * 255 * 64, so it never saturates), vpmaddwd by 1 adds the two.
 * Cost of 32 MAC: vpmaddubsw + vpmaddwd + vpaddd: 10.7 MAC per operation. Bottleneck: those three.
 * Groups whose outputs are no multiple of 16 take the definition's own loop. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "direct.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum { ROWS = 4, VECTORS = 2 };

OB_INLINE int32_t load_i32(const unsigned char *from) {
    int32_t v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* `rows` windows x 16 channels of one group. */
OB_INLINE void tile(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t channel, const int rows) {
    const int64_t group_bytes = channel / job->group_n * job->group_c;
    const unsigned char *x[ROWS], *w = job->bytes + channel / 16 * job->step_count * 64;
    const int32_t *base[ROWS];
    __m256i sum_i32x8[ROWS][VECTORS];
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        x[r] = window->x + group_bytes;
        base[r] = ob_window_base(job, window) + channel;
        ob_window_next(job, window);
        OB_UNROLL
        for (int v = 0; v < VECTORS; v++) sum_i32x8[r][v] = _mm256_setzero_si256();
    }
    for (int64_t i = 0; i < job->step_count; i++, w += 64) {
        const __m256i w_i8x32[VECTORS] = {_mm256_loadu_si256((const void *)w),
                                          _mm256_loadu_si256((const void *)(w + 32))};
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            const __m256i x_u8x32 = _mm256_set1_epi32(load_i32(x[r] + job->steps[i]));
            OB_UNROLL
            for (int v = 0; v < VECTORS; v++) {
                const __m256i pair_i16x16 = _mm256_maddubs_epi16(x_u8x32, w_i8x32[v]);
                const __m256i four_i32x8 = _mm256_madd_epi16(pair_i16x16, _mm256_set1_epi16(1));
                sum_i32x8[r][v] = _mm256_add_epi32(sum_i32x8[r][v], four_i32x8);
            }
        }
    }
    const __m256i factor_i32x8 = _mm256_set1_epi32(job->bytes_factor);
    for (int v = 0; v < VECTORS && channel + 8 * v < job->dense.n; v++) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(&job->dense, channel + 8 * v);
        for (int r = 0; r < rows; r++) {
            const __m256i scaled_i32x8 = _mm256_mullo_epi32(sum_i32x8[r][v], factor_i32x8);
            const __m256i base_i32x8 = _mm256_loadu_si256((const void *)(base[r] + 8 * v));
            ob_store_avx2(&job->dense, &finish, row + r, channel + 8 * v, _mm256_add_epi32(scaled_i32x8, base_i32x8));
        }
    }
}

static __attribute__((noinline)) void tile_1(const ob_conv2d_job *job, ob_window *window, int64_t row,
                                             int64_t channel) {
    tile(job, window, row, channel, 1);
}
static __attribute__((noinline)) void tile_4(const ob_conv2d_job *job, ob_window *window, int64_t row,
                                             int64_t channel) {
    tile(job, window, row, channel, ROWS);
}

static void plain(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 16) {
        ob_window window = ob_window_at(job, part->row);
        int64_t row = part->row;
        for (; row + ROWS <= end; row += ROWS) tile_4(job, &window, row, channel);
        for (; row < end; row++) tile_1(job, &window, row, channel);
    }
    ob_clear_tail(&job->dense, part);
}

void ob_conv2d_u8_avx2(const ob_conv2d_job *job, const ob_dense_part *part) {
    (job->plain ? plain : ob_direct)(job, part);
}

OB_TARGET_END

#endif
