/* dense_neon.c: y = k - 2 * popcount(x ^ w): the rows of neon/product.c are those of x. Its cost and limit: 42.7 MAC
 * per vector operation. */
#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../neon/product.h"
#include "by_rows.h"

void ob_dense_neon(const ob_dense_job *job, const ob_dense_part *part) {
    ob_dense_by_rows(job, part, ob_product_neon);
    ob_clear_tail(job, part);
}

#endif
