/* dense_avx512vpopcnt.c: y = k - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * Plain form: avx512vpopcnt/product.c, whose rows are those of x. 3 vector operations for 512 MAC.
 *
 * Two words at once, for parts of many rows and channels. Let b[i] = x[i] ^ w[i], and e[i] = b[1] ^ ... ^ b[i], e[0] =
 * 0: the last binary digit of the count so far, of every bit position. Then
 *   e[i] + b[i+1] + b[i+2] = 2 * carry + e[i+2]      carry = e[i] ? ~(e[i+1] & e[i+2]) : e[i+1] & ~e[i+2]
 * (the majority of e[i], b[i+1] = e[i] ^ e[i+1] and b[i+2] = e[i+1] ^ e[i+2]). Summed over all pairs of words, e
 * cancels but for the last: popcount(x ^ w) = 2 * sum of popcount(carry) + popcount(e[last]). An odd number of words
 * gets one more, as if x and w were equal there: e[i+2] = e[i+1]. Because e is linear it is X[i] ^ W[i], of the running
 * exclusive ors of x and w: one operation, and no chain of operations that wait for each other. Those of x are written
 * once per block of rows, those of w once per block and 32 channels.
 *
 * Cost of 1024 MAC: 2 vpxorq + vpternlogq + vpopcntq + vpaddq = 5 vector operations, and 3 per sum at the end.
 * Limit:  Intel: 410 MAC/cycle. Zen 5: 819 MAC/cycle.
 * Bottleneck: those five operations. Each sum also keeps its e, so that a tile has 3 rows x 4 lines: 24 registers. It
 * needs 14 loads for 12 x 5 operations, half of the rate of the two load ports. Large products take a tenth less time
 * than in the plain form (Zen 5). Rows of more than 128 words keep that: their panel would leave L1. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../avx512vpopcnt/product.h"
#include "../epilogue/epilogue_avx512.h"
#include "../running_xor.h"
#include "by_rows.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum {
    LINES = 4,
    PAIR_ROWS = 3,
    PAIR_LONGEST = 128, /* words of one row: four lines of weights as long are 32 KiB, and stay in L1 */
    /* Fewer in a part do not pay for writing running exclusive ors, or for the last digit. */
    PAIR_LEAST_ROWS = 64,
    PAIR_LEAST_CHANNELS = 512,
    PAIR_LEAST_WORDS = 32,
    PAIR_LEAST_STEPS = 1 << 21, /* rows x channels x words */
    RUNNING_WORDS = 8192,       /* of all rows of a block, 64 KiB of stack */
    RUNNING_ROWS = 256,         /* of a block */
};

/* ---- two words at once ---- */

OB_INLINE int64_t even(int64_t words) {
    return words + words % 2;
}

/* The running exclusive ors of `lines` lines of weights, side by side. A line past n repeats the last one, and so does
 * a word past the last. */
OB_INLINE void write_panel(const ob_dense_job *job, int64_t channel, unsigned char *to, const int lines) {
    for (int g = 0; g < lines; g++) {
        const unsigned char *const from = ob_group(job, channel + 8 * g < job->n ? channel + 8 * g : job->n - 1);
        __m512i running_u64x8 = _mm512_setzero_si512();
        for (int64_t word = 0; word < even(job->words); word++) {
            if (word < job->words)
                running_u64x8 = _mm512_xor_si512(running_u64x8, _mm512_loadu_si512(from + 64 * word));
            _mm512_store_si512(to + 64 * (lines * word + g), running_u64x8);
        }
    }
}

/* The lines of the output that a tile will write. */
OB_INLINE void fetch(const ob_dense_job *job, int64_t row, int64_t channel, const int rows, const int lines) {
    for (int r = 0; r < rows; r++) {
        char *const out = (char *)job->out + (row + r) * job->out_bytes + channel * 4;
        for (int g = 0; g < lines; g += 2) __builtin_prefetch(out + 32 * g, 1);
    }
}

/* Two words of a tile. */
OB_INLINE void pair_step(__m512i carries_u64x8[PAIR_ROWS][LINES], __m512i digit_u64x8[PAIR_ROWS][LINES],
                         const unsigned char *const x[PAIR_ROWS], const unsigned char *w, int64_t word, const int rows,
                         const int lines) {
    __m512i first_u64x8[LINES], second_u64x8[LINES];
    OB_UNROLL
    for (int g = 0; g < lines; g++) {
        first_u64x8[g] = _mm512_load_si512(w + 64 * (lines * word + g));
        second_u64x8[g] = _mm512_load_si512(w + 64 * (lines * (word + 1) + g));
    }
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + 8 * word));
        const __m512i next_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + 8 * (word + 1)));
        OB_UNROLL
        for (int g = 0; g < lines; g++) {
            const __m512i between = _mm512_xor_si512(x_u64x8, first_u64x8[g]);
            const __m512i after = _mm512_xor_si512(next_u64x8, second_u64x8[g]);
            const __m512i carry = _mm512_ternarylogic_epi64(digit_u64x8[r][g], between, after, 0x74);
            digit_u64x8[r][g] = after;
            carries_u64x8[r][g] = _mm512_add_epi64(carries_u64x8[r][g], _mm512_popcnt_epi64(carry));
            OB_IN_ORDER(carries_u64x8[r][g]);
        }
    }
}

/* `count` tiles of rows x 8 * lines channels below each other, of running exclusive ors of x and w. */
OB_INLINE void pair_panel(const ob_dense_job *job, const unsigned char *w, int64_t row, int64_t count, int64_t channel,
                          const int rows, const int lines) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i k_i32x16 = _mm512_set1_epi32((int32_t)job->k);
    const int64_t words = even(job->words);
    const int fetch_output = job->epilogue.output != OB_OUTPUT_BITS;
    ob_finish_avx512 finish[LINES / 2];
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) finish[g / 2] = ob_finish_load_avx512(job, channel + 8 * g);
    for (; count > 0; count--, row += rows) {
        __m512i carries_u64x8[PAIR_ROWS][LINES], digit_u64x8[PAIR_ROWS][LINES];
        const unsigned char *x[PAIR_ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            x[r] = job->x + (row + r) * job->x_bytes;
            OB_UNROLL
            for (int g = 0; g < lines; g++) carries_u64x8[r][g] = digit_u64x8[r][g] = _mm512_setzero_si512();
        }
        if (fetch_output) fetch(job, row, channel, rows, lines);
        OB_NO_UNROLL
        for (int64_t word = 0; word < words; word += 2) pair_step(carries_u64x8, digit_u64x8, x, w, word, rows, lines);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int g = 0; g < lines; g++)
                carries_u64x8[r][g] =
                    _mm512_add_epi64(_mm512_slli_epi64(carries_u64x8[r][g], 1), _mm512_popcnt_epi64(digit_u64x8[r][g]));
            OB_UNROLL
            for (int g = 0; g < lines; g += 2) {
                const __m512i sum_i32x16 =
                    _mm512_permutex2var_epi32(carries_u64x8[r][g], low_i32x16, carries_u64x8[r][g + 1]);
                const __m512i y_i32x16 = _mm512_sub_epi32(k_i32x16, _mm512_slli_epi32(sum_i32x16, 1));
                ob_store_avx512(job, &finish[g / 2], row + r, channel + 8 * g, y_i32x16);
            }
        }
    }
}

typedef void pair_function(const ob_dense_job *job, const unsigned char *w, int64_t row, int64_t count,
                           int64_t channel);
#define OB_PAIR(rows, lines)                                                                                     \
    static __attribute__((noinline)) void pair_##rows##x##lines(const ob_dense_job *job, const unsigned char *w, \
                                                                int64_t row, int64_t count, int64_t channel) {   \
        pair_panel(job, w, row, count, channel, rows, lines);                                                    \
    }
OB_PAIR(1, 4)
OB_PAIR(2, 4)
OB_PAIR(3, 4)
OB_PAIR(1, 2)
OB_PAIR(2, 2)
OB_PAIR(3, 2)

static pair_function *const pair_wide[PAIR_ROWS + 1] = {0, pair_1x4, pair_2x4, pair_3x4};
static pair_function *const pair_narrow[PAIR_ROWS + 1] = {0, pair_1x2, pair_2x2, pair_3x2};

/* Rows [0, rows) of a job whose x are running exclusive ors. */
static void pair_block(const ob_dense_job *job, int64_t rows, int64_t channel, int64_t end) {
    _Alignas(64) unsigned char panel[64 * LINES * PAIR_LONGEST];
    const int64_t tiles = rows / PAIR_ROWS, left = rows % PAIR_ROWS;
    for (; channel < end; channel += 8 * LINES) {
        const int all = end - channel > 8 * LINES / 2;
        pair_function *const *const table = all ? pair_wide : pair_narrow;
        if (all)
            write_panel(job, channel, panel, LINES);
        else
            write_panel(job, channel, panel, LINES / 2);
        table[PAIR_ROWS](job, panel, 0, tiles, channel);
        if (left) table[left](job, panel, tiles * PAIR_ROWS, 1, channel);
    }
}

/* How many of `rows` rows are done at once: blocks of one size, or one less. */
static int64_t rows_at_once(int64_t rows, int64_t words) {
    const int64_t fit = RUNNING_WORDS / words, most = fit < RUNNING_ROWS ? fit : RUNNING_ROWS;
    const int64_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

static void pairs(const ob_dense_job *job, const ob_dense_part *part) {
    _Alignas(64) unsigned char running[8 * RUNNING_WORDS];
    const int64_t words = even(job->words), block = rows_at_once(part->rows, words);
    ob_dense_job product = *job;
    product.x = running, product.x_bytes = 8 * words;
    for (int64_t row = 0; row < part->rows; row += block) {
        const int64_t rows = part->rows - row < block ? part->rows - row : block;
        product.out = job->out + (part->row + row) * job->out_bytes;
        for (int64_t r = 0; r < rows; r++)
            ob_running_xor(job->x + (part->row + row + r) * job->x_bytes, job->words, words, running + 8 * r * words);
        pair_block(&product, rows, part->channel, part->channel + part->channels);
    }
}

void ob_dense_avx512vpopcnt(const ob_dense_job *job, const ob_dense_part *part) {
    const int two = part->rows >= PAIR_LEAST_ROWS && part->channels >= PAIR_LEAST_CHANNELS &&
                    job->words >= PAIR_LEAST_WORDS && job->words <= PAIR_LONGEST &&
                    part->rows * part->channels * job->words >= PAIR_LEAST_STEPS;
    if (two)
        pairs(job, part);
    else
        ob_dense_by_rows(job, part, ob_product_avx512vpopcnt);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
