/* network_moves.h: the steps of a network that compute nothing: transpositions, and joining the bits of values. */
#ifndef ONEBIT_NETWORK_MOVES_H
#define ONEBIT_NETWORK_MOVES_H

#include "grain.h"
#include "onebit_network.h"

/* Ready to run, but for x and out, which may stand at any address. */
typedef struct ob_transpose_ready {
    const unsigned char *x;
    unsigned char *out;
    int64_t rows, columns, element_bytes, columns_per_task, tasks_per_example, tasks;
} ob_transpose_ready;

ob_status ob_transpose_make_ready(const ob_transpose_call *call, int64_t element_bytes, int64_t batch, ob_grain grain,
                                  ob_transpose_ready *ready);
void ob_transpose_task(void *ready, int64_t index);

typedef struct ob_join_ready {
    const unsigned char *parts[OB_JOIN_MOST];
    unsigned char *out;
    int64_t rows, rows_per_task, tasks, out_words, bits[OB_JOIN_MOST];
    int32_t count;
} ob_join_ready;

ob_status ob_join_make_ready(const ob_join_call *call, int64_t batch, ob_grain grain, ob_join_ready *ready);
void ob_join_task(void *ready, int64_t index);

#endif
