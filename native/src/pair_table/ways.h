/* ways.h: tables or the weights as they are, whichever is expected to take less.
 *
 * Cycles per 32 channels of a block of rows, with p = ceil(rows / 2) pairs:
 *   tables     panel + words * (word + pair * p) + row * rows
 *   few rows   panel + words * (word + pair * rows) + row * rows
 * Tables rearrange the weights first, which only several rows make up for; each row then costs less. The constants were
 * fitted on a Zen 5 core to products of 1 to 64 rows of 1 to 128 words, which they predict within 15 %; on the choice
 * they are wrong only where both ways take about the same. Elsewhere what counts is their ratio, which follows from the
 * operations of both ways: it moves the point of change by a row or two. */
#ifndef ONEBIT_PAIR_TABLE_WAYS_H
#define ONEBIT_PAIR_TABLE_WAYS_H

#include "product.h"

typedef struct ob_pair_way {
    ob_pair_product *product;
    int64_t lanes; /* channels that it does at least */
    double panel, word, pair, row;
} ob_pair_way;

typedef struct ob_pair_ways {
    ob_pair_way tables, few, cut; /* cut: few rows where some lack words */
} ob_pair_ways;

static const ob_pair_ways ob_pair_avx2 = {{ob_pair_product_avx2, 32, 209, 23.1, 13.5, 13.7},
                                          {ob_few_product_avx2, 16, 76, 0, 16.8, 53},
                                          {ob_few_product_avx2, 16, 76, 0, 16.8, 53}};
static const ob_pair_ways ob_pair_avx512bw = {{ob_pair_product_avx512bw, 64, 130, 23.1, 8.8, 9.4},
                                              {ob_few_product_avx512bw, 16, 89, 3, 4, 41.4},
                                              {ob_few_product_avx512bw, 16, 130, 0, 5.4, 48}};

OB_INLINE double ob_pair_cycles(const ob_pair_way *way, int64_t rows, int64_t units, int64_t words, int64_t channels) {
    const double blocks = (double)((channels + way->lanes - 1) / way->lanes * way->lanes) / 32;
    return blocks * (way->panel + (double)words * (way->word + way->pair * (double)units) + way->row * (double)rows);
}

/* The product for `rows` rows of `words` words, or for more in blocks of so many. */
OB_INLINE ob_pair_product *ob_pair_choose(const ob_pair_ways *ways, int64_t rows, int64_t words, int64_t channels,
                                          int whole) {
    const ob_pair_way *const few = whole ? &ways->few : &ways->cut;
    if (words > OB_PAIR_LONGEST) return few->product;
    const double tables = ob_pair_cycles(&ways->tables, rows, (rows + 1) / 2, words, channels);
    return tables < ob_pair_cycles(few, rows, rows, words, channels) ? ways->tables.product : few->product;
}

/* All rows of a part of a dense product. */
OB_INLINE void ob_pair_dense(const ob_dense_job *job, const ob_dense_part *part, const ob_pair_ways *ways) {
    const ob_pair_words words = {1, 1, job->words, 0, 0, NULL};
    const int64_t block = ob_pair_rows_at_once(part->rows, job->words);
    ob_pair_product *const product =
        ob_pair_choose(ways, block < part->rows ? block : part->rows, job->words, part->channels, 1);
    ob_pair_row rows[OB_PAIR_ROWS];
    for (int64_t first = 0; first < part->rows; first += block) {
        const int64_t count = part->rows - first < block ? part->rows - first : block;
        for (int64_t r = 0, row = part->row + first; r < count; r++, row++)
            rows[r] = (ob_pair_row){.x = job->x + row * job->x_bytes,
                                    .out = job->out + row * job->out_bytes,
                                    .k = (int32_t)job->k,
                                    .in_y = {0, 1},
                                    .in_x = {0, 1}};
        product(job, rows, count, &words, part->channel, part->channel + part->channels);
    }
}

#endif
