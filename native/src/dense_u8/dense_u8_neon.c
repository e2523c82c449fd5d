/* dense_u8_neon.c: y = (sum of x) - 2 * (sum of the x whose bit is 1), x 8-bit, w a bit.
 *
 * Lanes are positions along k: 16 bits of one channel become 16 bytes 0 or -1 (a broadcast of two bytes and cmtst), and
 * keep what is to be summed; uadalp adds pairs of bytes to 16-bit sums, which hold 128 steps of 2 * 255. Cost of 16 MAC
 * of one row: and + uadalp, and its share of dup + dup + cmtst. Limit with 4 rows: 11 operations for 64 MAC, 5.8 MAC
 * per operation. Bottleneck: those. Built and checked under emulation; its speed was not measured. */
#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../target.h"

enum { ROWS = 4, CHANNELS = 4, FLUSH_WORDS = 31 }; /* 4 steps per word, and 4 of the last one: 128 */

/* Byte i of the result is all ones if bit i is 1. */
OB_INLINE uint8x16_t expand(const unsigned char *bits) {
    static const uint8_t bit_of[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    return vtstq_u8(vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1])), vld1q_u8(bit_of));
}

/* sum[r][c] += x of row r whose bit of channel c is 1, for one word: 64 positions. */
OB_INLINE void step(uint16x8_t sum_u16x8[ROWS][CHANNELS], const unsigned char *x, int64_t x_bytes,
                    const unsigned char *w, const int rows) {
    OB_UNROLL
    for (int q = 0; q < 4; q++) {
        uint8x16_t x_u8x16[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) x_u8x16[r] = vld1q_u8(x + r * x_bytes + 16 * q);
        OB_UNROLL
        for (int c = 0; c < CHANNELS; c++) {
            const uint8x16_t minus_u8x16 = expand(w + 8 * c + 2 * q);
            OB_UNROLL
            for (int r = 0; r < rows; r++)
                sum_u16x8[r][c] = vpadalq_u8(sum_u16x8[r][c], vandq_u8(x_u8x16[r], minus_u8x16));
        }
    }
}

/* minus[8 * r + c]: sums of x over the weights -1, for `rows` rows and 4 channels, whose words start at w. Whole words
 * come from x, one more from `last`, 64 bytes per row, where the remaining bytes are followed by zeros. */
OB_INLINE void minus_sums(const ob_dense_job *job, const unsigned char *x, const unsigned char *last,
                          const unsigned char *w, int32_t *minus, const int rows) {
    const int64_t words = job->k / 64;
    uint16x8_t sum_u16x8[ROWS][CHANNELS];
    uint32x4_t sum_u32x4[ROWS][CHANNELS];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < CHANNELS; c++) sum_u16x8[r][c] = vdupq_n_u16(0), sum_u32x4[r][c] = vdupq_n_u32(0);
    if (job->k % 64) step(sum_u16x8, last, 64, w + 64 * words, rows);
    for (int64_t start = 0; start <= words; start += FLUSH_WORDS) {
        const int64_t end = words - start < FLUSH_WORDS ? words : start + FLUSH_WORDS;
        for (int64_t word = start; word < end; word++)
            step(sum_u16x8, x + 64 * word, job->x_bytes, w + 64 * word, rows);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < CHANNELS; c++) {
                sum_u32x4[r][c] = vpadalq_u16(sum_u32x4[r][c], sum_u16x8[r][c]);
                sum_u16x8[r][c] = vdupq_n_u16(0);
            }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < CHANNELS; c++) minus[8 * r + c] = (int32_t)vaddvq_u32(sum_u32x4[r][c]);
}

OB_INLINE uint32_t sum_of_16(const unsigned char *x) {
    return vaddlvq_u8(vld1q_u8(x));
}

OB_INLINE void rows_tile(const ob_dense_job *job, const ob_dense_part *part, int64_t row, const int rows) {
    const unsigned char *x = job->x + row * job->x_bytes;
    unsigned char last[ROWS][64] = {{0}};
    int32_t all[ROWS];
    for (int r = 0; r < rows; r++) { /* the sum over all of x, whatever the weights */
        const unsigned char *const from = x + r * job->x_bytes;
        uint32_t sum = 0;
        memcpy(last[r], from + job->k / 64 * 64, (size_t)(job->k % 64));
        for (int i = 0; i < 64; i += 16) sum += sum_of_16(last[r] + i);
        for (int64_t i = 0; i < job->k / 64 * 64; i += 16) sum += sum_of_16(from + i);
        all[r] = (int32_t)sum;
    }
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const ob_finish_neon finish = ob_finish_load_neon(job, channel);
        int32_t minus[ROWS][8], base[8] = {0};
        if (job->base) memcpy(base, job->base + channel, sizeof base);
        for (int c = 0; c < 8; c += CHANNELS)
            minus_sums(job, x, last[0], ob_group(job, channel) + 8 * c, minus[0] + c, rows);
        for (int r = 0; r < rows; r++) {
            const int32x4_t x_i32x4[2] = {vaddq_s32(vdupq_n_s32(all[r]), vld1q_s32(base)),
                                          vaddq_s32(vdupq_n_s32(all[r]), vld1q_s32(base + 4))};
            const int32x4_t y_i32x4[2] = {vmlsq_n_s32(x_i32x4[0], vld1q_s32(minus[r]), 2),
                                          vmlsq_n_s32(x_i32x4[1], vld1q_s32(minus[r] + 4), 2)};
            ob_store_neon(job, &finish, row + r, channel, y_i32x4);
        }
    }
}

void ob_dense_u8_neon(const ob_dense_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    int64_t row = part->row;
    for (; row + ROWS <= end; row += ROWS) rows_tile(job, part, row, ROWS);
    for (; row < end; row++) rows_tile(job, part, row, 1);
    ob_clear_tail(job, part);
}

#endif
