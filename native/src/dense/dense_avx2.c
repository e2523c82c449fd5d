/* dense_avx2.c: y = k - 2 * popcount(x ^ w) without a popcount instruction: byte shuffles look counts up.
 *
 * Two ways, chosen per part by pair_table/ways.h:
 *
 * 1. Direct, for few rows and for more than OB_PAIR_LONGEST words: few_rows/product_avx2.c, 32 MAC per operation.
 * 2. Table, from about 4 rows: pair_table/product_avx2.c, 96 MAC per operation. */
#if defined(__x86_64__)
#include "../epilogue/epilogue_scalar.h"
#include "../pair_table/ways.h"

void ob_dense_avx2(const ob_dense_job *job, const ob_dense_part *part) {
    ob_pair_dense(job, part, &ob_pair_avx2);
    ob_clear_tail(job, part);
}

#endif
