/* product.h: products of bits by counts that byte shuffles look up, for processors without a popcount of vectors. dense
 * and conv2d differ only in where the words of a row stand, and in which of them count.
 *
 * y = k - 2 * popcount(x ^ w). A row is a window of taps, each of `slots` neighbouring words; a row of a dense product
 * has one tap. Taps outside of in_y x in_x are not read. */
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
    int32_t k;                /* terms of the taps that count */
    int32_t in_y[2], in_x[2]; /* one behind the other */
} ob_pair_row;

/* The words of every row: tap (i, j) stands i * tap_y + j * tap_x bytes from tap (0, 0). outside: `slots` words in
 * place of each tap that a row lacks, or NULL: these count nothing. */
typedef struct ob_pair_words {
    int64_t taps_y, taps_x, slots, tap_y, tap_x;
    const unsigned char *outside;
} ob_pair_words;

/* `count` rows, at most ob_pair_rows_at_once(), and channels [channel, end), from a multiple of 64 on or, in groups
 * of channels, of 16. job->words is at most OB_PAIR_LONGEST. ways.h chooses
 * between them. */
typedef void ob_pair_product(const ob_dense_job *job, const ob_pair_row *rows, int64_t count,
                             const ob_pair_words *words, int64_t channel, int64_t end);
ob_pair_product ob_pair_product_avx2, ob_pair_product_avx512bw;
/* The same without tables, for few rows; rows of one tap may have any number of words. */
ob_pair_product ob_few_product_avx2, ob_few_product_avx512bw;

/* `count` words of 8 bytes: runs are too short for a call of memcpy. */
OB_INLINE unsigned char *ob_pair_copy_words(unsigned char *to, const unsigned char *from, int64_t count) {
    for (; count > 0; count--, to += 8, from += 8) memcpy(to, from, 8);
    return to;
}

/* The words of taps [y[0], y[1]) x [x[0], x[1]) of a row, one behind the other, with those outside. */
OB_INLINE void ob_pair_copy(const ob_pair_words *w, const ob_pair_row *row, const int32_t y[2], const int32_t x[2],
                            unsigned char *to) {
    for (int64_t i = y[0]; i < y[1]; i++) {
        const unsigned char *const from = row->x + i * w->tap_y;
        const int is_inside = row->in_y[0] <= i && i < row->in_y[1];
        const int64_t left = is_inside && row->in_x[0] < x[1] ? row->in_x[0] : x[1];
        const int64_t right = is_inside && row->in_x[1] > left ? row->in_x[1] : left;
        for (int64_t j = x[0]; j < left; j++) to = ob_pair_copy_words(to, w->outside, w->slots);
        if (w->tap_x == 8 * w->slots)
            to = ob_pair_copy_words(to, from + left * w->tap_x, (right - left) * w->slots);
        else
            for (int64_t j = left; j < right; j++) to = ob_pair_copy_words(to, from + j * w->tap_x, w->slots);
        for (int64_t j = right; j < x[1]; j++) to = ob_pair_copy_words(to, w->outside, w->slots);
    }
}

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
