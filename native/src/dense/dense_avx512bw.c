/* dense_avx512bw.c: y = k - 2 * popcount(x ^ w) without a popcount instruction.
 *
 * Two ways, chosen per part by pair_table/ways.h:
 *
 * 1. Carry-save adders, for few rows and for long ones: few_rows/product_avx512bw.c, 182 MAC per operation, and some
 *    35 operations more for each sum. Reached on Zen 5: 53 % of 728 MAC/cycle with k = 2048, 58 % with 4096.
 * 2. Table: pair_table/product_avx512bw.c, 192 MAC per operation and little more for a sum. Reached on Zen 5: 41 % of
 *    768 MAC/cycle with k = 512, 48 % with 1024, 50 % with 2048. */
#if defined(__x86_64__)
#include "../epilogue/epilogue_scalar.h"
#include "../pair_table/ways.h"

void ob_dense_avx512bw(const ob_dense_job *job, const ob_dense_part *part) {
    ob_pair_dense(job, part, &ob_pair_avx512bw);
    ob_clear_tail(job, part);
}

#endif
