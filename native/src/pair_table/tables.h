/* tables.h: where the tables of pairs of rows stand, and the weights in the order in which they are looked up.
 *
 * Byte lanes are channels: a panel of the weights is rearranged so that one vector holds the same nibble of its
 * channels. The nibbles a and b that two rows have there choose the table {popcount(a ^ i) + 16 * popcount(b ^ i)}, and
 * one byte shuffle looks up 4 bits x all lanes x 2 rows. Where a row has no such word, a table counts the other alone.
 */
#ifndef ONEBIT_PAIR_TABLE_TABLES_H
#define ONEBIT_PAIR_TABLE_TABLES_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"
#include "product.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum {
    PANEL = 128, /* channels that are rearranged at once */
    K_BLOCK = 9, /* words of a panel: 18 KiB, in L1 */
    K_BLOCK_NIBBLES = 16 * K_BLOCK,
    GROUP = 3,         /* nibbles whose counts fit half a byte: 3 * 4 <= 15 */
    FIRST_ALONE = 256, /* tables of rows whose other one has no such word; see find_words() for their places */
    SECOND_ALONE = 272,
    NOTHING = 288,
};

#define OB_COUNT(i) (((i) & 1) + ((i) >> 1 & 1) + ((i) >> 2 & 1) + ((i) >> 3 & 1))
#define OB_FIRST(v, i) OB_COUNT(((v) & 15) ^ (i))
#define OB_SECOND(v, i) (16 * OB_COUNT(((v) >> 4 & 15) ^ (i)))
#define OB_ENTRY(v, i) \
    (unsigned char)(((v) < SECOND_ALONE ? OB_FIRST(v, i) : 0) + ((v) < FIRST_ALONE ? OB_SECOND(v, i) : 0))
#define OB_ENTRY_ALONE(v, i) (unsigned char)(16 * OB_FIRST(v, i))
#define OB_FOUR(entry, v, i) entry(v, i), entry(v, i + 1), entry(v, i + 2), entry(v, i + 3)
#define OB_TABLE_OF(entry, v) {OB_FOUR(entry, v, 0), OB_FOUR(entry, v, 4), OB_FOUR(entry, v, 8), OB_FOUR(entry, v, 12)}
#define OB_TABLE(v) OB_TABLE_OF(OB_ENTRY, v)
#define OB_ALONE(v) OB_TABLE_OF(OB_ENTRY_ALONE, v)
#define OB_4(table, v) table(v), table((v) + 1), table((v) + 2), table((v) + 3)
#define OB_16(table, v) OB_4(table, v), OB_4(table, (v) + 4), OB_4(table, (v) + 8), OB_4(table, (v) + 12)
#define OB_64(table, v) OB_16(table, v), OB_16(table, (v) + 16), OB_16(table, (v) + 32), OB_16(table, (v) + 48)
/* [a + 16 * b], [FIRST_ALONE + a], [SECOND_ALONE + b], [NOTHING] */
static const _Alignas(64) unsigned char pair_counts[NOTHING + 1][16] = {
    OB_64(OB_TABLE, 0),   OB_64(OB_TABLE, 64),          OB_64(OB_TABLE, 128),
    OB_64(OB_TABLE, 192), OB_16(OB_TABLE, FIRST_ALONE), OB_16(OB_ALONE, 0)};

/* One word of 32 channels, that of lines line[0..3], becomes 16 vectors of 32 nibbles, PANEL bytes apart. */
OB_INLINE void rearrange(const unsigned char *const line[4], int64_t at, unsigned char *to) {
    const __m256i pair_bytes = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0, 8, 1, 9, 2, 10,
                                                3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    __m256i a[8], b[8];
    OB_UNROLL
    for (int i = 0; i < 8; i++) { /* channels 2i, 2i + 1 and 16 + 2i, 17 + 2i: byte pairs, one per 16 bits */
        const void *const low = line[i / 4] + at + i % 4 * 16, *const high = line[i / 4 + 2] + at + i % 4 * 16;
        a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
        a[i] = _mm256_shuffle_epi8(a[i], pair_bytes);
    }
    /* An 8 x 8 transpose of 16-bit units in both halves: afterwards b[j] is byte j of all 32 channels. */
    OB_UNROLL
    for (int i = 0; i < 4; i++) {
        b[i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]), b[i + 4] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    OB_UNROLL
    for (int h = 0; h < 8; h += 4) {
        OB_UNROLL
        for (int i = 0; i < 2; i++) {
            a[h + i] = _mm256_unpacklo_epi32(b[h + 2 * i], b[h + 2 * i + 1]);
            a[h + 2 + i] = _mm256_unpackhi_epi32(b[h + 2 * i], b[h + 2 * i + 1]);
        }
    }
    OB_UNROLL
    for (int q = 0; q < 8; q += 2) {
        b[q] = _mm256_unpacklo_epi64(a[q], a[q + 1]), b[q + 1] = _mm256_unpackhi_epi64(a[q], a[q + 1]);
    }
    OB_UNROLL
    for (int j = 0; j < 8; j++) {
        _mm256_store_si256((void *)(to + 2 * PANEL * j), _mm256_and_si256(b[j], nibble));
        _mm256_store_si256((void *)(to + 2 * PANEL * j + PANEL), _mm256_and_si256(_mm256_srli_epi16(b[j], 4), nibble));
    }
}

/* A block of words of 32 * columns channels, at most PANEL. A line past n repeats the last. */
OB_INLINE void write_panel(const ob_dense_job *job, int64_t channel, int columns, int64_t start, int64_t words,
                           unsigned char panel[][PANEL]) {
    for (int v = 0; v < columns; v++) {
        const unsigned char *line[4];
        for (int g = 0; g < 4; g++) {
            const int64_t c = channel + 32 * v + 8 * g;
            line[g] = ob_group(job, c < job->n ? c : job->n - 1) + 64 * start;
        }
        for (int64_t w = 0; w < words; w++) rearrange(line, 64 * w, panel[16 * w] + 32 * v);
    }
}

/* Four words of two rows, or of one and the number of a table: offsets into pair_counts, low nibble first. As bytes
 * they are 16 times the nibble of the first and the nibble of the second row. */
OB_INLINE void find_words(__m256i a_u64x4, __m256i b_u64x4, int alone, uint16_t *to) {
    const __m256i low_nibble = _mm256_set1_epi8(0x0f), high_nibble = _mm256_set1_epi8((char)0xf0);
    const __m256i halves_i32x8 = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    const __m256i a_u8x32 = _mm256_permutevar8x32_epi32(a_u64x4, halves_i32x8);
    const __m256i b_u8x32 = alone ? b_u64x4 : _mm256_permutevar8x32_epi32(b_u64x4, halves_i32x8);
    const __m256i a_low = _mm256_and_si256(_mm256_slli_epi16(a_u8x32, 4), high_nibble);
    const __m256i a_high = _mm256_and_si256(a_u8x32, high_nibble);
    const __m256i b_low = alone ? b_u8x32 : _mm256_and_si256(b_u8x32, low_nibble);
    const __m256i b_high = alone ? b_u8x32 : _mm256_and_si256(_mm256_srli_epi16(b_u8x32, 4), low_nibble);
    const __m256i low_01 = _mm256_unpacklo_epi8(a_low, b_low), high_01 = _mm256_unpacklo_epi8(a_high, b_high);
    const __m256i low_23 = _mm256_unpackhi_epi8(a_low, b_low), high_23 = _mm256_unpackhi_epi8(a_high, b_high);
    _mm256_storeu_si256((void *)to, _mm256_unpacklo_epi16(low_01, high_01));
    _mm256_storeu_si256((void *)(to + 16), _mm256_unpackhi_epi16(low_01, high_01));
    _mm256_storeu_si256((void *)(to + 32), _mm256_unpacklo_epi16(low_23, high_23));
    _mm256_storeu_si256((void *)(to + 48), _mm256_unpackhi_epi16(low_23, high_23));
}

/* Neighbouring words of two rows; up to 3 words past them are written as well. */
OB_INLINE uint16_t *find_run(const unsigned char *a, const unsigned char *b, int64_t words, uint16_t *to) {
    static const int64_t live[8] = {-1, -1, -1, -1};
    const int64_t left = words % 4;
    const __m256i live_i64x4 = _mm256_loadu_si256((const void *)(live + 4 - left));
    for (int64_t w = 0; w < words / 4; w++, a += 32, b += 32, to += 64)
        find_words(_mm256_loadu_si256((const void *)a), _mm256_loadu_si256((const void *)b), 0, to);
    if (!left) return to;
    find_words(_mm256_maskload_epi64((const void *)a, live_i64x4), _mm256_maskload_epi64((const void *)b, live_i64x4),
               0, to);
    return to + 16 * left;
}

/* The same for one row: `first` is the first of its tables, a multiple of 16. */
static uint16_t *find_alone(const unsigned char *a, int64_t words, int first, uint16_t *to) {
    for (int64_t w = 0; w < words; w++, a += 8, to += 16)
        find_words(_mm256_set1_epi64x((int64_t)ob_load_u64(a)), _mm256_set1_epi8((char)(first / 16)), 1, to);
    return to;
}

OB_INLINE uint16_t *find_nothing(int64_t words, uint16_t *to) {
    for (int64_t w = 0; w < words; w++, to += 16) _mm256_storeu_si256((void *)to, _mm256_set1_epi16(16 * NOTHING));
    return to;
}

OB_INLINE int is_inside(const int32_t range[2], int64_t i) {
    return range[0] <= i && i < range[1];
}

/* The words of one row of taps of one or, where b is NULL, no second row. */
static uint16_t *find_tap_row(const ob_pair_words *w, const ob_pair_row *a, const ob_pair_row *b, int64_t i,
                              uint16_t *to) {
    const int a_row = is_inside(a->in_y, i), b_row = b && is_inside(b->in_y, i);
    const int a_all = a_row && a->in_x[0] == 0 && a->in_x[1] == w->taps_x;
    if (a_all && b_row && b->in_x[0] == 0 && b->in_x[1] == w->taps_x && w->tap_x == 8 * w->slots)
        return find_run(a->x + i * w->tap_y, b->x + i * w->tap_y, w->taps_x * w->slots, to);
    for (int64_t j = 0, at = i * w->tap_y; j < w->taps_x; j++, at += w->tap_x) {
        const int a_in = a_row && is_inside(a->in_x, j), b_in = b_row && is_inside(b->in_x, j);
        if (a_in && b_in)
            to = find_run(a->x + at, b->x + at, w->slots, to);
        else if (a_in)
            to = find_alone(a->x + at, w->slots, FIRST_ALONE, to);
        else if (b_in)
            to = find_alone(b->x + at, w->slots, SECOND_ALONE, to);
        else
            to = find_nothing(w->slots, to);
    }
    return to;
}

/* The words of one or two rows where words stand in place of taps outside. */
static __attribute__((noinline)) uint16_t *find_filled(const ob_pair_words *w, const ob_pair_row *a,
                                                       const ob_pair_row *b, uint16_t *to) {
    const int32_t y[2] = {0, (int32_t)w->taps_y}, x[2] = {0, (int32_t)w->taps_x};
    const int64_t words = w->taps_y * w->taps_x * w->slots;
    unsigned char rows[2][8 * OB_PAIR_LONGEST];
    ob_pair_copy(w, a, y, x, rows[0]);
    if (!b) return find_alone(rows[0], words, FIRST_ALONE, to);
    ob_pair_copy(w, b, y, x, rows[1]);
    return find_run(rows[0], rows[1], words, to);
}

/* Both rows have every tap, and a row of taps is neighbouring words. */
OB_INLINE int are_whole(const ob_pair_words *w, const ob_pair_row *a, const ob_pair_row *b) {
    return w->tap_x == 8 * w->slots && a->in_y[0] + a->in_x[0] + b->in_y[0] + b->in_x[0] == 0 &&
           a->in_y[1] == w->taps_y && b->in_y[1] == w->taps_y && a->in_x[1] == w->taps_x && b->in_x[1] == w->taps_x;
}

/* Up to 4 rows, two by two: their tables from words range[0] to range[1], outside of which none of them has any, and
 * for a few nibbles more. range[0] is a multiple of GROUP, so that a whole number of groups ends with a panel. */
static void find_tables(const ob_pair_words *w, const ob_pair_row *rows, int64_t count, int64_t stride, uint16_t *to,
                        int64_t range[2]) {
    int32_t first = INT32_MAX, past = 0;
    if (w->outside) first = 0, past = (int32_t)w->taps_y;
    for (int64_t r = 0; r < count && !w->outside; r++) {
        if (rows[r].in_y[0] >= rows[r].in_y[1]) continue;
        if (rows[r].in_y[0] < first) first = rows[r].in_y[0];
        if (rows[r].in_y[1] > past) past = rows[r].in_y[1];
    }
    if (first > past) first = past;
    const int64_t row_words = w->taps_x * w->slots, start = first * row_words;
    range[0] = start / GROUP * GROUP, range[1] = past * row_words;
    for (int64_t r = 0; r < count; r += 2, to += stride) {
        const ob_pair_row *const a = &rows[r], *const b = r + 1 < count ? a + 1 : NULL;
        uint16_t *at = find_nothing(start - range[0], to + 16 * range[0]);
        if (b && are_whole(w, a, b))
            for (int64_t i = 0; i < w->taps_y; i++)
                at = find_run(a->x + i * w->tap_y, b->x + i * w->tap_y, row_words, at);
        else if (w->outside)
            at = find_filled(w, a, b, at);
        else
            for (int64_t i = first; i < past; i++) at = find_tap_row(w, a, b, i, at);
        find_nothing(1, at);
    }
}

/* For bits of up to OB_PAIR_LIMITED words: y < threshold, or its opposite, as 16-bit comparisons of counts. With
 * y = k - 2 * (count + h) - p, where taps that count nothing make 2 * h + p terms (p is 0 or 1):
 *   y < t  is  count + h > limit = floor((k - p - t) / 2)        y > t  is  not count + h > floor((k - p - t - 1) / 2)
 */
enum { OB_PAIR_LIMITED = 511 }; /* counts and limits fit 15 bits */

typedef struct pair_limits {
    _Alignas(64) int16_t even[2][PANEL / 2], odd[2][PANEL / 2]; /* [p]: of even and of odd channels */
    int8_t direction[PANEL];
} pair_limits;

/* Whether sums are compared so. */
OB_INLINE int by_limits(const ob_dense_job *job) {
    return job->epilogue.output == OB_OUTPUT_BITS && job->words <= OB_PAIR_LIMITED;
}

static void find_limits(const ob_dense_job *job, int64_t channel, int64_t end, pair_limits *to) {
    enum { FAR = 1 << 17 }; /* beyond every sum */
    const int64_t here = end - channel;
    int32_t threshold[PANEL] = {0};
    memcpy(threshold, job->epilogue.threshold + channel, 4 * (size_t)here);
    memset(to->direction, 0, sizeof to->direction);
    memcpy(to->direction, job->epilogue.direction + channel, (size_t)here);
    for (int p = 0; p < 2; p++) {
        int16_t limit[PANEL];
        for (int c = 0; c < PANEL; c++) {
            const int32_t t = threshold[c] < -FAR ? -FAR : threshold[c] > FAR ? FAR : threshold[c];
            const int32_t l = ((int32_t)job->k - p - t - (to->direction[c] < 0)) >> 1;
            limit[c] = (int16_t)(l < -1 ? -1 : l > INT16_MAX ? INT16_MAX : l);
        }
        for (int i = 0; i < PANEL / 2; i++) to->even[p][i] = limit[2 * i], to->odd[p][i] = limit[2 * i + 1];
    }
}

/* The bits of `left` channels at most, of `size` bytes. */
OB_INLINE void store_bits(unsigned char *to, uint64_t minus, int64_t left, const int64_t size) {
    if (left >= 8 * size) {
        memcpy(to, &minus, (size_t)size);
        return;
    }
    minus &= ((uint64_t)1 << left) - 1;
    for (; left > 0; left -= 8, minus >>= 8) *to++ = (unsigned char)minus;
}

OB_TARGET_END

#endif
#endif
