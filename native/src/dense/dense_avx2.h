/* dense_avx2.h: the product of dense_avx2.c, for convolutions as well: their rows are windows, each with its bases. */
#ifndef ONEBIT_DENSE_AVX2_H
#define ONEBIT_DENSE_AVX2_H

#include "../kernels.h"

/* y = base[row - part->row][channel] - 2 * popcount(x ^ w); k in place of the base where `base` is NULL. */
void ob_product_avx2(const ob_dense_job *job, const ob_dense_part *part, const int32_t *const *base);

#endif
