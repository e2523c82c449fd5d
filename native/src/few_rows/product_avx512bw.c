/* product_avx512bw.c: y = k - 2 * popcount(x ^ w) of few rows, by carry-save adders.
 *
 * Lanes are channels, as in dense_avx512vpopcnt.c; carry_save_avx512.h says how words are counted: 182 MAC per
 * operation, and some 35 operations more for each sum. One or two rows read the weights as they are. For more rows
 * the running exclusive ors are written, once per block of rows, and once per 16 channels and block for the weights: no
 * word then waits for the one before it. On Zen 5 loads hold that way: 48 of them go with 90 operations, of which it
 * can start four in a cycle, but only two loads. Reached on Zen 5: 53 % of 728 MAC/cycle with k = 2048, 58 % with 4096.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../carry_save_avx512.h"
#include "../epilogue/epilogue_avx512.h"
#include "../running_xor.h"
#include "row.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

enum {
    PANEL = 8 * OB_COUNTER_LINES,
    LEAST_RUNNING = 3,     /* rows from which on writing running exclusive ors pays */
    LONGEST_RUNNING = 512, /* words of a row: two lines of weights as long are 64 KiB of stack */
};

/* The running exclusive ors of two lines of weights, side by side: [word][2] vectors. */
static void write_running(const ob_dense_job *job, const unsigned char *w, int64_t line, unsigned char *panel) {
    for (int g = 0; g < OB_COUNTER_LINES; g++, w += line) {
        __m512i running = _mm512_setzero_si512();
        for (int64_t word = 0; word < job->words; word++) {
            running = _mm512_xor_si512(running, _mm512_loadu_si512(w + 64 * word));
            _mm512_store_si512(panel + 128 * word + 64 * g, running);
        }
    }
}

/* The counts of a row and 16 channels. w: lines of weights as they are. */
OB_INLINE void count_runs(const ob_few_row *row, const unsigned char *w, int64_t line,
                          __m512i sum_u64x8[OB_COUNTER_LINES]) {
    for (int g = 0; g < OB_COUNTER_LINES; g++) sum_u64x8[g] = _mm512_setzero_si512();
    for (int64_t i = 0; i < row->runs; i++) {
        const ob_counted_lines lines = {w + row->w_at + i * row->w_step, line, 64};
        __m512i run_u64x8[OB_COUNTER_LINES];
        ob_count_row(row->x + 8 * i * row->words, &lines, row->words, run_u64x8, 0);
        for (int g = 0; g < OB_COUNTER_LINES; g++) sum_u64x8[g] = _mm512_add_epi64(sum_u64x8[g], run_u64x8[g]);
    }
}

OB_INLINE void multiply(const ob_dense_job *job, const ob_pair_row *rows, const ob_few_row *from, int64_t count,
                        int64_t channel, int64_t end, unsigned char *panel) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const ob_counted_lines running = {panel, 64, 128};
    for (; channel < end; channel += PANEL) {
        const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel);
        const unsigned char *const w = ob_group(job, channel);
        const int64_t line = channel + 8 < job->n ? 64 * job->words : 0; /* past n the last one again */
        if (panel) write_running(job, w, line, panel);
        for (int64_t r = 0; r < count; r++) {
            __m512i sum_u64x8[OB_COUNTER_LINES];
            if (job->epilogue.output != OB_OUTPUT_BITS) __builtin_prefetch(rows[r].out + channel * 4, 1);
            if (panel)
                ob_count_row(from[r].x, &running, job->words, sum_u64x8, 1);
            else
                count_runs(&from[r], w, line, sum_u64x8);
            const __m512i sum_i32x16 = _mm512_permutex2var_epi32(sum_u64x8[0], low_i32x16, sum_u64x8[1]);
            const __m512i y_i32x16 = _mm512_sub_epi32(_mm512_set1_epi32(rows[r].k), _mm512_slli_epi32(sum_i32x16, 1));
            ob_store_to_avx512(job, &finish, rows[r].out, channel, y_i32x16);
        }
    }
}

/* All rows have all their words: then they are one run. */
static void multiply_running(const ob_dense_job *job, const ob_pair_row *rows, ob_few_row *from, int64_t count,
                             int64_t channel, int64_t end, unsigned char *copies) {
    _Alignas(64) unsigned char panel[128 * LONGEST_RUNNING];
    for (int64_t r = 0; r < count; r++) {
        unsigned char *const to = copies + 8 * r * job->words;
        ob_running_xor(from[r].x, job->words, job->words, to);
        from[r].x = to;
    }
    multiply(job, rows, from, count, channel, end, panel);
}

void ob_few_product_avx512bw(const ob_dense_job *job, const ob_pair_row *rows, int64_t count,
                             const ob_pair_words *words, int64_t channel, int64_t end) {
    unsigned char copies[OB_FEW_COPIES];
    ob_few_row from[OB_PAIR_ROWS];
    int runs = count >= LEAST_RUNNING && job->words <= LONGEST_RUNNING;
    for (int64_t r = 0; r < count; r++) {
        from[r] = ob_few_row_of(words, &rows[r], copies + 8 * r * job->words);
        runs &= from[r].runs == 1 && from[r].words == job->words;
    }
    if (runs)
        multiply_running(job, rows, from, count, channel, end, copies);
    else
        multiply(job, rows, from, count, channel, end, NULL);
}

OB_TARGET_END

#endif
