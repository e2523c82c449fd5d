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
 * start and the end of a tile, some 250 instructions. Reached on Zen 5: 88 % there, 93 to 97 % in longer sums.
 * One row alone has no reuse: it streams the weights at the speed of the memory they are in, a line after the other. */
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
    int fetch;
} product;

/* The lines of the output that a tile will write. */
OB_INLINE void fetch(const ob_product_row *row, int64_t channel, const int rows, const int lines) {
    for (int r = 0; r < rows; r++)
        for (int g = 0; g < lines; g += 2) __builtin_prefetch(row[r].out + channel * 4 + 32 * g, 1);
}

/* The places in which a word of a row and one of 8 channels differ. */
OB_INLINE __m512i differ_at(const unsigned char *x, const unsigned char *w) {
    const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x));
    return _mm512_popcnt_epi64(_mm512_xor_si512(x_u64x8, _mm512_loadu_si512(w)));
}

/* One word of a tile: every row's word against every line. The first word starts the sums. */
OB_INLINE void step(__m512i differ_u64x8[ROWS][LINES_ONE_ROW], const unsigned char *const x[ROWS], int64_t x_at,
                    const unsigned char *w, int64_t line_bytes, const int rows, const int lines, const int first) {
    __m512i w_u64x8[LINES_ONE_ROW];
    OB_UNROLL
    for (int g = 0; g < lines; g++) w_u64x8[g] = _mm512_loadu_si512(w + g * line_bytes);
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + x_at));
        OB_UNROLL
        for (int g = 0; g < lines; g++) {
            const __m512i d_u64x8 = _mm512_popcnt_epi64(_mm512_xor_si512(x_u64x8, w_u64x8[g]));
            differ_u64x8[r][g] = first ? d_u64x8 : _mm512_add_epi64(differ_u64x8[r][g], d_u64x8);
            OB_IN_ORDER(differ_u64x8[r][g]);
        }
    }
}

/* The sums of a tile over all words, of which there is one at least. One loop: in loops inside of each other gcc spills
 * sums. */
OB_INLINE void sum_up(const ob_product_words *p, __m512i differ_u64x8[ROWS][LINES_ONE_ROW],
                      const unsigned char *const x[ROWS], const unsigned char *w, int64_t line_bytes, const int rows,
                      const int lines) {
    int64_t x_at = p->x_at, word = p->words, run = p->runs[1];
    w += p->w_at;
    step(differ_u64x8, x, x_at, w, line_bytes, rows, lines, 1);
    OB_NO_UNROLL
    for (int64_t left = p->words * p->runs[0] * p->runs[1] - 1; left > 0; left--) {
        x_at += 8, w += 64;
        if (--word == 0) {
            const int last = --run == 0;
            x_at += p->x_gap[last], w += p->w_gap[last];
            word = p->words;
            if (last) run = p->runs[1];
        }
        step(differ_u64x8, x, x_at, w, line_bytes, rows, lines, 0);
    }
}

/* The sums of one row and one line: the weights are one stream, which the processor fetches ahead best. */
OB_INLINE __m512i sum_up_line(const ob_product_words *p, const unsigned char *x, const unsigned char *w) {
    __m512i even_u64x8 = _mm512_setzero_si512(), odd_u64x8 = even_u64x8;
    x += p->x_at, w += p->w_at;
    for (int64_t i = 0; i < p->runs[0]; i++, x += p->x_gap[1], w += p->w_gap[1])
        for (int64_t j = p->runs[1]; j > 0; j--) {
            int64_t word = 0;
            OB_UNROLL_BY_4
            for (; word + 2 <= p->words; word += 2) {
                even_u64x8 = _mm512_add_epi64(even_u64x8, differ_at(x + 8 * word, w + 64 * word));
                odd_u64x8 = _mm512_add_epi64(odd_u64x8, differ_at(x + 8 * word + 8, w + 64 * word + 64));
            }
            if (word < p->words) even_u64x8 = _mm512_add_epi64(even_u64x8, differ_at(x + 8 * word, w + 64 * word));
            x += 8 * p->words, w += 64 * p->words;
            if (j > 1) x += p->x_gap[0], w += p->w_gap[0];
        }
    return _mm512_add_epi64(even_u64x8, odd_u64x8);
}

/* ---- bits: below the threshold or not ---- */

/* y < t is popcount > (base - t) / 2, and y > t is not popcount > (base - t - 1) / 2, both rounded down: 1
 * comparison. */
typedef struct bits_finish {
    __m512i most_i64x8[LINES_ONE_ROW]; /* past n a popcount is never more */
    uint64_t turned;                   /* bits of channels whose direction is -1 */
} bits_finish;

OB_INLINE bits_finish bits_finish_load(const product *p, int64_t channel, const int lines) {
    const ob_epilogue *e = &p->job->epilogue;
    const int64_t left = p->job->n - channel;
    const __mmask64 live = left < 8 * lines ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0 >> (64 - 8 * lines);
    bits_finish f = {.turned = _mm512_movepi8_mask(_mm512_maskz_loadu_epi8(live, e->direction + channel))};
    OB_UNROLL
    for (int g = 0; g < lines; g++) {
        const __mmask8 down = (__mmask8)(f.turned >> 8 * g), live8 = (__mmask8)(live >> 8 * g);
        const __m256i t_i32x8 = _mm256_maskz_loadu_epi32(live8, e->threshold + channel + 8 * g);
        const __m512i base_i64x8 =
            p->words.base ? _mm512_cvtepi32_epi64(_mm256_loadu_si256((const void *)(p->words.base + channel + 8 * g)))
                          : _mm512_set1_epi64(p->words.k);
        const __m512i twice_i64x8 = _mm512_sub_epi64(base_i64x8, _mm512_cvtepi32_epi64(t_i32x8));
        const __m512i lower_i64x8 = _mm512_mask_sub_epi64(twice_i64x8, down, twice_i64x8, _mm512_set1_epi64(1));
        f.most_i64x8[g] = _mm512_mask_srai_epi64(_mm512_set1_epi64(INT64_MAX), live8, lower_i64x8, 1);
    }
    return f;
}

OB_INLINE void bits_store(const bits_finish *f, const __m512i differ_u64x8[LINES_ONE_ROW], unsigned char *to,
                          const int lines) {
    __mmask8 more[LINES_ONE_ROW];
    OB_UNROLL
    for (int g = 0; g < lines; g++) more[g] = _mm512_cmpgt_epi64_mask(differ_u64x8[g], f->most_i64x8[g]);
    __mmask64 bits = _mm512_kunpackb(more[1], more[0]);
    if (lines > 2) bits = _mm512_kunpackw(_mm512_kunpackb(more[3], more[2]), (__mmask32)bits);
    if (lines > 4)
        bits = _mm512_kunpackd(_mm512_kunpackw(_mm512_kunpackb(more[7], more[6]), _mm512_kunpackb(more[5], more[4])),
                               bits);
    bits ^= f->turned;
    memcpy(to, &bits, (size_t)lines); /* inside the row: a row of bits is whole words */
}

/* ---- sums ---- */

typedef struct sums_finish {
    ob_finish_avx512 of[LINES_ONE_ROW / 2];
    __m512i base_i32x16[LINES_ONE_ROW / 2];
} sums_finish;

OB_INLINE void sums_finish_load(const product *p, int64_t channel, sums_finish *f, const int lines) {
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) {
        f->of[g / 2] = ob_finish_load_avx512(p->job, channel + 8 * g);
        f->base_i32x16[g / 2] = p->words.base ? _mm512_loadu_si512(p->words.base + channel + 8 * g)
                                              : _mm512_set1_epi32((int32_t)p->words.k);
    }
}

OB_INLINE void sums_store(const product *p, const ob_product_row *row, const sums_finish *f,
                          const __m512i differ_u64x8[LINES_ONE_ROW], int64_t channel, const int lines) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) {
        const __m512i sum_i32x16 = _mm512_permutex2var_epi32(differ_u64x8[g], low_i32x16, differ_u64x8[g + 1]);
        const __m512i y_i32x16 = _mm512_sub_epi32(f->base_i32x16[g / 2], _mm512_slli_epi32(sum_i32x16, 1));
        ob_store_to_avx512(p->job, &f->of[g / 2], row->out, channel + 8 * g, y_i32x16);
    }
}

/* ---- tiles ---- */

/* `count` tiles of rows x 8 * lines channels below each other; lines is even. Of two lines the second may be past n: it
 * repeats the first and is not stored. */
OB_INLINE void panel(const product *p, const ob_product_row *row, int64_t count, int64_t channel, const int rows,
                     const int lines, const int bits) {
    const ob_dense_job *job = p->job;
    const unsigned char *const w = ob_group(job, channel);
    const int64_t line_bytes = channel + 8 < job->n ? 64 * job->words : 0;
    bits_finish of_bits;
    sums_finish of_sums;
    if (bits) of_bits = bits_finish_load(p, channel, lines);
    if (!bits) sums_finish_load(p, channel, &of_sums, lines);
    for (; count > 0; count--, row += rows) {
        __m512i differ_u64x8[ROWS][LINES_ONE_ROW];
        const unsigned char *x[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) x[r] = row[r].x;
        if (!bits && p->fetch) fetch(row, channel, rows, lines);
        if (rows > 1) sum_up(&p->words, differ_u64x8, x, w, line_bytes, rows, lines);
        OB_UNROLL
        for (int g = 0; g < lines; g++)
            if (rows == 1) differ_u64x8[0][g] = sum_up_line(&p->words, x[0], w + g * line_bytes);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            if (bits)
                bits_store(&of_bits, differ_u64x8[r], row[r].out + channel / 8, lines);
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
                              const ob_product_words *words, int64_t channel, int64_t end) {
    product p = {.job = job, .words = *words};
    const int64_t length = words->words * words->runs[0] * words->runs[1];
    p.fetch = length >= FETCH_WORDS;
    const tiles *const t = job->epilogue.output == OB_OUTPUT_BITS ? &bits_tiles : &sums_tiles;
    const int64_t height = length ? ROWS : 1; /* a row alone may have no words */
    const int64_t all = (count + height - 1) / height, low = count / all, higher = count % all;
    if (count == 1)
        for (; end - channel >= 8 * LINES_ONE_ROW; channel += 8 * LINES_ONE_ROW) t->one_row(&p, rows, 1, channel);
    while (channel < end) { /* tiles of low + 1 rows, then of low */
        const int is_wide = end - channel > 8 * (LINES - 1);
        panel_function *const *const of = is_wide ? t->wide : t->narrow;
        if (higher) of[low + 1](&p, rows, higher, channel);
        of[low](&p, rows + higher * (low + 1), all - higher, channel);
        channel += is_wide ? 8 * LINES : 16;
    }
}

OB_TARGET_END

#endif
