/* rows_of_words.h: products of bits whose rows are made of words at the same distances from their starts. dense and
 * conv2d differ only in where these are, and where the outputs of a row go. */
#ifndef ONEBIT_ROWS_OF_WORDS_H
#define ONEBIT_ROWS_OF_WORDS_H

#include "kernels.h"

/* A row: its start, and the start of its output. */
typedef struct ob_product_row {
    const unsigned char *x;
    unsigned char *out;
} ob_product_row;

/* The words of every row: runs[0] times runs[1] runs of neighbouring words. The first stands x_at bytes behind the
 * row's start, w_at behind that of a line of weights. gap: bytes from the end of a run to the next, and from the end of
 * the last of runs[1] to the next. No words: every popcount is 0. */
typedef struct ob_product_words {
    int64_t x_at, w_at, words;
    int64_t runs[2], x_gap[2], w_gap[2];
    const int32_t *base; /* of each channel: what twice the popcounts are taken from; NULL: k */
    int64_t k;
} ob_product_words;

/* y = base - 2 * popcount(x ^ w) of `count` rows and of channels [channel, end), from a multiple of 16 on. */
typedef void ob_rows_product(const ob_dense_job *job, const ob_product_row *rows, int64_t count,
                             const ob_product_words *words, int64_t channel, int64_t end);

#endif
