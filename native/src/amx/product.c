/* product.c: y = base + sum over the bits of (+-1) * (+-1) - tail, by tiles: 32 rows x 32 channels, 64 bits a step.
 *
 * Bits become int8 just in time, +1 for 0 and -1 for 1, and tdpbssd multiplies 16 x 64 by 64 x 16. Bits past k are 0 on
 * both sides, so each adds +1: the tail, 64 * words - k, is taken off at the end. Exact in int32, whose wrapping is
 * the same on both sides.
 *
 * Order of the bits. A row of operand A is one word of one row of x. Its byte 8 * s + j is made from bit s of byte j of
 * the word, so that one vgf2p8affineqb expands it: every 8 bytes have a matrix of their own, which copies bit s. In
 * operand B, whose row r holds bytes 4 * r to 4 * r + 3 of 16 channels, the same bits are bit s of the low (r = 2 * s)
 * or high (r = 2 * s + 1) half of each channel's word: lanes are channels, as in the weights' lines, and one
 * vgf2p8affineqb with one matrix expands a row. No transposition, no masks.
 *
 * Cost of a step, 32 * 32 * 64 MAC:  4 tdpbssd (64 cycles: 1024 MAC/cycle), 4 tile loads (64 lines, two a cycle: 32)
 *   one operand expanded: 32 vgf2p8affineqb (one a cycle), 32 stores (one a cycle), 32 broadcasts or 4 loads and 4
 *   vpermt2d; both: twice that, 64 of the 64 cycles.
 * So one operand is held: 2 KB a word stay in `held` (L1 up to some 16 words, else L2, 2 KB a step) while the blocks of
 * the other go over it, expanded into a ring of 8 KB a few steps ahead of the tiles. Held is the side with fewer
 * blocks, first filled as the first block needs it. Rows longer than HELD words are expanded on both sides.
 * The four sums never leave their tiles within a block. Expected from these counts, not measured: 75 % of the tile
 * peak from some 16 words on; then the loads of held tiles from L2 are the limit. Below, filling the pipeline and the
 * epilogue (2 x 32 vectors, some 10 operations each) take as long as 3 steps. A block of up to 16 rows or channels
 * does half the products for the same expansions. */
#include "product.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"
#include "../parts.h"
#include "tiles.h"

OB_TARGET_BEGIN(OB_TARGET_AMX)

enum {
    PAIR = 2 * OB_TILE_BYTES, /* a word of 32 rows or channels, expanded */
    LINES = OB_BLOCK / 8,
    AHEAD = 2, /* steps from a store to the tile load that reads it: it must have left the store buffer */
    RING = 4,
    HELD = 128, /* words; 256 KiB of stack */
};
_Static_assert(AHEAD < RING && (RING & (RING - 1)) == 0 && (HELD & (HELD - 1)) == 0, "indices are masked");

static const ob_tile_config config = {
    .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

/* A sum is +1 or -1, of bit s: bits 1 to 7 of the result are that bit, bit 0 is 1. */
#define COPY_BIT(s) (0x0001010101010101 << (s))

/* An operand's expanded words: word w is pair w & mask; expand: it is filled as the block goes. */
typedef struct expanded {
    unsigned char *pairs;
    int64_t mask;
    int expand;
} expanded;

typedef struct block {
    ob_block_rows rows;
    const unsigned char *lines[LINES];
    expanded a, b;
    int64_t words;
    const int64_t *steps;
    int32_t sums[2][OB_BLOCK / 2][OB_BLOCK]; /* [half][row][channel] */
} block;

/* One word of `count` rows: A, 64 bytes a row. */
OB_INLINE void expand_rows(unsigned char *to, const unsigned char *const x[OB_BLOCK], int64_t at, const int count) {
    const __m512i copy_u64x8 = _mm512_setr_epi64(COPY_BIT(0), COPY_BIT(1), COPY_BIT(2), COPY_BIT(3), COPY_BIT(4),
                                                 COPY_BIT(5), COPY_BIT(6), COPY_BIT(7));
    OB_UNROLL
    for (int r = 0; r < count; r++) {
        const __m512i word_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + at));
        _mm512_store_si512(to + 64 * r, _mm512_gf2p8affine_epi64_epi8(word_u64x8, copy_u64x8, 1));
    }
}

/* One word of 16 * count channels: B, 16 rows of 4 bytes a channel. */
OB_INLINE void expand_lines(unsigned char *to, const unsigned char *const lines[LINES], int64_t word, const int count) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i high_i32x16 = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    OB_UNROLL
    for (int t = 0; t < count; t++, to += OB_TILE_BYTES) {
        const __m512i a_u64x8 = _mm512_loadu_si512(lines[2 * t] + 64 * word);
        const __m512i b_u64x8 = _mm512_loadu_si512(lines[2 * t + 1] + 64 * word);
        const __m512i low_u32x16 = _mm512_permutex2var_epi32(a_u64x8, low_i32x16, b_u64x8);
        const __m512i high_u32x16 = _mm512_permutex2var_epi32(a_u64x8, high_i32x16, b_u64x8);
        OB_UNROLL
        for (int s = 0; s < 8; s++) {
            const __m512i copy_u64x8 = _mm512_set1_epi64(COPY_BIT(s));
            _mm512_store_si512(to + 128 * s, _mm512_gf2p8affine_epi64_epi8(low_u32x16, copy_u64x8, 1));
            _mm512_store_si512(to + 128 * s + 64, _mm512_gf2p8affine_epi64_epi8(high_u32x16, copy_u64x8, 1));
        }
    }
}

/* rows and channels: tiles each way, 1 or 2. Word `w` is multiplied AHEAD steps after it was expanded. */
OB_INLINE void multiply(block *k, const int rows, const int channels) {
    const expanded a = k->a, b = k->b;
    ob_tile_zero(0);
    ob_tile_zero(1);
    ob_tile_zero(2);
    ob_tile_zero(3);
    for (int64_t next = 0; next < k->words + AHEAD; next++) {
        if (next < k->words) {
            if (a.expand)
                expand_rows(a.pairs + (next & a.mask) * PAIR, k->rows.x, k->steps ? k->steps[next] : 8 * next,
                            rows * OB_TILE_ROWS);
            if (b.expand) expand_lines(b.pairs + (next & b.mask) * PAIR, k->lines, next, channels);
        }
        if (next < AHEAD) continue;
        const unsigned char *from_a = a.pairs + ((next - AHEAD) & a.mask) * PAIR;
        const unsigned char *from_b = b.pairs + ((next - AHEAD) & b.mask) * PAIR;
        ob_tile_load(4, from_a, 64);
        ob_tile_load(6, from_b, 64);
        ob_tile_multiply(0, 4, 6);
        if (channels == 2) {
            ob_tile_load(7, from_b + OB_TILE_BYTES, 64);
            ob_tile_multiply(1, 4, 7);
        }
        if (rows == 2) {
            ob_tile_load(5, from_a + OB_TILE_BYTES, 64);
            ob_tile_multiply(2, 5, 6);
            if (channels == 2) ob_tile_multiply(3, 5, 7);
        }
    }
    const int64_t stride = sizeof k->sums[0][0];
    ob_tile_store(0, &k->sums[0][0][0], stride);
    if (channels == 2) ob_tile_store(1, &k->sums[0][0][16], stride);
    if (rows == 2) ob_tile_store(2, &k->sums[1][0][0], stride);
    if (rows == 2 && channels == 2) ob_tile_store(3, &k->sums[1][0][16], stride);
}

/* One function per shape, so that its loop has no test of the shape. */
typedef void block_function(block *k);
#define OB_SHAPE(rows, channels)                                                   \
    static __attribute__((noinline)) void multiply_##rows##x##channels(block *k) { \
        multiply(k, rows, channels);                                               \
    }
OB_SHAPE(1, 1)
OB_SHAPE(1, 2)
OB_SHAPE(2, 1)
OB_SHAPE(2, 2)
static block_function *const shapes[2][2] = {{multiply_1x1, multiply_1x2}, {multiply_2x1, multiply_2x2}};

/* Rows [row, row + rows) x channels from `channel` on: the sums become outputs. */
static void finish(const ob_amx_product *p, const block *k, int64_t row, int64_t rows, int64_t channel,
                   int64_t channels) {
    const __m512i tail_i32x16 = _mm512_set1_epi32((int32_t)(uint32_t)(uint64_t)(64 * k->words));
    const __m512i k_i32x16 = _mm512_set1_epi32((int32_t)p->job->k);
    for (int64_t c = 0; c < channels; c += 16) {
        const ob_finish_avx512 finish = ob_finish_load_avx512(p->job, channel + c);
        for (int64_t r = 0; r < rows; r++) {
            const int32_t *base = k->rows.base[r];
            const __m512i base_i32x16 = base ? _mm512_loadu_si512(base + channel + c) : k_i32x16;
            const __m512i sum_i32x16 = _mm512_loadu_si512(&k->sums[r / 16][r % 16][c]);
            const __m512i y_i32x16 = _mm512_add_epi32(sum_i32x16, _mm512_sub_epi32(base_i32x16, tail_i32x16));
            ob_store_avx512(p->job, &finish, row + r, channel + c, y_i32x16);
        }
    }
}

static void find_rows(const ob_amx_product *p, int64_t row, int64_t rows, block *k) {
    p->locate(p, row, rows, &k->rows);
    for (int64_t r = 0; r < rows; r++) k->rows.x[r] += p->channel_offset;
    for (int64_t r = rows; r < OB_BLOCK; r++) k->rows.x[r] = k->rows.x[rows - 1]; /* multiplied, not stored */
}

static void find_lines(const ob_amx_product *p, int64_t channel, block *k) {
    for (int g = 0; g < LINES; g++) {
        const int64_t here = channel + 8 * g, last = p->job->n - 1;
        k->lines[g] = ob_group(p->job, here < last ? here : last);
    }
}

void ob_amx_multiply(const ob_amx_product *p, const ob_dense_part *part) {
    _Alignas(64) unsigned char held[HELD * PAIR], ring[RING * PAIR];
    _Alignas(64) block k = {.words = p->job->words, .steps = p->steps};
    const int64_t across = ob_parts(part->channels, OB_BLOCK), down = ob_parts(part->rows, OB_BLOCK);
    const int hold_rows = down <= across, fits = k.words <= HELD;
    const int64_t outer = hold_rows ? down : across, inner = hold_rows ? across : down;
    expanded *const kept = hold_rows ? &k.a : &k.b, *const passing = hold_rows ? &k.b : &k.a;
    *kept = (expanded){held, fits ? HELD - 1 : RING - 1, 1};
    *passing = (expanded){ring, RING - 1, 1};
    ob_tiles_configure(&config);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const int64_t down_at = OB_BLOCK * (hold_rows ? o : i), across_at = OB_BLOCK * (hold_rows ? i : o);
            const int64_t rows = ob_least(part->rows - down_at, OB_BLOCK);
            const int64_t channels = ob_least(part->channels - across_at, OB_BLOCK);
            if (i == 0 || !hold_rows) find_rows(p, part->row + down_at, rows, &k);
            if (i == 0 || hold_rows) find_lines(p, part->channel + across_at, &k);
            kept->expand = i == 0 || !fits;
            shapes[rows > 16][channels > 16](&k);
            finish(p, &k, part->row + down_at, rows, part->channel + across_at, channels);
        }
    ob_tiles_release();
}

OB_TARGET_END

#endif
