/* row.h: the words of one row that count, one behind the other, and where the weights have theirs. */
#ifndef ONEBIT_FEW_ROWS_ROW_H
#define ONEBIT_FEW_ROWS_ROW_H

#include "../pair_table/product.h"

enum { OB_FEW_COPIES = OB_PAIR_TABLES }; /* bytes of all rows of a block: the 16 tables of 2 words take 32 bytes */

/* `runs` runs of `words` neighbouring words. In a line of the weights, run i starts w_at + i * w_step bytes from the
 * line's start; in x they follow each other. */
typedef struct ob_few_row {
    const unsigned char *x;
    int64_t words, runs, w_at, w_step;
} ob_few_row;

/* Taps that count, from the picture; `to` gets 8 * row words. */
OB_INLINE void ob_few_row_copy(const ob_pair_words *w, const ob_pair_row *row, unsigned char *to) {
    for (int64_t i = row->in_y[0]; i < row->in_y[1]; i++)
        for (int64_t j = row->in_x[0]; j < row->in_x[1]; j++, to += 8 * w->slots)
            memcpy(to, row->x + i * w->tap_y + j * w->tap_x, (size_t)(8 * w->slots));
}

/* `copy`: where the row's words go if they are not neighbours where they are. */
OB_INLINE ob_few_row ob_few_row_of(const ob_pair_words *w, const ob_pair_row *row, unsigned char *copy) {
    const int64_t down = row->in_y[1] - row->in_y[0], across = row->in_x[1] - row->in_x[0];
    const int64_t words = across * w->slots, line = 64 * w->slots * w->taps_x;
    const int whole = across == w->taps_x; /* then the weights of all taps that count are one run */
    ob_few_row r = {.words = whole ? down * words : words,
                    .runs = down <= 0 || across <= 0 ? 0
                            : whole                  ? 1
                                                     : down,
                    .w_at = row->in_y[0] * line + 64 * w->slots * row->in_x[0],
                    .w_step = line};
    if (!r.runs) return r;
    r.x = row->x + row->in_y[0] * w->tap_y + row->in_x[0] * w->tap_x;
    if ((across == 1 || w->tap_x == 8 * w->slots) && (down == 1 || w->tap_y == 8 * words)) return r;
    ob_few_row_copy(w, row, copy);
    r.x = copy;
    return r;
}

#endif
