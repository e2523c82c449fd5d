/* dense_u8_avx2.c: y = sum of x * w = sum(x) + 2 * sum of x * (0 or -1), x 8-bit, w a bit.
 *
 * Lanes are positions along k: 32 bits of one channel become 32 bytes 0 or -1, vpmaddubsw multiplies and adds pairs.
 * A pair gives at least -510, so 16-bit sums hold 64 steps of 32 positions (-32640) without the instruction's
 * saturation ever acting. Cost of 32 MAC of one row: vpmaddubsw + vpaddw, and its share of the expansion (broadcast,
 * shuffle, and, compare). Limit with 4 rows: 12 operations for 128 MAC, 10.7 MAC per operation; 43 MAC/cycle on four
 * ports. Bottleneck: with one row the expansion (6 operations per 32 MAC), with 4 rows the multiplication. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum { ROWS = 4, WORDS = 31 };

/* Byte i of the result is -1 if bit i is 1, else 0. */
OB_INLINE __m256i expand(uint32_t bits) {
    const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3,
                                             3, 3, 3, 3, 3, 3, 3);
    const __m256i bit_of = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)bits), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of), bit_of);
}

OB_INLINE int32_t add_lanes(__m256i v_i32x8) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v_i32x8), _mm256_extracti128_si256(v_i32x8, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

OB_INLINE __m256i widen(__m256i sum_i16x16) {
    return _mm256_madd_epi16(sum_i16x16, _mm256_set1_epi16(1));
}

OB_INLINE uint32_t load_bits(const unsigned char *word) {
    uint32_t bits;
    memcpy(&bits, word, sizeof bits);
    return bits;
}

/* sum[r][c] += x of row r times (0 or -1) of channel c, for 32 positions. */
OB_INLINE void step(__m256i sum_i16x16[ROWS][2], const unsigned char *x, int64_t x_bytes, const unsigned char *bits,
                    const int rows) {
    const __m256i w_i8x32[2] = {expand(load_bits(bits)), expand(load_bits(bits + 8))};
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m256i x_u8x32 = _mm256_loadu_si256((const void *)(x + r * x_bytes));
        OB_UNROLL
        for (int c = 0; c < 2; c++)
            sum_i16x16[r][c] = _mm256_add_epi16(sum_i16x16[r][c], _mm256_maddubs_epi16(x_u8x32, w_i8x32[c]));
    }
}

/* Sums of x over the weights -1, negated: y[8 * r + c] for `rows` rows and 2 channels, whose line is w. Whole words
 * come from x, one more from `last`, 64 bytes per row, where the remaining bytes are followed by zeros. */
OB_INLINE void minus_sums(const ob_dense_job *job, const unsigned char *x, const unsigned char *last,
                          const unsigned char *w, int32_t *y, const int rows) {
    const int64_t words = job->k / 64;
    __m256i sum_i32x8[ROWS][2], sum_i16x16[ROWS][2];
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        OB_UNROLL
        for (int c = 0; c < 2; c++) sum_i32x8[r][c] = sum_i16x16[r][c] = _mm256_setzero_si256();
    }
    if (job->k % 64)
        for (int half = 0; half < 2; half++) step(sum_i16x16, last + 32 * half, 64, w + 64 * words + 4 * half, rows);
    for (int64_t start = 0; start < words; start += WORDS) { /* 2 * WORDS steps, and the 2 above */
        const int64_t end = words - start < WORDS ? words : start + WORDS;
        for (int64_t word = start; word < end; word++) {
            step(sum_i16x16, x + 64 * word, job->x_bytes, w + 64 * word, rows);
            step(sum_i16x16, x + 64 * word + 32, job->x_bytes, w + 64 * word + 4, rows);
        }
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int c = 0; c < 2; c++) {
                sum_i32x8[r][c] = _mm256_add_epi32(sum_i32x8[r][c], widen(sum_i16x16[r][c]));
                sum_i16x16[r][c] = _mm256_setzero_si256();
            }
        }
    }
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        OB_UNROLL
        for (int c = 0; c < 2; c++)
            y[8 * r + c] = add_lanes(_mm256_add_epi32(sum_i32x8[r][c], widen(sum_i16x16[r][c])));
    }
}

/* Four sums of 8 bytes. */
OB_INLINE __m256i sum_of_32(const unsigned char *x) {
    return _mm256_sad_epu8(_mm256_loadu_si256((const void *)x), _mm256_setzero_si256());
}

OB_INLINE void rows_tile(const ob_dense_job *job, const ob_dense_part *part, int64_t row, const int rows) {
    const unsigned char *x = job->x + row * job->x_bytes;
    unsigned char last[ROWS][64] = {{0}};
    int32_t all[ROWS];
    for (int r = 0; r < rows; r++) { /* the sum over all of x, whatever the weights */
        memcpy(last[r], x + r * job->x_bytes + job->k / 64 * 64, (size_t)(job->k % 64));
        __m256i sum_u64x4 = _mm256_add_epi64(sum_of_32(last[r]), sum_of_32(last[r] + 32));
        for (int64_t i = 0; i + 32 <= job->k / 64 * 64; i += 32)
            sum_u64x4 = _mm256_add_epi64(sum_u64x4, sum_of_32(x + r * job->x_bytes + i));
        all[r] = add_lanes(sum_u64x4); /* below 2^31: the upper halves are 0 */
    }
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(job, channel);
        const unsigned char *w = ob_group(job, channel);
        int32_t y[ROWS][8];
        for (int c = 0; c < 8; c += 2) minus_sums(job, x, last[0], w + 8 * c, y[0] + c, rows);
        const __m256i base_i32x8 =
            job->base ? _mm256_loadu_si256((const void *)(job->base + channel)) : _mm256_setzero_si256();
        for (int r = 0; r < rows; r++) {
            const __m256i minus_i32x8 = _mm256_loadu_si256((const void *)y[r]);
            const __m256i x_i32x8 = _mm256_add_epi32(_mm256_set1_epi32(all[r]), base_i32x8);
            ob_store_avx2(job, &finish, row + r, channel, _mm256_add_epi32(x_i32x8, _mm256_slli_epi32(minus_i32x8, 1)));
        }
    }
}

static __attribute__((noinline)) void rows_1(const ob_dense_job *job, const ob_dense_part *part, int64_t row) {
    rows_tile(job, part, row, 1);
}
static __attribute__((noinline)) void rows_4(const ob_dense_job *job, const ob_dense_part *part, int64_t row) {
    rows_tile(job, part, row, ROWS);
}

void ob_dense_u8_avx2(const ob_dense_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    int64_t row = part->row;
    for (; row + ROWS <= end; row += ROWS) rows_4(job, part, row);
    for (; row < end; row++) rows_1(job, part, row);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
