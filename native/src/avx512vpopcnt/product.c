/* product.c: y = base - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * Lanes are channels: one load brings a word of 8 channels, the word of x is broadcast, and each lane sums its own
 * channel, so nothing is added across lanes. Exact for any k: lanes are 64 bits wide.
 *
 * Cost of 512 MAC: vpxorq + vpopcntq + vpaddq = 3 vector operations.
 * Limit:  Intel, two 512-bit ports, popcount on one of them: 341 MAC/cycle.
 *         Zen 5, four 512-bit pipes, popcount on two of them: 683 MAC/cycle.
 * Bottleneck: those three operations. A tile of 6 rows x 4 lines (24 sums, 4 weights, 1 word of x, 2 spare of 32
 * registers) needs 10 loads for 24 x 3 operations, so the two load ports are at a fifth of their rate, and the panel
 * of 32 channels stays in L1 while all rows go over it. In short sums (9 words: 3x3 windows of 64 channels) also the
 * epilogue, some 6 operations for 16 sums.
 * One row alone has no reuse: it streams the weights, 8 lines per step, at the speed of the memory they are in. */
#include "product.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum {
    ROWS = 6,
    LINES = 4,
    LINES_ONE_ROW = 8,
    FETCH_WORDS = 16, /* from this length on a tile fetches its lines of the output before it needs them */
};

/* What all tiles share. */
typedef struct product {
    const ob_dense_job *job;
    ob_product_words words;
    int64_t k;
    int has_base, fetch;
} product;

/* The lines of the output that a tile will write. */
OB_INLINE void fetch(const ob_dense_job *job, const ob_product_row *row, int64_t channel, const int rows,
                     const int lines) {
    for (int r = 0; r < rows; r++) {
        char *const out = (char *)job->out + row[r].at * job->out_bytes + channel * 4;
        for (int g = 0; g < lines; g += 2) __builtin_prefetch(out + 32 * g, 1);
    }
}

/* One word of a tile: every row's word against every line. */
OB_INLINE void step(__m512i differ_u64x8[ROWS][LINES_ONE_ROW], const unsigned char *const x[ROWS], int64_t x_at,
                    const unsigned char *const w[LINES_ONE_ROW], int64_t w_at, const int rows, const int lines) {
    __m512i w_u64x8[LINES_ONE_ROW];
    OB_UNROLL
    for (int g = 0; g < lines; g++) w_u64x8[g] = _mm512_loadu_si512(w[g] + w_at);
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + x_at));
        OB_UNROLL
        for (int g = 0; g < lines; g++) {
            const __m512i d_u64x8 = _mm512_popcnt_epi64(_mm512_xor_si512(x_u64x8, w_u64x8[g]));
            differ_u64x8[r][g] = _mm512_add_epi64(differ_u64x8[r][g], d_u64x8);
            OB_IN_ORDER(differ_u64x8[r][g]);
        }
    }
}

/* The sums of a tile over all words. One loop: in loops inside of each other gcc spills sums. */
OB_INLINE void sum_up(const ob_product_words *p, __m512i differ_u64x8[ROWS][LINES_ONE_ROW],
                      const unsigned char *const x[ROWS], const unsigned char *const w[LINES_ONE_ROW], const int rows,
                      const int lines) {
    int64_t x_at = p->x_at, w_at = p->w_at, word = p->words, run = p->runs[1];
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        OB_UNROLL
        for (int g = 0; g < lines; g++) differ_u64x8[r][g] = _mm512_setzero_si512();
    }
    OB_NO_UNROLL
    for (int64_t left = p->words * p->runs[0] * p->runs[1]; left > 0; left--) {
        step(differ_u64x8, x, x_at, w, w_at, rows, lines);
        x_at += 8, w_at += 64;
        if (--word == 0) {
            const int last = --run == 0;
            x_at += p->x_gap[last], w_at += p->w_gap[last];
            word = p->words;
            if (last) run = p->runs[1];
        }
    }
}

/* ---- bits: below the threshold or not ---- */

/* y < t is popcount > (k - t) / 2, and y > t is not popcount > (k - t - 1) / 2, both rounded down: 1 comparison. */
typedef struct bits_finish {
    __m512i most_i64x8[LINES_ONE_ROW];
    __mmask8 live[LINES_ONE_ROW];
    uint64_t turned; /* bits of channels whose direction is -1 */
} bits_finish;

OB_INLINE bits_finish bits_finish_load(const product *p, int64_t channel, const int lines) {
    const ob_epilogue *e = &p->job->epilogue;
    bits_finish f = {.turned = 0};
    OB_UNROLL
    for (int g = 0; g < lines; g++) {
        const int64_t at = channel + 8 * g, left = p->job->n - at;
        f.live[g] = left >= 8 ? 0xff : left <= 0 ? 0 : (__mmask8)((1u << left) - 1);
        const __m128i direction_i8x16 = _mm_maskz_loadu_epi8(f.live[g], e->direction + at);
        const __m512i down_i64x8 = _mm512_srai_epi64(_mm512_cvtepi8_epi64(direction_i8x16), 63);
        const __m512i t_i64x8 = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(f.live[g], e->threshold + at));
        const __m512i twice_i64x8 = _mm512_add_epi64(_mm512_sub_epi64(_mm512_set1_epi64(p->k), t_i64x8), down_i64x8);
        f.most_i64x8[g] = _mm512_srai_epi64(twice_i64x8, 1);
        f.turned |= (uint64_t)_mm512_movepi64_mask(down_i64x8) << 8 * g;
    }
    return f;
}

OB_INLINE void bits_store(const bits_finish *f, const __m512i differ_u64x8[LINES_ONE_ROW], unsigned char *to,
                          const int lines) {
    uint64_t bits = f->turned;
    OB_UNROLL
    for (int g = 0; g < lines; g++)
        bits ^= (uint64_t)_mm512_mask_cmpgt_epi64_mask(f->live[g], differ_u64x8[g], f->most_i64x8[g]) << 8 * g;
    memcpy(to, &bits, (size_t)lines); /* inside the row: a row of bits is whole words */
}

/* ---- sums ---- */

typedef struct sums_finish {
    ob_finish_avx512 of[LINES_ONE_ROW / 2];
} sums_finish;

OB_INLINE void sums_store(const product *p, const ob_product_row *row, const sums_finish *f,
                          const __m512i differ_u64x8[LINES_ONE_ROW], int64_t channel, const int lines) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) {
        const __m512i sum_i32x16 = _mm512_permutex2var_epi32(differ_u64x8[g], low_i32x16, differ_u64x8[g + 1]);
        const __m512i base_i32x16 =
            p->has_base ? _mm512_loadu_si512(row->base + channel + 8 * g) : _mm512_set1_epi32((int32_t)p->k);
        const __m512i y_i32x16 = _mm512_sub_epi32(base_i32x16, _mm512_slli_epi32(sum_i32x16, 1));
        ob_store_avx512(p->job, &f->of[g / 2], row->at, channel + 8 * g, y_i32x16);
    }
}

/* ---- tiles ---- */

/* `count` tiles of rows x 8 * lines channels below each other; lines is even. A line past n repeats the last one and
 * is not stored. */
OB_INLINE void panel(const product *p, const ob_product_row *row, int64_t count, int64_t channel, const int rows,
                     const int lines, const int bits) {
    const ob_dense_job *job = p->job;
    const unsigned char *w[LINES_ONE_ROW];
    unsigned char *const out = job->out + channel / 8;
    const int64_t out_bytes = job->out_bytes;
    bits_finish of_bits;
    sums_finish of_sums;
    OB_UNROLL
    for (int g = 0; g < lines; g++) w[g] = ob_group(job, channel + 8 * g < job->n ? channel + 8 * g : job->n - 1);
    if (bits) of_bits = bits_finish_load(p, channel, lines);
    OB_UNROLL
    for (int g = 0; g < lines; g += 2)
        if (!bits) of_sums.of[g / 2] = ob_finish_load_avx512(job, channel + 8 * g);
    for (; count > 0; count--, row += rows) {
        __m512i differ_u64x8[ROWS][LINES_ONE_ROW];
        const unsigned char *x[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) x[r] = row[r].x;
        if (!bits && p->fetch) fetch(job, row, channel, rows, lines);
        sum_up(&p->words, differ_u64x8, x, w, rows, lines);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            if (bits)
                bits_store(&of_bits, differ_u64x8[r], out + row[r].at * out_bytes, lines);
            else
                sums_store(p, &row[r], &of_sums, differ_u64x8[r], channel, lines);
        }
    }
}

/* One function per tile, or the compiler would mix their registers. */
typedef void panel_function(const product *p, const ob_product_row *row, int64_t count, int64_t channel);
#define OB_PANEL(name, rows, lines, bits)                                                                      \
    static __attribute__((noinline)) void name##_##rows##x##lines(const product *p, const ob_product_row *row, \
                                                                  int64_t count, int64_t channel) {            \
        panel(p, row, count, channel, rows, lines, bits);                                                      \
    }
#define OB_PANELS(name, bits)                                                        \
    OB_PANEL(name, 1, 8, bits)                                                       \
    OB_PANEL(name, 1, 4, bits)                                                       \
    OB_PANEL(name, 2, 4, bits)                                                       \
    OB_PANEL(name, 3, 4, bits)                                                       \
    OB_PANEL(name, 4, 4, bits)                                                       \
    OB_PANEL(name, 5, 4, bits)                                                       \
    OB_PANEL(name, 6, 4, bits)                                                       \
    OB_PANEL(name, 1, 2, bits)                                                       \
    OB_PANEL(name, 2, 2, bits)                                                       \
    OB_PANEL(name, 3, 2, bits)                                                       \
    OB_PANEL(name, 4, 2, bits)                                                       \
    OB_PANEL(name, 5, 2, bits)                                                       \
    OB_PANEL(name, 6, 2, bits)                                                       \
    static const tiles name = {                                                      \
        name##_1x8,                                                                  \
        {0, name##_1x4, name##_2x4, name##_3x4, name##_4x4, name##_5x4, name##_6x4}, \
        {0, name##_1x2, name##_2x2, name##_3x2, name##_4x2, name##_5x2, name##_6x2}, \
    };

typedef struct tiles {
    panel_function *one_row, *wide[ROWS + 1], *narrow[ROWS + 1];
} tiles;
OB_PANELS(bits_tiles, 1)
OB_PANELS(sums_tiles, 0)

void ob_product_avx512vpopcnt(const ob_dense_job *job, const ob_product_row *rows, int64_t count,
                              const ob_product_words *words, int64_t k, int64_t channel, int64_t end) {
    product p = {.job = job, .words = *words, .k = k, .has_base = rows->base != NULL};
    const int64_t length = words->words * words->runs[0] * words->runs[1];
    p.fetch = length >= FETCH_WORDS;
    const tiles *const t = job->epilogue.output == OB_OUTPUT_BITS && !p.has_base ? &bits_tiles : &sums_tiles;
    const int64_t all = (count + ROWS - 1) / ROWS;
    const int64_t height = count / all, higher = count % all; /* tiles of height + 1, then of height */
    if (count == 1)
        for (; end - channel >= 8 * LINES_ONE_ROW; channel += 8 * LINES_ONE_ROW) t->one_row(&p, rows, 1, channel);
    for (; channel < end; channel += 8 * LINES) {
        panel_function *const *const of = end - channel > 8 * LINES / 2 ? t->wide : t->narrow;
        if (higher) of[height + 1](&p, rows, higher, channel);
        of[height](&p, rows + higher * (height + 1), all - higher, channel);
    }
}

OB_TARGET_END

#endif
