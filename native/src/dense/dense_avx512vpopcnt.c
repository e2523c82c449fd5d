/* dense_avx512vpopcnt.c: y = k - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * Lanes are channels: one load brings word w of 8 channels, the activation word is broadcast, and each lane sums its
 * own channel, so nothing is added across lanes. Exact for any k: lanes are 64 bits wide.
 *
 * Plain form. Cost of 512 MAC: vpxorq + vpopcntq + vpaddq = 3 vector operations.
 * Limit:  Intel, two 512-bit ports, popcount on one of them: 341 MAC/cycle.
 *         Zen 5, four 512-bit pipes, popcount on two of them: 683 MAC/cycle.
 * Bottleneck: those three operations. A tile of 6 rows x 4 lines (24 sums, 4 weights, 1 activation, 2 spare of 32
 * registers) needs 10 loads for 24 x 3 operations, so the two load ports are at a fifth of their rate, and the panel
 * of 32 channels (4 * k bytes) stays in L1 while all rows of the part go over it.
 * One row alone has no reuse: it streams the weights, 8 lines per step, at the speed of the memory they are in.
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

#include "../epilogue/epilogue_avx512.h"
#include "dense_avx512bw.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum {
    ROWS = 6,
    LINES = 4,
    LINES_ONE_ROW = 8,
    FETCH_WORDS = 16, /* from this length on a tile fetches its lines of the output before it needs them */
    PAIR_ROWS = 3,
    PAIR_LONGEST = 128, /* words of one row: four lines of weights as long are 32 KiB, and stay in L1 */
    /* Fewer in a part do not pay for writing running exclusive ors, or for the last digit. */
    PAIR_LEAST_ROWS = 64,
    PAIR_LEAST_CHANNELS = 512,
    PAIR_LEAST_WORDS = 32,
    PAIR_LEAST_STEPS = 1 << 21, /* rows x channels x words */
};

/* What a tile does behind its sums: `lines` is even. */
OB_INLINE void store(const ob_dense_job *job, const ob_finish_avx512 *finish, __m512i differ_u64x8[ROWS][LINES_ONE_ROW],
                     int64_t row, int64_t channel, const int rows, const int lines) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i k_i32x16 = _mm512_set1_epi32((int32_t)job->k);
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        OB_UNROLL
        for (int g = 0; g < lines; g += 2) {
            const __m512i a_u64x8 = differ_u64x8[r][g], b_u64x8 = differ_u64x8[r][g + 1];
            const __m512i sum_i32x16 = _mm512_permutex2var_epi32(a_u64x8, low_i32x16, b_u64x8);
            const __m512i y_i32x16 = _mm512_sub_epi32(k_i32x16, _mm512_slli_epi32(sum_i32x16, 1));
            ob_store_avx512(job, &finish[g / 2], row + r, channel + 8 * g, y_i32x16);
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

/* ---- plain ---- */

/* One word of a tile: every row's word against every line. The first word starts the sums. */
OB_INLINE void step(__m512i differ_u64x8[ROWS][LINES_ONE_ROW], const unsigned char *const x[ROWS],
                    const unsigned char *const w[LINES_ONE_ROW], int64_t word, const int rows, const int lines,
                    const int first) {
    __m512i w_u64x8[LINES_ONE_ROW];
    OB_UNROLL
    for (int g = 0; g < lines; g++) w_u64x8[g] = _mm512_loadu_si512(w[g] + 64 * word);
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + 8 * word));
        OB_UNROLL
        for (int g = 0; g < lines; g++) {
            const __m512i d_u64x8 = _mm512_popcnt_epi64(_mm512_xor_si512(x_u64x8, w_u64x8[g]));
            differ_u64x8[r][g] = first ? d_u64x8 : _mm512_add_epi64(differ_u64x8[r][g], d_u64x8);
            OB_IN_ORDER(differ_u64x8[r][g]);
        }
    }
}

/* `count` tiles of rows x 8 * lines channels below each other; lines is even. A line past n repeats the last one and
 * is not stored. */
OB_INLINE void panel(const ob_dense_job *job, int64_t row, int64_t count, int64_t channel, const int rows,
                     const int lines) {
    const int64_t words = job->words;
    const int fetch_output = words >= FETCH_WORDS && job->epilogue.output != OB_OUTPUT_BITS;
    const unsigned char *w[LINES_ONE_ROW];
    ob_finish_avx512 finish[LINES_ONE_ROW / 2];
    OB_UNROLL
    for (int g = 0; g < lines; g++) w[g] = ob_group(job, channel + 8 * g < job->n ? channel + 8 * g : job->n - 1);
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) finish[g / 2] = ob_finish_load_avx512(job, channel + 8 * g);
    for (; count > 0; count--, row += rows) {
        __m512i differ_u64x8[ROWS][LINES_ONE_ROW];
        const unsigned char *x[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) x[r] = job->x + (row + r) * job->x_bytes;
        if (fetch_output) fetch(job, row, channel, rows, lines);
        step(differ_u64x8, x, w, 0, rows, lines, 1);
        OB_UNROLL_BY_4
        for (int64_t word = 1; word < words; word++) step(differ_u64x8, x, w, word, rows, lines, 0);
        store(job, finish, differ_u64x8, row, channel, rows, lines);
    }
}

/* One function per tile, or the compiler would mix their registers. */
typedef void panel_function(const ob_dense_job *job, int64_t row, int64_t count, int64_t channel);
#define OB_PANEL(rows, lines)                                                                                         \
    static __attribute__((noinline)) void panel_##rows##x##lines(const ob_dense_job *job, int64_t row, int64_t count, \
                                                                 int64_t channel) {                                   \
        panel(job, row, count, channel, rows, lines);                                                                 \
    }
OB_PANEL(1, 8)
OB_PANEL(1, 4)
OB_PANEL(2, 4)
OB_PANEL(3, 4)
OB_PANEL(4, 4)
OB_PANEL(5, 4)
OB_PANEL(6, 4)
OB_PANEL(1, 2)
OB_PANEL(2, 2)
OB_PANEL(3, 2)
OB_PANEL(4, 2)
OB_PANEL(5, 2)
OB_PANEL(6, 2)

static panel_function *const wide[ROWS + 1] = {0, panel_1x4, panel_2x4, panel_3x4, panel_4x4, panel_5x4, panel_6x4};
static panel_function *const narrow[ROWS + 1] = {0, panel_1x2, panel_2x2, panel_3x2, panel_4x2, panel_5x2, panel_6x2};

static void plain(const ob_dense_job *job, const ob_dense_part *part) {
    const int64_t end = part->channel + part->channels, tiles = (part->rows + ROWS - 1) / ROWS;
    const int64_t height = part->rows / tiles, higher = part->rows % tiles; /* tiles of height + 1, then of height */
    int64_t channel = part->channel;
    if (part->rows == 1)
        for (; end - channel >= 8 * LINES_ONE_ROW; channel += 8 * LINES_ONE_ROW) panel_1x8(job, part->row, 1, channel);
    for (; channel < end; channel += 8 * LINES) {
        panel_function *const *const table = end - channel > 8 * LINES / 2 ? wide : narrow;
        if (higher) table[height + 1](job, part->row, higher, channel);
        table[height](job, part->row + higher * (height + 1), tiles - higher, channel);
    }
}

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

/* Two words of a tile. */
OB_INLINE void pair_step(__m512i carries_u64x8[ROWS][LINES_ONE_ROW], __m512i digit_u64x8[PAIR_ROWS][LINES],
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

/* panel() on the running exclusive ors of x, job->x, and of w. */
OB_INLINE void pair_panel(const ob_dense_job *job, const unsigned char *w, int64_t row, int64_t count, int64_t channel,
                          const int rows, const int lines) {
    const int64_t words = even(job->words);
    const int fetch_output = job->epilogue.output != OB_OUTPUT_BITS;
    ob_finish_avx512 finish[LINES / 2];
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) finish[g / 2] = ob_finish_load_avx512(job, channel + 8 * g);
    for (; count > 0; count--, row += rows) {
        __m512i differ_u64x8[ROWS][LINES_ONE_ROW], digit_u64x8[PAIR_ROWS][LINES];
        const unsigned char *x[PAIR_ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            x[r] = job->x + (row + r) * job->x_bytes;
            OB_UNROLL
            for (int g = 0; g < lines; g++) differ_u64x8[r][g] = digit_u64x8[r][g] = _mm512_setzero_si512();
        }
        if (fetch_output) fetch(job, row, channel, rows, lines);
        OB_NO_UNROLL
        for (int64_t word = 0; word < words; word += 2) pair_step(differ_u64x8, digit_u64x8, x, w, word, rows, lines);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int g = 0; g < lines; g++)
                differ_u64x8[r][g] =
                    _mm512_add_epi64(_mm512_slli_epi64(differ_u64x8[r][g], 1), _mm512_popcnt_epi64(digit_u64x8[r][g]));
        }
        store(job, finish, differ_u64x8, row, channel, rows, lines);
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

static void pairs(const ob_dense_job *job, const ob_dense_part *part) {
    _Alignas(64) unsigned char running[8 * OB_RUNNING_WORDS];
    const int64_t words = even(job->words), block = ob_running_block(part->rows, words);
    ob_dense_job product = *job;
    product.x = running, product.x_bytes = 8 * words;
    for (int64_t row = 0; row < part->rows; row += block) {
        const int64_t rows = part->rows - row < block ? part->rows - row : block;
        product.out = job->out + (part->row + row) * job->out_bytes;
        ob_running_write(job, part->row + row, rows, words, running);
        pair_block(&product, rows, part->channel, part->channel + part->channels);
    }
}

void ob_dense_avx512vpopcnt(const ob_dense_job *job, const ob_dense_part *part) {
    const int two = part->rows >= PAIR_LEAST_ROWS && part->channels >= PAIR_LEAST_CHANNELS &&
                    job->words >= PAIR_LEAST_WORDS && job->words <= PAIR_LONGEST &&
                    part->rows * part->channels * job->words >= PAIR_LEAST_STEPS;
    (two ? pairs : plain)(job, part);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
