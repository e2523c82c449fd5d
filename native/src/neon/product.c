/* product.c: y = base - 2 * popcount(x ^ w), 128 bits at a time, 4 rows x 8 channels, one line of the weights.
 *
 * Lanes are channels: a line is four vectors of 2 channels, the word of a row is broadcast. The counts of bytes (cnt)
 * are added as bytes, 31 words of at most 8 each (248), and then widened to the 64 bits of their channel: nothing
 * overflows at any length. Cost of 128 MAC: eor, cnt, add: 42.7 MAC per vector operation; widening, 3 operations per 31
 * words, 3 %; with 4 rows 8 loads go with 48 operations. Limit: with two vector pipes 85 MAC/cycle, with four 171.
 * Bottleneck: those three. Rows left over go one at a time: 5 loads with 12 operations. Built and checked under
 * emulation; its speed was not measured. */
#include "product.h"

#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../popcount_neon.h"
#include "../target.h"

enum { ROWS = 4, FLUSH = 31, PAIRS = OB_PAIRS_NEON };

/* One word of a tile: every row's word against the line's. */
OB_INLINE void step(uint8x16_t sum_u8x16[ROWS][PAIRS], const unsigned char *const x[ROWS], int64_t x_at,
                    const unsigned char *w, const int rows) {
    uint8x16_t w_u8x16[PAIRS];
    OB_UNROLL
    for (int p = 0; p < PAIRS; p++) w_u8x16[p] = vld1q_u8(w + 16 * p);
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const uint8x16_t x_u8x16 = vreinterpretq_u8_u64(vdupq_n_u64(ob_load_u64(x[r] + x_at)));
        OB_UNROLL
        for (int p = 0; p < PAIRS; p++)
            sum_u8x16[r][p] = vaddq_u8(sum_u8x16[r][p], vcntq_u8(veorq_u8(x_u8x16, w_u8x16[p])));
    }
}

/* The counts of a tile over all words. One loop: a run is often shorter than what bytes can hold. */
OB_INLINE void sum_up(const ob_product_words *p, const unsigned char *const x[ROWS], const unsigned char *line,
                      int32x4_t differ_i32x4[ROWS][2], const int rows) {
    uint64x2_t sum_u64x2[ROWS][PAIRS];
    int64_t x_at = p->x_at, word = p->words, run = p->runs[1], left = p->words * p->runs[0] * p->runs[1];
    const unsigned char *w = line + p->w_at;
    OB_UNROLL
    for (int i = 0; i < rows * PAIRS; i++) sum_u64x2[i / PAIRS][i % PAIRS] = vdupq_n_u64(0);
    while (left > 0) {
        int64_t now = left < FLUSH ? left : FLUSH;
        uint8x16_t sum_u8x16[ROWS][PAIRS];
        OB_UNROLL
        for (int i = 0; i < rows * PAIRS; i++) sum_u8x16[i / PAIRS][i % PAIRS] = vdupq_n_u8(0);
        OB_NO_UNROLL
        for (left -= now; now > 0; now--) {
            step(sum_u8x16, x, x_at, w, rows);
            x_at += 8, w += 64;
            if (--word) continue;
            const int last = --run == 0;
            x_at += p->x_gap[last], w += p->w_gap[last];
            word = p->words;
            if (last) run = p->runs[1];
        }
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int q = 0; q < PAIRS; q++) sum_u64x2[r][q] = ob_widen_neon(sum_u64x2[r][q], sum_u8x16[r][q]);
        }
    }
    OB_UNROLL
    for (int r = 0; r < rows; r++) ob_narrow_neon(sum_u64x2[r], differ_i32x4[r]);
}

OB_INLINE void tile(const ob_dense_job *job, const ob_product_row *row, const ob_product_words *words,
                    const ob_finish_neon *finish, const int32x4_t base_i32x4[2], int64_t channel, const int rows) {
    const unsigned char *x[ROWS];
    int32x4_t differ_i32x4[ROWS][2];
    for (int r = 0; r < rows; r++) x[r] = row[r].x;
    sum_up(words, x, ob_group(job, channel), differ_i32x4, rows);
    for (int r = 0; r < rows; r++) {
        const int32x4_t y_i32x4[2] = {vmlsq_n_s32(base_i32x4[0], differ_i32x4[r][0], 2),
                                      vmlsq_n_s32(base_i32x4[1], differ_i32x4[r][1], 2)};
        ob_store_to_neon(job, finish, row[r].out, channel, y_i32x4);
    }
}

void ob_product_neon(const ob_dense_job *job, const ob_product_row *rows, int64_t count, const ob_product_words *words,
                     int64_t channel, int64_t end) {
    for (; channel < end; channel += 8) {
        const ob_finish_neon finish = ob_finish_load_neon(job, channel);
        const int32x4_t k_i32x4 = vdupq_n_s32((int32_t)words->k);
        const int32x4_t base_i32x4[2] = {words->base ? vld1q_s32(words->base + channel) : k_i32x4,
                                         words->base ? vld1q_s32(words->base + channel + 4) : k_i32x4};
        int64_t r = 0;
        for (; r + ROWS <= count; r += ROWS) tile(job, rows + r, words, &finish, base_i32x4, channel, ROWS);
        for (; r < count; r++) tile(job, rows + r, words, &finish, base_i32x4, channel, 1);
    }
}

#endif
