/* product.h: products of bits by counts that byte shuffles look up, for processors without a popcount of vectors. dense
 * and conv2d differ only in where the words of a row stand, and in which of them count.
 *
 * y = base - 2 * popcount(x ^ w). A row is a window of taps, each of `slots` neighbouring words; a row of a dense
 * product has one tap. Taps outside of in_y x in_x are not read and count nothing. */
#ifndef ONEBIT_PAIR_TABLE_PRODUCT_H
#define ONEBIT_PAIR_TABLE_PRODUCT_H

#include "../kernels.h"

enum {
    OB_PAIR_ROWS = 128,                  /* at most, at a time: they share the rearranged weights */
    OB_PAIR_TABLES = 1 << 16,            /* places of tables of such a block: 128 KiB of stack */
    OB_PAIR_LONGEST = 65535 / 64 / 9 * 9 /* words of a row whose counts fit 16 bits */
};

typedef struct ob_pair_row {
    const unsigned char *x;   /* tap (0, 0), whether it is read or not */
    unsigned char *out;       /* the start of its output */
    const int32_t *base;      /* of channel 0; NULL: k */
    int32_t k;                /* terms of the taps that count */
    int32_t in_y[2], in_x[2]; /* one behind the other */
} ob_pair_row;

/* The words of every row: tap (i, j) stands i * tap_y + j * tap_x bytes from tap (0, 0). */
typedef struct ob_pair_words {
    int64_t taps_y, taps_x, slots, tap_y, tap_x;
} ob_pair_words;

/* `count` rows, at most ob_pair_rows_at_once(), and channels [channel, end), from a multiple of 64 on or, in groups
 * of channels, of 16. Rows are all with a base or all without. job->words is at most OB_PAIR_LONGEST. ways.h chooses
 * between them. */
typedef void ob_pair_product(const ob_dense_job *job, const ob_pair_row *rows, int64_t count,
                             const ob_pair_words *words, int64_t channel, int64_t end);
ob_pair_product ob_pair_product_avx2, ob_pair_product_avx512bw;
/* The same without tables, for few rows; rows of one tap may have any number of words. */
ob_pair_product ob_few_product_avx2, ob_few_product_avx512bw;

/* Places of tables of two rows: 16 for each word, and some that count nothing. */
OB_INLINE int64_t ob_pair_stride(int64_t words) {
    return 16 * words + 48;
}

/* How many of `rows` rows are done at once: blocks of about one size. Rows too long for tables are few at a time. */
OB_INLINE int64_t ob_pair_rows_at_once(int64_t rows, int64_t words) {
    const int64_t pairs = words > OB_PAIR_LONGEST ? 2 : OB_PAIR_TABLES / ob_pair_stride(words);
    const int64_t fit = pairs / 2 * 4, most = fit < OB_PAIR_ROWS ? fit : OB_PAIR_ROWS;
    const int64_t blocks = (rows + most - 1) / most;
    return rows ? ((rows + blocks - 1) / blocks + 3) / 4 * 4 : 1;
}

#endif
