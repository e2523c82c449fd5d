/* dense_u8_avx512.h: y = sum of x * w, x 8-bit, w a bit: 64 products per instruction (VNNI vpdpbusd).
 * The kernel of two instruction sets: the includer names it (OB_DOT_KERNEL), its target (OB_TARGET_DOT) and what stands
 * for vpdpbusd (OB_DOT), which without VNNI is three instructions.
 *
 * Four rows. Lanes are positions along k: 64 bits of one channel are a mask that chooses between bytes +1 and -1, which
 * the rows share. Cost of 64 MAC of one row: 1 vpdpbusd and a quarter of kmovq + vpblendmb. Then the 16 lanes of a sum
 * are added: 45 operations for 16 sums, transposing as they go. A lane sums 4 * 255 per step.
 *
 * One row. Spreading bits to bytes would cost twice the products, so they stay bits: y = (sum of x) - 2 * (sum of the x
 * whose bit is 1). Lanes are channels: a line holds a word of 8 channels, each of its bytes 8 bits. Bit b of every
 * byte, kept by a mask, is 0 or 2^b: a factor for vpdpbusd, whose other side is the 8 values of x at those places, the
 * same for all channels (the 64 bytes of a word as an 8 x 8 square, transposed). Four sums of a line take bits b and b
 * + 4 (the line shifted by 4) and are divided by 2^b, exactly, at the end. Cost of 512 MAC: 8 vpdpbusd + 8 vpandd + a
 * shift, and for 4 lines together 4 operations and 8 broadcasting loads. A lane sums 2 * 4 * 255 * 8 per word.
 *
 * Limit: two vpdpbusd per cycle = 128 MAC/cycle (Zen 5). Bottleneck: with four rows vpdpbusd; with one, all operations
 * together: 18 cycles of four pipes for 2,048 MAC, where vpdpbusd alone needs 16.
 * Exact: k <= 2^31 / 255, which is 131,586 words, so neither sum can pass 2^31. */
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"

OB_TARGET_BEGIN(OB_TARGET_DOT)

enum { ROWS = 4, LINES = 4, BITS = 4 };

/* What is added to the sums of 16 channels. */
OB_INLINE __m512i base16(const ob_dense_job *job, int64_t channel) {
    return job->base ? _mm512_loadu_si512(job->base + channel) : _mm512_setzero_si512();
}

/* ---- four rows ---- */

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

/* sum[4 * r + c] += x of row r times channel c, for 64 positions of 4 rows and 4 channels, whose words start at `w`.
 * `live` says which of the 64 bytes of x exist. */
OB_INLINE void step_of_4(__m512i sum_i32x16[16], const unsigned char *x, int64_t x_bytes, const unsigned char *w,
                         __mmask64 live) {
    __m512i x_u8x64[ROWS];
    OB_UNROLL
    for (int r = 0; r < ROWS; r++) x_u8x64[r] = _mm512_maskz_loadu_epi8(live, x + r * x_bytes);
    OB_UNROLL
    for (int c = 0; c < 4; c++) {
        const __mmask64 minus = ob_load_u64(w + 8 * c);
        const __m512i w_i8x64 = _mm512_mask_blend_epi8(minus, _mm512_set1_epi8(1), _mm512_set1_epi8(-1));
        OB_UNROLL
        for (int r = 0; r < ROWS; r++) {
            __m512i *const sum = &sum_i32x16[4 * r + c];
            *sum = OB_DOT(*sum, x_u8x64[r], w_i8x64);
            OB_IN_ORDER(*sum);
        }
    }
}

/* Lane 4 * r + c of the result is the sum of row r and channel c. */
static __attribute__((noinline)) __m512i block(const ob_dense_job *job, const unsigned char *x,
                                               const unsigned char *w) {
    const int64_t whole = job->k / 64;
    __m512i sum_i32x16[16];
    OB_UNROLL
    for (int i = 0; i < 16; i++) sum_i32x16[i] = _mm512_setzero_si512();
    for (int64_t word = 0; word < whole; word++)
        step_of_4(sum_i32x16, x + 64 * word, job->x_bytes, w + 64 * word, ~(__mmask64)0);
    if (job->k % 64)
        step_of_4(sum_i32x16, x + 64 * whole, job->x_bytes, w + 64 * whole, ~(__mmask64)0 >> (64 - job->k % 64));
    return add16(sum_i32x16);
}

static void tile_of_4(const ob_dense_job *job, int64_t row, int64_t channel) {
    const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel);
    const unsigned char *x = job->x + row * job->x_bytes, *line = ob_group(job, channel);
    const unsigned char *next = ob_group(job, channel + 8 < job->n ? channel + 8 : channel); /* if there is one */
    const __m512i a = block(job, x, line), b = block(job, x, line + 32);
    const __m512i c = block(job, x, next), d = block(job, x, next + 32);
    /* a, b, c, d: [4 channels of row 0..3]; a 4 x 4 transpose of 128-bit lanes makes rows of 16 channels. */
    const __m512i ab_01 = _mm512_shuffle_i32x4(a, b, 0x44), ab_23 = _mm512_shuffle_i32x4(a, b, 0xee);
    const __m512i cd_01 = _mm512_shuffle_i32x4(c, d, 0x44), cd_23 = _mm512_shuffle_i32x4(c, d, 0xee);
    const __m512i y_i32x16[ROWS] = {_mm512_shuffle_i32x4(ab_01, cd_01, 0x88), _mm512_shuffle_i32x4(ab_01, cd_01, 0xdd),
                                    _mm512_shuffle_i32x4(ab_23, cd_23, 0x88), _mm512_shuffle_i32x4(ab_23, cd_23, 0xdd)};
    const __m512i base_i32x16 = base16(job, channel);
    OB_UNROLL
    for (int r = 0; r < ROWS; r++)
        ob_store_avx512(job, &finish, row + r, channel, _mm512_add_epi32(y_i32x16[r], base_i32x16));
}

/* ---- one row ---- */

/* 64 values, as 8 bytes each of all values at bits 0, 1, ... of a byte. */
OB_INLINE __m512i transposed(__m512i x_u8x64) {
    /* Pairs of rows within 128 bits, then 16 bits at a time: byte i of row j goes to byte j of row i. */
    const __m512i pairs = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    const __m512i columns = _mm512_set_epi16(31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5, 28, 20, 12, 4, 27, 19, 11, 3,
                                             26, 18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0);
    return _mm512_permutexvar_epi16(columns, _mm512_shuffle_epi8(x_u8x64, pairs));
}

/* One word of a row against `lines` lines. `live` says which of the 64 bytes of x exist. */
OB_INLINE void step_of_1(__m512i sum_i32x16[LINES][BITS], __m512i *x_u64x8, const unsigned char *x, __mmask64 live,
                         const unsigned char *const line[LINES], int64_t word, const int lines) {
    _Alignas(64) uint64_t at_bit[8];
    __m512i w_u8x64[LINES];
    const __m512i x_u8x64 = _mm512_maskz_loadu_epi8(live, x + 64 * word);
    *x_u64x8 = _mm512_add_epi64(*x_u64x8, _mm512_sad_epu8(x_u8x64, _mm512_setzero_si512()));
    _mm512_store_si512(at_bit, transposed(x_u8x64));
    __asm__("" : "+m"(at_bit)); /* in memory, where a broadcast is a load: from a register it is a shuffle or two */
    OB_UNROLL
    for (int g = 0; g < lines; g++) w_u8x64[g] = _mm512_loadu_si512(line[g] + 64 * word);
    OB_UNROLL
    for (int b = 0; b < 2 * BITS; b++) {
        const __m512i x_at_bit = _mm512_set1_epi64((int64_t)at_bit[b]);
        OB_UNROLL
        for (int g = 0; g < lines; g++) {
            if (b == BITS) w_u8x64[g] = _mm512_srli_epi64(w_u8x64[g], BITS);
            const __m512i kept_u8x64 = _mm512_and_si512(w_u8x64[g], _mm512_set1_epi8((char)(1 << b % BITS)));
            __m512i *const sum = &sum_i32x16[g][b % BITS];
            *sum = OB_DOT(*sum, x_at_bit, kept_u8x64);
            OB_IN_ORDER(*sum);
        }
    }
}

/* The two lanes of a channel, each the sum of 4 of its 8 bytes. */
OB_INLINE __m512i of_line(const __m512i sum_i32x16[BITS]) {
    const __m512i low = _mm512_add_epi32(sum_i32x16[0], _mm512_srli_epi32(sum_i32x16[1], 1));
    const __m512i high = _mm512_add_epi32(_mm512_srli_epi32(sum_i32x16[2], 2), _mm512_srli_epi32(sum_i32x16[3], 3));
    return _mm512_add_epi32(low, high);
}

/* One row x 8 * lines channels. A line past n repeats the last one and is not stored. */
OB_INLINE void tile_of_1(const ob_dense_job *job, int64_t row, int64_t channel, const int lines) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const unsigned char *const x = job->x + row * job->x_bytes, *line[LINES];
    const int64_t whole = job->k / 64, left = job->k % 64;
    __m512i sum_i32x16[LINES][BITS], x_u64x8 = _mm512_setzero_si512();
    OB_UNROLL
    for (int g = 0; g < lines; g++) {
        line[g] = ob_group(job, channel + 8 * g < job->n ? channel + 8 * g : job->n - 1);
        OB_UNROLL
        for (int b = 0; b < BITS; b++) sum_i32x16[g][b] = _mm512_setzero_si512();
    }
    for (int64_t w = 0; w < whole; w++) step_of_1(sum_i32x16, &x_u64x8, x, ~(__mmask64)0, line, w, lines);
    if (left) step_of_1(sum_i32x16, &x_u64x8, x, ~(__mmask64)0 >> (64 - left), line, whole, lines);
    const __m512i x_i32x16 = _mm512_set1_epi32((int32_t)_mm512_reduce_add_epi64(x_u64x8));
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) {
        const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel + 8 * g);
        const __m512i a = of_line(sum_i32x16[g]), b = of_line(sum_i32x16[g + 1]);
        const __m512i minus_i32x16 =
            _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b));
        const __m512i y_i32x16 = _mm512_sub_epi32(x_i32x16, _mm512_slli_epi32(minus_i32x16, 1));
        ob_store_avx512(job, &finish, row, channel + 8 * g, _mm512_add_epi32(y_i32x16, base16(job, channel + 8 * g)));
    }
}

static void row_of_tiles(const ob_dense_job *job, const ob_dense_part *part, int64_t row) {
    const int64_t end = part->channel + part->channels;
    for (int64_t channel = part->channel; channel < end; channel += 8 * LINES)
        if (end - channel > 8 * LINES / 2)
            tile_of_1(job, row, channel, LINES);
        else
            tile_of_1(job, row, channel, LINES / 2);
}

void OB_DOT_KERNEL(const ob_dense_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    int64_t row = part->row;
    for (; end - row >= ROWS; row += ROWS)
        for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 16)
            tile_of_4(job, row, channel);
    for (; row < end; row++) row_of_tiles(job, part, row);
    ob_clear_tail(job, part);
}

OB_TARGET_END
