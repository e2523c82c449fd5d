/* dense_avx512vpopcnt.c: y = k - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * Lanes are channels: one load brings word w of 8 channels, the activation word is broadcast, and each lane sums its
 * own channel, so nothing is added across lanes. Exact for any k: lanes are 64 bits wide.
 * Cost of 512 MAC: vpxorq + vpopcntq + vpaddq = 3 vector operations.
 * Limit:  Intel, two 512-bit ports, popcount on one of them: 341 MAC/cycle.
 *         Zen 5, four 512-bit pipes, popcount on two of them: 683 MAC/cycle.
 * Bottleneck: those three operations. A tile of 6 rows x 4 lines (24 sums, 4 weights, 1 activation, 2 spare of 32
 * registers) needs 10 loads for 24 x 3 operations, so the two load ports are at a fifth of their rate, and the panel
 * of 32 channels (4 * k bytes) stays in L1 while all rows of the part go over it.
 * One row alone has no reuse: it streams the weights, 8 lines per step, at the speed of the memory they are in. */
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
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i k_i32x16 = _mm512_set1_epi32((int32_t)job->k);
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
        for (int r = 0; fetch_output && r < rows; r++) {
            char *const out = (char *)job->out + (row + r) * job->out_bytes + channel * 4;
            for (int g = 0; g < lines; g += 2) __builtin_prefetch(out + 32 * g, 1);
        }
        step(differ_u64x8, x, w, 0, rows, lines, 1);
        OB_UNROLL_BY_4
        for (int64_t word = 1; word < words; word++) step(differ_u64x8, x, w, word, rows, lines, 0);
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

void ob_dense_avx512vpopcnt(const ob_dense_job *job, const ob_dense_part *part) {
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
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
