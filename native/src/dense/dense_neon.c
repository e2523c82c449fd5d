/* dense_neon.c: y = k - 2 * popcount(x ^ w): the rows of neon/product.c are those of x. Its cost and limit: 42.7 MAC
 * per vector operation. */
#if defined(__aarch64__)
#include "../epilogue/epilogue_neon.h"
#include "../neon/product.h"

enum { BLOCK = 256 }; /* rows that are listed at once */

void ob_dense_neon(const ob_dense_job *job, const ob_dense_part *part) {
    const ob_product_words words = {.words = job->words, .runs = {1, 1}, .k = job->k};
    ob_product_row rows[BLOCK];
    for (int64_t first = 0; first < part->rows; first += BLOCK) {
        const int64_t count = part->rows - first < BLOCK ? part->rows - first : BLOCK;
        for (int64_t i = 0, row = part->row + first; i < count; i++, row++)
            rows[i] = (ob_product_row){job->x + row * job->x_bytes, job->out + row * job->out_bytes};
        ob_product_neon(job, rows, count, &words, part->channel, part->channel + part->channels);
    }
    ob_clear_tail(job, part);
}

#endif
