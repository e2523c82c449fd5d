/* parts.h: how an output of m rows x n channels is shared out, and the check of its epilogue.
 *
 * The rule. The output is cut into parts of whole rows x whole 64-channel blocks, each worth task_macs at least.
 *   rows      into TASKS_PER_THREAD equal parts per thread, if they have ROWS_ENOUGH rows: a part of all channels makes
 *             the most of what its kernel prepares for its rows. A block has the most rows whose x fits ROWS_BYTES
 *             (half of a small L2) at most: a kernel goes over them once for every panel of channels.
 *   channels  else into as many pieces as make so many parts; at batch 1 this is the only cut.
 * If there are still too few parts (few channels), the row blocks are made smaller.
 * A part ends at a multiple of 64 channels, so two threads never write to one word of bits. */
#ifndef ONEBIT_PARTS_H
#define ONEBIT_PARTS_H

#include "kernels.h"

/* m rows of x_bytes each against n channels of k multiply-accumulates: the work to be shared out. */
typedef struct ob_work {
    int64_t m, n, k, x_bytes;
    int64_t part_rows; /* parts have a multiple of so many rows, which is one of the kernel's row tile */
} ob_work;

typedef struct ob_cut {
    int64_t m, n, rows_per_part, channels_per_part, channel_parts, parts;
} ob_cut;

ob_cut ob_cut_output(const ob_work *work, int64_t threads, int64_t task_macs);
ob_dense_part ob_part_of(const ob_cut *cut, int64_t index);

ob_status ob_epilogue_check(const ob_epilogue *epilogue, int64_t n);
/* OB_ERROR_DIRECTION unless every direction is +1 or -1. */
ob_status ob_directions_check(const int8_t *direction, int64_t n);
/* False if something must be written and has no address. */
int ob_outputs_are_there(const void *out, const ob_epilogue *epilogue);

OB_INLINE int64_t ob_least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
OB_INLINE int64_t ob_most(int64_t a, int64_t b) {
    return a > b ? a : b;
}
OB_INLINE int64_t ob_parts(int64_t whole, int64_t part) {
    return (whole + part - 1) / part;
}
OB_INLINE int64_t ob_round_up(int64_t value, int64_t step) {
    return ob_parts(value, step) * step;
}

#endif
