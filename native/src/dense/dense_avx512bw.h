/* dense_avx512bw.h: the product of dense_avx512bw.c, for convolutions as well: their rows are windows with bases. */
#ifndef ONEBIT_DENSE_AVX512BW_H
#define ONEBIT_DENSE_AVX512BW_H

#include "../kernels.h"

enum {
    OB_RUNNING_WORDS = 8192,  /* of all rows of a block, 64 KiB of stack */
    OB_RUNNING_LONGEST = 512, /* of one row: two lines of weights as long are 64 KiB of stack */
    OB_RUNNING_ROWS = 256,    /* of a block */
};

/* y = base[row - part->row][channel] - 2 * popcount(x ^ w); k in place of the base where `base` is NULL. job->x points
 * to the running exclusive ors of the words of each row, at most OB_RUNNING_LONGEST. */
void ob_product_avx512bw(const ob_dense_job *job, const ob_dense_part *part, const int32_t *const *base);

/* How many of `rows` rows are done at once: blocks of one size, or one less. */
OB_INLINE int64_t ob_running_block(int64_t rows, int64_t words) {
    const int64_t fit = OB_RUNNING_WORDS / words, most = fit < OB_RUNNING_ROWS ? fit : OB_RUNNING_ROWS;
    const int64_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

#endif
