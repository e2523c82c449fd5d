/* product.h: a product of bits by popcounts of 512 bits. dense and conv2d differ only in where the words of a row
 * stand, and where its outputs go. */
#ifndef ONEBIT_AVX512VPOPCNT_PRODUCT_H
#define ONEBIT_AVX512VPOPCNT_PRODUCT_H

#include "../kernels.h"

/* A row: its start, what its popcounts are taken from, of channel 0 (conv2d's bases), and the start of its output. */
typedef struct ob_product_row {
    const unsigned char *x;
    const int32_t *base; /* NULL: k */
    unsigned char *out;
} ob_product_row;

/* The words of a row: runs[0] times runs[1] runs of neighbouring words. The first stands x_at bytes behind the row's
 * start, w_at behind that of a line of weights. gap: bytes from the end of a run to the next, and from the end of the
 * last of runs[1] to the next. No words: every popcount is 0. */
typedef struct ob_product_words {
    int64_t x_at, w_at, words;
    int64_t runs[2], x_gap[2], w_gap[2];
} ob_product_words;

/* y = base - 2 * popcount(x ^ w) of `count` rows, all with a base or all without, and of channels [channel, end), from
 * a multiple of 16 on. k: in place of a base. */
void ob_product_avx512vpopcnt(const ob_dense_job *job, const ob_product_row *rows, int64_t count,
                              const ob_product_words *words, int64_t k, int64_t channel, int64_t end);

#endif
