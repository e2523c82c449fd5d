/* dense_u8_avx512vpopcnt.c: y = sum of x * w, x 8-bit, w a bit: 64 products per instruction (VNNI vpdpbusd).
 *
 * Lanes are positions along k: 64 bits of one channel are a mask that chooses between bytes +1 and -1.
 * Cost of 64 MAC of one row: 1 vpdpbusd, and its share of kmovq + vpblendmb (for 4 rows: a quarter of each). Then the
 * 16 lanes of a sum are added: 45 operations for 16 sums, transposing as they go.
 * Limit: two vpdpbusd per cycle = 128 MAC/cycle. Bottleneck: with 4 rows, vpdpbusd; with one row, the expansion of the
 * weights (3 operations per 64 MAC), which nothing shares.
 * Exact: a lane sums 4 * 255 per step and k <= 2^31 / 255 in all, so int32 cannot overflow. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum { ROWS = 4, CHANNELS = 16 };

#define OB_ADD_LOW_HIGH(kind, a, b) _mm512_add_epi32(_mm512_unpacklo_##kind(a, b), _mm512_unpackhi_##kind(a, b))
#define OB_ADD_LANES(a, b, low, high) \
    _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, low), _mm512_shuffle_i32x4(a, b, high))

/* Sums of 4 vectors: 128-bit lane q of the result is {s0, s1, s2, s3} of lanes q of the inputs. */
OB_INLINE __m512i add4(const __m512i s[4]) {
    return OB_ADD_LOW_HIGH(epi64, OB_ADD_LOW_HIGH(epi32, s[0], s[1]), OB_ADD_LOW_HIGH(epi32, s[2], s[3]));
}

/* Sums of 16 vectors over all lanes: result lane i is the whole of s[i]. */
OB_INLINE __m512i add16(const __m512i s[16]) {
    const __m512i a = add4(s), b = add4(s + 4), c = add4(s + 8), d = add4(s + 12);
    return OB_ADD_LANES(OB_ADD_LANES(a, b, 0x88, 0xdd), OB_ADD_LANES(c, d, 0x88, 0xdd), 0x88, 0xdd);
}

/* sum[16 / rows * r + c] += x of row r times channel c, for 64 positions of `rows` rows and 16 / rows channels: 4
 * channels of one line, or 16 of two. `live` says which of the 64 bytes of x exist. */
OB_INLINE void step(__m512i sum_i32x16[16], const unsigned char *x, int64_t x_bytes, const unsigned char *const line[2],
                    __mmask64 live, const int rows) {
    __m512i x_u8x64[ROWS];
    OB_UNROLL
    for (int r = 0; r < rows; r++) x_u8x64[r] = _mm512_maskz_loadu_epi8(live, x + r * x_bytes);
    OB_UNROLL
    for (int c = 0; c < 16 / rows; c++) {
        const __mmask64 minus = ob_load_u64(line[c / 8] + 8 * (c % 8));
        const __m512i w_i8x64 = _mm512_mask_blend_epi8(minus, _mm512_set1_epi8(1), _mm512_set1_epi8(-1));
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            __m512i *const sum = &sum_i32x16[16 / rows * r + c];
            *sum = _mm512_dpbusd_epi32(*sum, x_u8x64[r], w_i8x64);
            OB_IN_ORDER(*sum);
        }
    }
}

/* Lane r * (16 / rows) + c of the result is the sum of row r and channel c. */
OB_INLINE __m512i block(const ob_dense_job *job, const unsigned char *x, const unsigned char *first,
                        const unsigned char *second, const int rows) {
    const int64_t whole = job->k / 64;
    __m512i sum_i32x16[16];
    OB_UNROLL
    for (int i = 0; i < 16; i++) sum_i32x16[i] = _mm512_setzero_si512();
    for (int64_t word = 0; word < whole; word++) {
        const unsigned char *const line[2] = {first + 64 * word, second + 64 * word};
        step(sum_i32x16, x + 64 * word, job->x_bytes, line, ~(__mmask64)0, rows);
    }
    if (job->k % 64) {
        const unsigned char *const line[2] = {first + 64 * whole, second + 64 * whole};
        step(sum_i32x16, x + 64 * whole, job->x_bytes, line, ~(__mmask64)0 >> (64 - job->k % 64), rows);
    }
    return add16(sum_i32x16);
}

#define OB_BLOCK(rows)                                                                                               \
    static __attribute__((noinline)) __m512i block_##rows(const ob_dense_job *job, const unsigned char *x,           \
                                                          const unsigned char *first, const unsigned char *second) { \
        return block(job, x, first, second, rows);                                                                   \
    }
OB_BLOCK(1)
OB_BLOCK(2)
OB_BLOCK(4)

/* The line of the 8 channels after `channel`, or of `channel` where there are none. */
OB_INLINE const unsigned char *next_line(const ob_dense_job *job, int64_t channel) {
    return ob_group(job, channel + 8 < job->n ? channel + 8 : channel);
}

static void tile_1(const ob_dense_job *job, int64_t row, int64_t channel) {
    const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel);
    const __m512i y_i32x16 = block_1(job, job->x + row * job->x_bytes, ob_group(job, channel), next_line(job, channel));
    ob_store_avx512(job, &finish, row, channel, y_i32x16);
}

static void tile_2(const ob_dense_job *job, int64_t row, int64_t channel) {
    const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel);
    const unsigned char *x = job->x + row * job->x_bytes, *line = ob_group(job, channel),
                        *next = next_line(job, channel);
    const __m512i a = block_2(job, x, line, line), b = block_2(job, x, next, next); /* [8 channels of row 0, row 1] */
    ob_store_avx512(job, &finish, row, channel, _mm512_shuffle_i32x4(a, b, 0x44));
    ob_store_avx512(job, &finish, row + 1, channel, _mm512_shuffle_i32x4(a, b, 0xee));
}

static void tile_4(const ob_dense_job *job, int64_t row, int64_t channel) {
    const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel);
    const unsigned char *x = job->x + row * job->x_bytes, *line = ob_group(job, channel),
                        *next = next_line(job, channel);
    const __m512i a = block_4(job, x, line, line), b = block_4(job, x, line + 32, line);
    const __m512i c = block_4(job, x, next, next), d = block_4(job, x, next + 32, next);
    /* a, b, c, d: [4 channels of row 0..3]; a 4 x 4 transpose of 128-bit lanes makes rows of 16 channels. */
    const __m512i ab_01 = _mm512_shuffle_i32x4(a, b, 0x44), ab_23 = _mm512_shuffle_i32x4(a, b, 0xee);
    const __m512i cd_01 = _mm512_shuffle_i32x4(c, d, 0x44), cd_23 = _mm512_shuffle_i32x4(c, d, 0xee);
    ob_store_avx512(job, &finish, row, channel, _mm512_shuffle_i32x4(ab_01, cd_01, 0x88));
    ob_store_avx512(job, &finish, row + 1, channel, _mm512_shuffle_i32x4(ab_01, cd_01, 0xdd));
    ob_store_avx512(job, &finish, row + 2, channel, _mm512_shuffle_i32x4(ab_23, cd_23, 0x88));
    ob_store_avx512(job, &finish, row + 3, channel, _mm512_shuffle_i32x4(ab_23, cd_23, 0xdd));
}

void ob_dense_u8_avx512vpopcnt(const ob_dense_job *job, const ob_dense_part *part) {
    for (int64_t row = 0; row < part->rows;) {
        const int64_t left = part->rows - row, rows = left >= ROWS ? ROWS : left >= 2 ? 2 : 1;
        for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += CHANNELS)
            (rows == 1 ? tile_1 : rows == 2 ? tile_2 : tile_4)(job, part->row + row, channel);
        row += rows;
    }
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
