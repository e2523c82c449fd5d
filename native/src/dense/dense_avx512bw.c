/* dense_avx512bw.c: y = k - 2 * popcount(x ^ w) without a popcount instruction.
 *
 * Two ways, chosen per part:
 *
 * 1. Carry-save adders, for few rows and for long ones. Lanes are channels, as in dense_avx512vpopcnt.c;
 * carry_save_avx512.h says how words are counted: 182 MAC per operation, and some 35 operations more for each sum. The
 * running exclusive ors that it needs are written once per block of rows, and once per 16 channels and block for the
 * weights. On Zen 5 loads hold it: 48 of them go with 90 operations, of which it can start four in a cycle, but only
 * two loads. Reached on Zen 5: 53 % of 728 MAC/cycle with k = 2048, 58 % with 4096.
 * 2. Table, from LEAST_ROWS rows of up to MOST_WORDS words: pair_table/product_avx512bw.c, 192 MAC per operation and
 *    little more for a sum. Reached on Zen 5: 41 % of 768 MAC/cycle with k = 512, 48 % with 1024, 50 % with 2048.
 * Rows longer than OB_RUNNING_LONGEST words take the AVX2 kernel. */
#if defined(__x86_64__)
#include "dense_avx512bw.h"

#include <immintrin.h>

#include "../carry_save_avx512.h"
#include "../epilogue/epilogue_avx512.h"
#include "../pair_table/product.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

enum {
    LANES = 8,
    PANEL = OB_COUNTER_LINES * LANES,
    LEAST_ROWS = 16, /* from here on the table way wins */
    MOST_WORDS = 40, /* up to here */
};

/* The running exclusive ors of two lines of weights, side by side. A line past n repeats the last one. */
static void write_panel(const ob_dense_job *job, int64_t channel, unsigned char *panel) {
    for (int g = 0; g < OB_COUNTER_LINES; g++) {
        const int64_t c = channel + LANES * g;
        const unsigned char *line = ob_group(job, c < job->n ? c : job->n - 1);
        __m512i running = _mm512_setzero_si512();
        for (int64_t word = 0; word < job->words; word++) {
            running = _mm512_xor_si512(running, _mm512_loadu_si512(line + 64 * word));
            _mm512_store_si512(panel + 128 * word + 64 * g, running);
        }
    }
}

static void carry_save(const ob_dense_job *job, const ob_dense_part *part) {
    _Alignas(64) unsigned char panel[128 * OB_RUNNING_LONGEST];
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i k_i32x16 = _mm512_set1_epi32((int32_t)job->k);
    const int fetch_output = job->epilogue.output != OB_OUTPUT_BITS;
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += PANEL) {
        const ob_finish_avx512 finish = ob_finish_load_avx512(job, channel);
        write_panel(job, channel, panel);
        for (int64_t r = 0; r < part->rows; r++) {
            const int64_t row = part->row + r;
            __m512i sum_u64x8[OB_COUNTER_LINES];
            if (fetch_output) __builtin_prefetch(job->out + row * job->out_bytes + channel * 4, 1);
            ob_count_row(job->x + row * job->x_bytes, panel, job->words, sum_u64x8);
            const __m512i sum_i32x16 = _mm512_permutex2var_epi32(sum_u64x8[0], low_i32x16, sum_u64x8[1]);
            ob_store_avx512(job, &finish, row, channel, _mm512_sub_epi32(k_i32x16, _mm512_slli_epi32(sum_i32x16, 1)));
        }
    }
}

/* Rows as running exclusive ors, a block at a time. */
static void carry_save_rows(const ob_dense_job *job, const ob_dense_part *part) {
    _Alignas(64) unsigned char running[8 * OB_RUNNING_WORDS];
    const int64_t block = ob_running_block(part->rows, job->words);
    ob_dense_job product = *job;
    product.x = running, product.x_bytes = 8 * job->words;
    for (int64_t row = 0; row < part->rows; row += block) {
        const int64_t rows = part->rows - row < block ? part->rows - row : block;
        const ob_dense_part now = {0, rows, part->channel, part->channels};
        product.out = job->out + (part->row + row) * job->out_bytes;
        ob_running_write(job, part->row + row, rows, job->words, running);
        carry_save(&product, &now);
    }
}

void ob_dense_avx512bw(const ob_dense_job *job, const ob_dense_part *part) {
    if (job->words > OB_RUNNING_LONGEST) {
        ob_dense_avx2(job, part);
        return;
    }
    if (part->rows < LEAST_ROWS || job->words > MOST_WORDS)
        carry_save_rows(job, part);
    else
        ob_pair_dense(job, part, ob_pair_product_avx512bw);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
