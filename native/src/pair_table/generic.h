/* generic.h: the product of product.h, written once and compiled for every width of vectors. Before it is included,
 * `vec`, the vec_* operations, LANES, `panel_finish`, load_finish() and finish_row() must be there.
 *
 * Looked up bytes of three nibbles add up to u = A + 16 * B, A and B at most 12: counts of two rows. For up to 21 such
 * bytes two sums are kept, modulo 256: of u, and of u >> 4, shifted as 16 bits, so that the odd channel's A comes into
 * the even channel's byte. With the sums A, B of the even and a, b of the odd channel, 252 at most:
 *
 *   total = (A + 16 * B, a + 16 * b)            shifted = (B + 16 * a, b)
 *   (A, a) = total - 16 * shifted               (B, b) = shifted - (16 * a, 0)          modulo 256, byte by byte
 *
 * Cost of 24 MAC per lane: 3 look-ups, 4 additions, 1 shift = 8 operations: 96 MAC per operation of 32 lanes, 192 of
 * 64.
 * Limit:  Zen, four vector ports, two of them for look-ups and shifts: 384 MAC/cycle; Zen 5 with 64 lanes: 768.
 *         Intel, 32 lanes, three ports, look-ups on one before Ice Lake: 256, since then 288; 64 lanes, two ports: 384.
 * Bottleneck: those operations and, on Zen 5, the 12 loads of vectors beside the 32 operations of a tile's group: such
 * a mixture, out of registers and the first cache, runs at 93 % of the limit with 32 lanes and at 84 % with 64. What
 * must be done besides: 12 operations for up to 21 groups to widen bytes to 16 bits (7 %), finding the tables once per
 * row, rearranging the weights once per OB_PAIR_ROWS rows, and the epilogue once per output. */
#ifndef ONEBIT_PAIR_TABLE_GENERIC_H
#define ONEBIT_PAIR_TABLE_GENERIC_H

#include "tables.h"

enum {
    VECTORS = 2,       /* of a tile: 4 rows x 2 vectors */
    TILE_ROWS = 4,     /* two pairs */
    FLUSH_GROUPS = 21, /* groups whose counts fit a byte: 21 * 12 <= 255 */
    COLUMNS = PANEL / LANES,
};

/* For LANES channels of two rows: 16-bit sums of the even channels plus 256 times the odd ones, and of the odd ones. */
typedef struct pair_sums {
    vec all_u16[2], odd_u16[2]; /* [row] */
} pair_sums;

/* Adds the bytes of up to FLUSH_GROUPS groups to the 16-bit sums. */
OB_INLINE void flush(pair_sums *sums, vec total_u8, vec shifted_u8, int first) {
    const vec a_u8 = vec_sub8(total_u8, vec_and(vec_shl16(shifted_u8, 4), vec_set16(0xf0f0)));
    const vec b_u8 = vec_sub8(shifted_u8, vec_and(vec_shr16(a_u8, 4), vec_set16(0x00f0)));
    const vec rows_u8[2] = {a_u8, b_u8};
    OB_UNROLL
    for (int row = 0; row < 2; row++) {
        const vec odd_u16 = vec_shr16(rows_u8[row], 8);
        sums->all_u16[row] = first ? rows_u8[row] : vec_add16(sums->all_u16[row], rows_u8[row]);
        sums->odd_u16[row] = first ? odd_u16 : vec_add16(sums->odd_u16[row], odd_u16);
    }
}

/* `pairs` pairs of rows x `vectors` vectors x 3 * groups nibbles. at: the first pair's tables, the second's `stride`
 * further; sums: [pair][COLUMNS]. */
OB_INLINE void tile(const uint16_t *at, int64_t stride, int64_t groups, const unsigned char *panel, pair_sums *sums,
                    int first, const int pairs, const int vectors) {
    for (; groups > 0; groups -= FLUSH_GROUPS, first = 0) {
        vec total_u8[2][VECTORS], shifted_u8[2][VECTORS];
        OB_UNROLL
        for (int i = 0; i < 2 * VECTORS; i++)
            total_u8[i / VECTORS][i % VECTORS] = shifted_u8[i / VECTORS][i % VECTORS] = vec_set16(0);
        const int64_t now = groups < FLUSH_GROUPS ? groups : FLUSH_GROUPS;
        OB_UNROLL_BY_4
        for (int64_t g = 0; g < now; g++, at += GROUP, panel += GROUP * PANEL) {
            vec u_u8[2][VECTORS];
            OB_UNROLL
            for (int i = 0; i < GROUP; i++) {
                vec w_u8[VECTORS];
                OB_UNROLL
                for (int v = 0; v < vectors; v++) w_u8[v] = vec_load(panel + PANEL * i + LANES * v);
                OB_UNROLL
                for (int p = 0; p < pairs; p++) {
                    const vec table_u8 = vec_table(pair_counts[0] + at[p * stride + i]);
                    OB_UNROLL
                    for (int v = 0; v < vectors; v++) {
                        const vec looked_up_u8 = vec_look_up(table_u8, w_u8[v]);
                        u_u8[p][v] = i ? vec_add8(u_u8[p][v], looked_up_u8) : looked_up_u8;
                        OB_IN_ORDER(u_u8[p][v]);
                    }
                }
            }
            OB_UNROLL
            for (int p = 0; p < pairs; p++) {
                OB_UNROLL
                for (int v = 0; v < vectors; v++) {
                    total_u8[p][v] = vec_add8(total_u8[p][v], u_u8[p][v]);
                    shifted_u8[p][v] = vec_add8(shifted_u8[p][v], vec_shr16(u_u8[p][v], 4));
                }
            }
        }
        OB_UNROLL
        for (int p = 0; p < pairs; p++) {
            OB_UNROLL
            for (int v = 0; v < vectors; v++) flush(&sums[p * COLUMNS + v], total_u8[p][v], shifted_u8[p][v], first);
        }
    }
}

/* One function per tile, or the compiler would mix their registers. */
typedef void tile_function(const uint16_t *at, int64_t stride, int64_t groups, const unsigned char *panel,
                           pair_sums *sums, int first);
#define OB_TILE(pairs, vectors)                                                                                       \
    static __attribute__((noinline)) void tile_##pairs##x##vectors(                                                   \
        const uint16_t *at, int64_t stride, int64_t groups, const unsigned char *panel, pair_sums *sums, int first) { \
        tile(at, stride, groups, panel, sums, first, pairs, vectors);                                                 \
    }
OB_TILE(1, 1)
OB_TILE(1, 2)
OB_TILE(2, 1)
OB_TILE(2, 2)
static tile_function *const tiles[2][2] = {{tile_1x1, tile_1x2}, {tile_2x1, tile_2x2}};

/* Asks for the lines of the output that a tile will write: they are seldom in a near cache. */
static void fetch_output(const ob_dense_job *job, const ob_pair_row *rows, int64_t count, int64_t channel,
                         int columns) {
    if (job->epilogue.output == OB_OUTPUT_BITS) return;
    for (int64_t r = 0; r < count; r++)
        for (int line = 0; line < columns * LANES / 16; line++)
            __builtin_prefetch(rows[r].out + channel * 4 + 64 * line, 1);
}

/* The part [start, start + words) of a tile's words; only those in its range are counted. */
static void add_words(const uint16_t *at, int64_t stride, const int64_t range[2], int64_t start, int64_t words,
                      unsigned char panel[][PANEL], pair_sums *sums, int64_t count, int columns) {
    const int64_t from = range[0] > start ? range[0] : start, end = start + words;
    const int64_t to = range[1] < end ? range[1] : end;
    const int64_t groups = from < to ? (16 * (to - from) + GROUP - 1) / GROUP : 0;
    const int pairs = count > 2 ? 2 : 1;
    if (!start && !groups) memset(sums, 0, (size_t)pairs * COLUMNS * sizeof *sums);
    if (!groups) return;
    for (int v = 0; v < columns; v += VECTORS) {
        tile_function *const function = tiles[pairs - 1][columns - v >= VECTORS];
        function(at + 16 * from, stride, groups, panel[16 * (from - start)] + LANES * v, sums + v, !start);
    }
}

/* All rows x up to PANEL channels, whose tables are at `at`. */
static void multiply_panel(const ob_dense_job *job, const ob_pair_row *rows, int64_t count, const uint16_t *at,
                           int64_t (*range)[2], int64_t channel, int64_t channels) {
    _Alignas(64) unsigned char panel[K_BLOCK_NIBBLES + GROUP - 1][PANEL];
    pair_sums sums[OB_PAIR_ROWS / 2][COLUMNS];
    panel_finish finish;
    const int columns = (int)((channels + LANES - 1) / LANES);
    const int64_t stride = ob_pair_stride(job->words);
    load_finish(job, channel, channel + channels, &finish);
    memset(panel[K_BLOCK_NIBBLES], 0, (GROUP - 1) * PANEL);
    for (int64_t start = 0; start < job->words; start += K_BLOCK) {
        const int64_t words = job->words - start < K_BLOCK ? job->words - start : K_BLOCK;
        const int last = start + words == job->words;
        write_panel(job, channel, columns * LANES / 32, start, words, panel);
        if (last) memset(panel[16 * words], 0, (GROUP - 1) * PANEL);
        for (int64_t r = 0; r < count; r += TILE_ROWS) {
            const int64_t now = count - r < TILE_ROWS ? count - r : TILE_ROWS;
            if (last) fetch_output(job, rows + r, now, channel, columns);
            add_words(at + r / 2 * stride, stride, range[r / TILE_ROWS], start, words, panel, sums[r / 2], now,
                      columns);
            for (int64_t i = 0; last && i < now; i++)
                for (int v = 0; v < columns; v++) {
                    const pair_sums *const s = &sums[(r + i) / 2][v];
                    finish_row(job, &finish, &rows[r + i], s->all_u16[i % 2], s->odd_u16[i % 2], channel, v);
                }
        }
    }
}

OB_INLINE void multiply(const ob_dense_job *job, const ob_pair_row *rows, int64_t count, const ob_pair_words *words,
                        int64_t channel, int64_t end) {
    _Alignas(64) uint16_t at[OB_PAIR_TABLES];
    int64_t range[OB_PAIR_ROWS / TILE_ROWS][2];
    const int64_t stride = ob_pair_stride(job->words);
    for (int64_t r = 0; r < count; r += TILE_ROWS)
        find_tables(words, rows + r, count - r < TILE_ROWS ? count - r : TILE_ROWS, stride, at + r / 2 * stride,
                    range[r / TILE_ROWS]);
    for (; channel < end; channel += PANEL)
        multiply_panel(job, rows, count, at, range, channel, end - channel < PANEL ? end - channel : PANEL);
}

#endif
