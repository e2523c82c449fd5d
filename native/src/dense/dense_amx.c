/* dense_amx.c: y = k - tail + sum of (+-1) * (+-1), by tiles. The words of a row follow each other; all else, the cost
 * and the limits are amx/product.c's: 1024 MAC/cycle. */
#if defined(__x86_64__)
#include "../amx/product.h"
#include "../epilogue/epilogue_scalar.h"

static void locate(const ob_amx_product *p, int64_t row, int64_t count, ob_block_rows *rows) {
    for (int64_t r = 0; r < count; r++) {
        rows->x[r] = p->job->x + (row + r) * p->job->x_bytes;
        rows->base[r] = NULL;
    }
}

void ob_dense_amx(const ob_dense_job *job, const ob_dense_part *part) {
    const ob_amx_product product = {.job = job, .locate = locate};
    ob_amx_multiply(&product, part);
    ob_clear_tail(job, part);
}

#endif
