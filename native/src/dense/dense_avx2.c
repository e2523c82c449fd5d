/* dense_avx2.c: y = k - 2 * popcount(x ^ w) without a popcount instruction: byte shuffles look counts up.
 *
 * Two ways, chosen per part:
 *
 * 1. Direct, for few rows and for more than OB_PAIR_LONGEST words. Lanes are channels (a line is two vectors of 4
 *    channels); each nibble of x ^ w is looked up. 256 MAC cost 8 operations (xor, 2 and, shift, 2 vpshufb, 2 vpaddb):
 *    32 MAC per operation.
 * 2. Table, from 4 rows: pair_table/product_avx2.c, 96 MAC per operation. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "../pair_table/product.h"
#include "../popcount_avx2.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum {
    DIRECT_ROWS = 2, /* rows of a direct tile */
    LEAST_ROWS = 4,  /* from here on the table way wins */
};

/* Rows [row, row + rows) x 16 channels. */
OB_INLINE void direct_tile(const ob_dense_job *job, int64_t row, int64_t channel, const int rows) {
    enum { FLUSH = 31, QUARTERS = 4 }; /* 31 * 8 <= 255 */
    const int pair = channel + 8 < job->n;
    const unsigned char *x = job->x + row * job->x_bytes;
    const unsigned char *w[2] = {ob_group(job, channel), ob_group(job, pair ? channel + 8 : channel)};
    __m256i sum_u64x4[DIRECT_ROWS][QUARTERS];
    for (int r = 0; r < rows; r++)
        for (int q = 0; q < QUARTERS; q++) sum_u64x4[r][q] = _mm256_setzero_si256();
    for (int64_t start = 0; start < job->words; start += FLUSH) {
        const int64_t end = job->words - start < FLUSH ? job->words : start + FLUSH;
        __m256i sum_u8x32[DIRECT_ROWS][QUARTERS];
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
                    const __m256i x_u64x4 = _mm256_set1_epi64x((int64_t)ob_load_u64(x + r * job->x_bytes + 8 * word));
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
    for (int g = 0; g <= pair; g++) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(job, channel + 8 * g);
        for (int r = 0; r < rows; r++) {
            const __m256i differ_u32x8 = ob_narrow_u64_avx2(sum_u64x4[r][2 * g], sum_u64x4[r][2 * g + 1]);
            const __m256i y_i32x8 =
                _mm256_sub_epi32(_mm256_set1_epi32((int32_t)job->k), _mm256_slli_epi32(differ_u32x8, 1));
            ob_store_avx2(job, &finish, row + r, channel + 8 * g, y_i32x8);
        }
    }
}

static __attribute__((noinline)) void direct_1(const ob_dense_job *job, int64_t row, int64_t channel) {
    direct_tile(job, row, channel, 1);
}
static __attribute__((noinline)) void direct_2(const ob_dense_job *job, int64_t row, int64_t channel) {
    direct_tile(job, row, channel, 2);
}

static void direct(const ob_dense_job *job, const ob_dense_part *part) {
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 16) {
        int64_t r = 0;
        for (; r + 2 <= part->rows; r += 2) direct_2(job, part->row + r, channel);
        if (r < part->rows) direct_1(job, part->row + r, channel);
    }
}

void ob_dense_avx2(const ob_dense_job *job, const ob_dense_part *part) {
    if (part->rows < LEAST_ROWS || job->words > OB_PAIR_LONGEST)
        direct(job, part);
    else
        ob_pair_dense(job, part, ob_pair_product_avx2);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
