/* dense_avx2.c: y = k - 2 * popcount(x ^ w) without a popcount instruction: byte shuffles look counts up.
 *
 * Two ways, chosen per part:
 *
 * 1. Direct, for few rows. Lanes are channels (a line is two vectors of 4 channels); each nibble of x ^ w is looked up.
 *    256 MAC cost 8 operations (xor, 2 and, shift, 2 vpshufb, 2 vpaddb): 32 MAC per operation.
 * 2. Table, from 4 rows: one lookup serves 4 bits of 32 channels and two rows (pair_table_avx2.h): 9 operations for 768
 *    MAC, 85 MAC per operation.
 * Limit of the table way: four vector ports, two of them for shuffles and shifts (Zen): 341 MAC/cycle; three ports, one
 * for shuffles (Intel before Ice Lake): 256.
 * Bottleneck: those 9 operations; 36 of them in a tile go with 18 loads (6 vectors of weights, 6 tables, their 6
 * offsets). What must be done besides: per 48 nibbles of a vector and two rows (144 operations) 9 operations to widen
 * bytes to 16 bits, 6 %; 4 to find the offsets, 3 %; rearranging the weights, 2 % at ROWS_BLOCK rows. So some 305
 * MAC/cycle of the 341 can be had.
 * Exact: half a byte holds 3 nibbles of counts, a byte 48 (192), 16 bits 1023 words; longer products go direct. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "../popcount_avx2.h"
#include "dense_avx2.h"
#include "pair_table_avx2.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum {
    DIRECT_ROWS = 2,     /* rows of a direct tile */
    ROWS_BLOCK = 128,    /* rows that share a rearranged panel; their sums are 32 KiB of stack */
    LEAST_CHANNELS = 12, /* of the 32 of a vector, from here on the table way wins */
};

/* What 8 counts of places in which row base[r] differs come to. */
OB_INLINE __m256i output(const ob_dense_job *job, const int32_t *const *base, int64_t r, int64_t channel,
                         __m256i differ_u32x8) {
    const __m256i all_i32x8 =
        base ? _mm256_loadu_si256((const void *)(base[r] + channel)) : _mm256_set1_epi32((int32_t)job->k);
    return _mm256_sub_epi32(all_i32x8, _mm256_slli_epi32(differ_u32x8, 1));
}

/* ---- direct ---- */

/* Rows [row, row + rows) x 16 channels. */
OB_INLINE void direct_tile(const ob_dense_job *job, const int32_t *const *base, int64_t row, int64_t channel,
                           const int rows) {
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
            ob_store_avx2(job, &finish, row + r, channel + 8 * g, output(job, base, r, channel + 8 * g, differ_u32x8));
        }
    }
}

static __attribute__((noinline)) void direct_1(const ob_dense_job *job, const int32_t *const *base, int64_t row,
                                               int64_t channel) {
    direct_tile(job, base, row, channel, 1);
}
static __attribute__((noinline)) void direct_2(const ob_dense_job *job, const int32_t *const *base, int64_t row,
                                               int64_t channel) {
    direct_tile(job, base, row, channel, 2);
}

static void direct(const ob_dense_job *job, const int32_t *const *base, const ob_dense_part *part) {
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 16) {
        int64_t r = 0;
        for (; r + 2 <= part->rows; r += 2) direct_2(job, base ? base + r : NULL, part->row + r, channel);
        if (r < part->rows) direct_1(job, base ? base + r : NULL, part->row + r, channel);
    }
}

/* ---- table ---- */

/* One function per tile, or the compiler would mix their registers. */
static __attribute__((noinline)) void tile_2(const uint16_t *at_0, const uint16_t *at_1, int64_t groups,
                                             const unsigned char *panel, pair_sums *sums_0, pair_sums *sums_1) {
    pair_tile(at_0, at_1, groups, panel, sums_0, sums_1, 2);
}
static __attribute__((noinline)) void tile_1(const uint16_t *at_0, const uint16_t *at_1, int64_t groups,
                                             const unsigned char *panel, pair_sums *sums_0, pair_sums *sums_1) {
    pair_tile(at_0, at_1, groups, panel, sums_0, sums_1, 1);
}

/* A block of words of up to PANEL channels: nibbles as pair_table_avx2.h wants them. A line past n repeats the last. */
static void write_panel(const ob_dense_job *job, int64_t channel, int vectors, int64_t start, int64_t words,
                        unsigned char panel[][PANEL]) {
    for (int v = 0; v < vectors; v++) {
        const unsigned char *line[4];
        for (int g = 0; g < 4; g++) {
            const int64_t c = channel + 32 * v + 8 * g;
            line[g] = ob_group(job, c < job->n ? c : job->n - 1) + 64 * start;
        }
        for (int64_t w = 0; w < words; w++) rearrange(line, 64 * w, panel[16 * w] + 32 * v);
    }
}

/* 16-bit sums of 32 channels of two rows become outputs. */
static void finish_pair(const ob_dense_job *job, const ob_finish_avx2 *finish, const int32_t *const *base,
                        const pair_sums *sums, int64_t row, int64_t channel) {
    for (int r = 0; r < 2; r++) {
        const __m256i odd = sums->odd_u16x16[r],
                      even = _mm256_sub_epi16(sums->all_u16x16[r], _mm256_slli_epi16(odd, 8));
        const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
        const __m128i eight_u16[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                                      _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
        for (int g = 0; g < 4 && channel + 8 * g < job->n; g++) {
            const __m256i differ_u32x8 = _mm256_cvtepu16_epi32(eight_u16[g]);
            ob_store_avx2(job, &finish[g], row + r, channel + 8 * g,
                          output(job, base, r, channel + 8 * g, differ_u32x8));
        }
    }
}

typedef struct panel_finish {
    ob_finish_avx2 of[PANEL / 32][4];
} panel_finish;

static void load_finish(const ob_dense_job *job, int64_t channel, int vectors, panel_finish *finish) {
    for (int i = 0; i < 4 * vectors; i++)
        finish->of[i / 4][i % 4] = ob_finish_load_avx2(job, channel + 8 * i < job->n ? channel + 8 * i : channel);
}

/* Asks for the lines of the output that a tile will write: they are seldom in a near cache. */
static void fetch_output(const ob_dense_job *job, int64_t row, int64_t channel, int vectors) {
    if (job->epilogue.output == OB_OUTPUT_BITS) return;
    for (int r = 0; r < TILE_ROWS; r++)
        for (int line = 0; line < 2 * vectors; line++)
            __builtin_prefetch(job->out + (row + r) * job->out_bytes + channel * 4 + 64 * line, 1);
}

/* 4 rows, whose sums are complete. */
static void finish_tile(const ob_dense_job *job, const panel_finish *finish, const int32_t *const *base,
                        const pair_sums *sums, int64_t row, int64_t channel, int vectors) {
    for (int p = 0; p < 2; p++)
        for (int v = 0; v < vectors; v++)
            finish_pair(job, finish->of[v], base ? base + 2 * p : NULL, sums + p * PANEL / 32 + v, row + 2 * p,
                        channel + 32 * v);
}

/* Up to ROWS_BLOCK rows, a multiple of TILE_ROWS, x up to PANEL channels. */
static void table_panel(const ob_dense_job *job, const int32_t *const *base, const ob_dense_part *part) {
    _Alignas(64) unsigned char panel[K_BLOCK_NIBBLES][PANEL];
    _Alignas(64) uint16_t at[2][K_BLOCK_NIBBLES];
    pair_sums sums[ROWS_BLOCK / 2][PANEL / 32];
    panel_finish finish;
    const int vectors = (int)((part->channels + 31) / 32);
    load_finish(job, part->channel, vectors, &finish);
    memset(sums, 0, (size_t)part->rows / 2 * sizeof sums[0]);
    for (int64_t start = 0; start < job->words; start += K_BLOCK) {
        const int64_t words = job->words - start < K_BLOCK ? job->words - start : K_BLOCK;
        const int64_t groups = (16 * words + GROUP - 1) / GROUP, over = GROUP * groups - 16 * words;
        const int last = start + words == job->words;
        write_panel(job, part->channel, vectors, start, words, panel);
        memset(panel[16 * words], 0, (size_t)over * PANEL); /* nibbles 0 of both do not differ */
        memset(&at[0][16 * words], 0, (size_t)over * 2), memset(&at[1][16 * words], 0, (size_t)over * 2);
        for (int64_t r = 0; r < part->rows; r += TILE_ROWS) {
            const unsigned char *const x = job->x + (part->row + r) * job->x_bytes + 8 * start;
            pair_sums *const s = sums[r / 2], *const t = sums[r / 2 + 1];
            if (last) fetch_output(job, part->row + r, part->channel, vectors);
            find_row_tables(x, x + job->x_bytes, words, at[0]);
            find_row_tables(x + 2 * job->x_bytes, x + 3 * job->x_bytes, words, at[1]);
            int v = 0;
            for (; v + 2 <= vectors; v += 2) tile_2(at[0], at[1], groups, panel[0] + 32 * v, s + v, t + v);
            if (v < vectors) tile_1(at[0], at[1], groups, panel[0] + 32 * v, s + v, t + v);
            if (last) finish_tile(job, &finish, base ? base + r : NULL, s, part->row + r, part->channel, vectors);
        }
    }
}

void ob_product_avx2(const ob_dense_job *job, const ob_dense_part *part, const int32_t *const *base) {
    const int64_t rows = job->words > LONGEST ? 0 : part->rows / TILE_ROWS * TILE_ROWS, rest = part->channels % 32;
    const int64_t channels = !rows ? 0 : rest < LEAST_CHANNELS ? part->channels - rest : part->channels;
    const int64_t blocks = (rows + ROWS_BLOCK - 1) / ROWS_BLOCK, end = part->channel + channels;
    for (int64_t c = part->channel; c < end; c += PANEL)
        for (int64_t b = 0, row = 0; b < blocks; b++) {
            const int64_t height = (rows / TILE_ROWS * (b + 1) / blocks * TILE_ROWS) - row;
            const ob_dense_part block = {part->row + row, height, c, end - c < PANEL ? end - c : PANEL};
            table_panel(job, base ? base + row : NULL, &block);
            row += height;
        }
    const ob_dense_part below = {part->row + rows, part->rows - rows, part->channel, channels};
    const ob_dense_part beside = {part->row, part->rows, end, part->channels - channels};
    direct(job, base ? base + rows : NULL, &below);
    direct(job, base, &beside);
}

void ob_dense_avx2(const ob_dense_job *job, const ob_dense_part *part) {
    ob_product_avx2(job, part, NULL);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
