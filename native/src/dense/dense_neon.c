/* dense_neon.c: y = k - 2 * popcount(x ^ w), 128 bits at a time, 4 rows x 8 channels.
 *
 * popcount_neon.h says how: 42.7 MAC per vector operation, of 128 MAC eor, cnt and add. Bottleneck: those three. Rows
 * left over go one at a time: 5 loads with 12 operations. Built and checked under emulation; its speed was not
 * measured.
 */
#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../popcount_neon.h"

enum { ROWS = OB_TILE_ROWS_NEON };

OB_INLINE void tile(const ob_dense_job *job, const ob_finish_neon *finish, int64_t row, int64_t channel,
                    const int rows) {
    const int32x4_t k_i32x4 = vdupq_n_s32((int32_t)job->k);
    const unsigned char *x[ROWS];
    int32x4_t differ_i32x4[ROWS][2];
    for (int r = 0; r < rows; r++) x[r] = job->x + (row + r) * job->x_bytes;
    ob_count_tile_neon(x, NULL, job->words, ob_group(job, channel), differ_i32x4, rows);
    for (int r = 0; r < rows; r++) {
        const int32x4_t y_i32x4[2] = {vmlsq_n_s32(k_i32x4, differ_i32x4[r][0], 2),
                                      vmlsq_n_s32(k_i32x4, differ_i32x4[r][1], 2)};
        ob_store_neon(job, finish, row + r, channel, y_i32x4);
    }
}

void ob_dense_neon(const ob_dense_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const ob_finish_neon finish = ob_finish_load_neon(job, channel);
        int64_t row = part->row;
        for (; row + ROWS <= end; row += ROWS) tile(job, &finish, row, channel, ROWS);
        for (; row < end; row++) tile(job, &finish, row, channel, 1);
    }
    ob_clear_tail(job, part);
}

#endif
