/* popcount_neon.h: counts of x ^ w for a tile of rows x 8 channels, one line of the weights.
 *
 * Lanes are channels: a line is four vectors of 2 channels, the word of a row is broadcast. The counts of bytes (cnt)
 * are added as bytes, 31 words of at most 8 each (248), and then widened to the 64 bits of their channel: nothing
 * overflows at any length. Cost of 128 MAC: eor, cnt, add: 42.7 MAC per vector operation; widening, 3 operations per 31
 * words, 3 %; with 4 rows 8 loads go with 48 operations. Limit: with two vector pipes 85 MAC/cycle, with four 171. */
#ifndef ONEBIT_POPCOUNT_NEON_H
#define ONEBIT_POPCOUNT_NEON_H

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels.h"
#include "target.h"

enum { OB_TILE_ROWS_NEON = 4, OB_FLUSH_WORDS_NEON = 31, OB_PAIRS_NEON = 4 };

/* Adds 16 counts of bytes to those of their two channels. */
OB_INLINE uint64x2_t ob_widen_neon(uint64x2_t sum_u64x2, uint8x16_t counts_u8x16) {
    return vpadalq_u32(sum_u64x2, vpaddlq_u16(vpaddlq_u8(counts_u8x16)));
}

/* The counts of 8 channels, in order, as 32 bits. */
OB_INLINE void ob_narrow_neon(const uint64x2_t sum_u64x2[OB_PAIRS_NEON], int32x4_t to_i32x4[2]) {
    for (int h = 0; h < 2; h++) {
        const uint32x4_t low = vreinterpretq_u32_u64(sum_u64x2[2 * h]);
        const uint32x4_t high = vreinterpretq_u32_u64(sum_u64x2[2 * h + 1]);
        to_i32x4[h] = vreinterpretq_s32_u32(vuzp1q_u32(low, high));
    }
}

/* Word i of row r stands at x[r] + steps[i], or x[r] + 8 * i where `steps` is NULL. */
OB_INLINE void ob_count_tile_neon(const unsigned char *const x[OB_TILE_ROWS_NEON], const int64_t *steps, int64_t words,
                                  const unsigned char *line, int32x4_t differ_i32x4[OB_TILE_ROWS_NEON][2],
                                  const int rows) {
    uint64x2_t sum_u64x2[OB_TILE_ROWS_NEON][OB_PAIRS_NEON];
    OB_UNROLL
    for (int i = 0; i < rows * OB_PAIRS_NEON; i++) sum_u64x2[i / OB_PAIRS_NEON][i % OB_PAIRS_NEON] = vdupq_n_u64(0);
    for (int64_t start = 0; start < words; start += OB_FLUSH_WORDS_NEON) {
        const int64_t end = words - start < OB_FLUSH_WORDS_NEON ? words : start + OB_FLUSH_WORDS_NEON;
        uint8x16_t sum_u8x16[OB_TILE_ROWS_NEON][OB_PAIRS_NEON];
        OB_UNROLL
        for (int i = 0; i < rows * OB_PAIRS_NEON; i++) sum_u8x16[i / OB_PAIRS_NEON][i % OB_PAIRS_NEON] = vdupq_n_u8(0);
        OB_NO_UNROLL
        for (int64_t word = start; word < end; word++) {
            const int64_t at = steps ? steps[word] : 8 * word;
            uint8x16_t w_u8x16[OB_PAIRS_NEON];
            OB_UNROLL
            for (int p = 0; p < OB_PAIRS_NEON; p++) w_u8x16[p] = vld1q_u8(line + 64 * word + 16 * p);
            OB_UNROLL
            for (int r = 0; r < rows; r++) {
                const uint8x16_t x_u8x16 = vreinterpretq_u8_u64(vdupq_n_u64(ob_load_u64(x[r] + at)));
                OB_UNROLL
                for (int p = 0; p < OB_PAIRS_NEON; p++)
                    sum_u8x16[r][p] = vaddq_u8(sum_u8x16[r][p], vcntq_u8(veorq_u8(x_u8x16, w_u8x16[p])));
            }
        }
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int p = 0; p < OB_PAIRS_NEON; p++) sum_u64x2[r][p] = ob_widen_neon(sum_u64x2[r][p], sum_u8x16[r][p]);
        }
    }
    OB_UNROLL
    for (int r = 0; r < rows; r++) ob_narrow_neon(sum_u64x2[r], differ_i32x4[r]);
}

#endif
#endif
