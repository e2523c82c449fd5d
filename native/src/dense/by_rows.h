/* by_rows.h: a dense layer as a product of rows of words: the rows of x, one word after another. */
#ifndef ONEBIT_DENSE_BY_ROWS_H
#define ONEBIT_DENSE_BY_ROWS_H

#include "../rows_of_words.h"

OB_INLINE void ob_dense_by_rows(const ob_dense_job *job, const ob_dense_part *part, ob_rows_product *product) {
    enum { BLOCK = 256 }; /* rows that are listed at once */
    const ob_product_words words = {.words = job->words, .runs = {1, 1}, .k = job->k};
    ob_product_row rows[BLOCK];
    for (int64_t first = 0; first < part->rows; first += BLOCK) {
        const int64_t count = part->rows - first < BLOCK ? part->rows - first : BLOCK;
        for (int64_t i = 0, row = part->row + first; i < count; i++, row++)
            rows[i] = (ob_product_row){job->x + row * job->x_bytes, job->out + row * job->out_bytes};
        product(job, rows, count, &words, part->channel, part->channel + part->channels);
    }
}

#endif
