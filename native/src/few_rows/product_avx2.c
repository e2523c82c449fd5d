/* product_avx2.c: y = k - 2 * popcount(x ^ w) of few rows: the weights are read as they are.
 *
 * Lanes are channels (a line is two vectors of 4 channels); each nibble of x ^ w is looked up. 256 MAC cost 8
 * operations (xor, 2 and, shift, 2 vpshufb, 2 vpaddb): 32 MAC per operation. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "../popcount_avx2.h"
#include "row.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum {
    ROWS = 2,     /* of a tile, of 16 channels */
    FLUSH = 31,   /* words whose counts fit a byte: 31 * 8 <= 255 */
    QUARTERS = 4, /* vectors of 16 channels */
};

/* Adds the counts of neighbouring words of `rows` rows x 16 channels. */
OB_INLINE void count_run(const unsigned char *const x[ROWS], const unsigned char *const w[2], int64_t words,
                         __m256i sum_u64x4[ROWS][QUARTERS], const int rows) {
    for (int64_t start = 0; start < words; start += FLUSH) {
        const int64_t end = words - start < FLUSH ? words : start + FLUSH;
        __m256i sum_u8x32[ROWS][QUARTERS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int q = 0; q < QUARTERS; q++) sum_u8x32[r][q] = _mm256_setzero_si256();
        }
        for (int64_t word = start; word < end; word++) {
            OB_UNROLL
            for (int q = 0; q < QUARTERS; q++) {
                const __m256i w_u64x4 = _mm256_loadu_si256((const void *)(w[q / 2] + 64 * word + 32 * (q % 2)));
                OB_UNROLL
                for (int r = 0; r < rows; r++) {
                    const __m256i x_u64x4 = _mm256_set1_epi64x((int64_t)ob_load_u64(x[r] + 8 * word));
                    const __m256i differ_u8x32 = ob_byte_counts_avx2(_mm256_xor_si256(x_u64x4, w_u64x4));
                    sum_u8x32[r][q] = _mm256_add_epi8(sum_u8x32[r][q], differ_u8x32);
                }
            }
        }
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int q = 0; q < QUARTERS; q++) {
                const __m256i wide_u64x4 = _mm256_sad_epu8(sum_u8x32[r][q], _mm256_setzero_si256());
                sum_u64x4[r][q] = _mm256_add_epi64(sum_u64x4[r][q], wide_u64x4);
            }
        }
    }
}

/* Rows that have the same words x 16 channels. */
OB_INLINE void tile(const ob_dense_job *job, const ob_pair_row *row, const ob_few_row *from, int64_t channel,
                    const int rows) {
    const int pair = channel + 8 < job->n;
    __m256i sum_u64x4[ROWS][QUARTERS];
    for (int i = 0; i < rows * QUARTERS; i++) sum_u64x4[i / QUARTERS][i % QUARTERS] = _mm256_setzero_si256();
    for (int64_t i = 0; i < from->runs; i++) {
        const int64_t at = from->w_at + i * from->w_step;
        const unsigned char *const w[2] = {ob_group(job, channel) + at,
                                           ob_group(job, pair ? channel + 8 : channel) + at};
        const unsigned char *x[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) x[r] = from[r].x + 8 * i * from->words;
        count_run(x, w, from->words, sum_u64x4, rows);
    }
    for (int g = 0; g <= pair; g++) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(job, channel + 8 * g);
        for (int r = 0; r < rows; r++) {
            const __m256i differ_u32x8 = ob_narrow_u64_avx2(sum_u64x4[r][2 * g], sum_u64x4[r][2 * g + 1]);
            const __m256i y_i32x8 = _mm256_sub_epi32(_mm256_set1_epi32(row[r].k), _mm256_slli_epi32(differ_u32x8, 1));
            ob_store_to_avx2(job, &finish, row[r].out, channel + 8 * g, y_i32x8);
        }
    }
}

/* One function per tile, or the compiler would mix their registers. */
static __attribute__((noinline)) void tile_1(const ob_dense_job *job, const ob_pair_row *row, const ob_few_row *from,
                                             int64_t channel) {
    tile(job, row, from, channel, 1);
}
static __attribute__((noinline)) void tile_2(const ob_dense_job *job, const ob_pair_row *row, const ob_few_row *from,
                                             int64_t channel) {
    tile(job, row, from, channel, 2);
}

void ob_few_product_avx2(const ob_dense_job *job, const ob_pair_row *rows, int64_t count, const ob_pair_words *words,
                         int64_t channel, int64_t end) {
    unsigned char copies[OB_FEW_COPIES];
    ob_few_row from[OB_PAIR_ROWS];
    for (int64_t r = 0; r < count; r++) from[r] = ob_few_row_of(words, &rows[r], copies + 8 * r * job->words);
    for (; channel < end; channel += 16)
        for (int64_t r = 0; r < count;) {
            const int both = r + 1 < count && from[r].words == from[r + 1].words && from[r].w_at == from[r + 1].w_at &&
                             from[r].runs == from[r + 1].runs;
            (both ? tile_2 : tile_1)(job, rows + r, from + r, channel);
            r += 1 + both;
        }
}

OB_TARGET_END

#endif
