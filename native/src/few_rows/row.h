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

/* `copy`: where the row's words go if they are not neighbours where they are. */
OB_INLINE ob_few_row ob_few_row_of(const ob_pair_words *w, const ob_pair_row *row, unsigned char *copy) {
    const int32_t all_y[2] = {0, (int32_t)w->taps_y}, all_x[2] = {0, (int32_t)w->taps_x};
    const int32_t *const y = w->outside ? all_y : row->in_y, *const x = w->outside ? all_x : row->in_x;
    const int64_t down = y[1] - y[0], across = x[1] - x[0];
    const int64_t words = across * w->slots, line = 64 * w->slots * w->taps_x;
    const int wide = across == w->taps_x; /* then the weights of all taps that count are one run */
    const int inside = row->in_y[0] <= y[0] && y[1] <= row->in_y[1] && row->in_x[0] <= x[0] && x[1] <= row->in_x[1];
    ob_few_row r = {.words = wide ? down * words : words,
                    .runs = down <= 0 || across <= 0 ? 0
                            : wide                   ? 1
                                                     : down,
                    .w_at = y[0] * line + 64 * w->slots * x[0],
                    .w_step = line};
    if (!r.runs) return r;
    r.x = row->x + y[0] * w->tap_y + x[0] * w->tap_x;
    if (inside && (across == 1 || w->tap_x == 8 * w->slots) && (down == 1 || w->tap_y == 8 * words)) return r;
    ob_pair_copy(w, row, y, x, copy);
    r.x = copy;
    return r;
}

#endif
