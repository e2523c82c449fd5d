/* network_moves.c: see network_moves.h. */
#include "network_moves.h"

#include <string.h>

#include "parts.h"

enum { TASK_BYTES = 1 << 16 }; /* written by one task: some us */

/* ---- transposition ---- */

ob_status ob_transpose_make_ready(const ob_transpose_call *call, int64_t element_bytes, int64_t batch, ob_grain grain,
                                  ob_transpose_ready *r) {
    const int64_t column_bytes = call->rows * element_bytes;
    *r = (ob_transpose_ready){.rows = call->rows, .columns = call->columns, .element_bytes = element_bytes};
    r->columns_per_task = ob_most(TASK_BYTES / grain / column_bytes, 1);
    r->tasks_per_example = ob_parts(call->columns, r->columns_per_task);
    return __builtin_mul_overflow(r->tasks_per_example, batch, &r->tasks) ? OB_ERROR_SIZE : OB_OK;
}

/* Columns `first` to `end` - 1 of (rows, columns); a copy of known size is one load and one store. */
#define TRANSPOSE(bytes)                      \
    for (int64_t c = first; c < end; c++)     \
        for (int64_t i = 0; i < r->rows; i++) \
    memcpy(out + (c * r->rows + i) * (bytes), x + (i * r->columns + c) * (bytes), bytes)

void ob_transpose_task(void *ready, int64_t index) {
    const ob_transpose_ready *r = ready;
    const int64_t example = index / r->tasks_per_example, part = index % r->tasks_per_example;
    const int64_t first = part * r->columns_per_task, end = ob_least(first + r->columns_per_task, r->columns);
    const int64_t at = example * r->rows * r->columns * r->element_bytes;
    const unsigned char *x = r->x + at;
    unsigned char *out = r->out + at;
    if (r->element_bytes == 1) {
        TRANSPOSE(1);
    } else if (r->element_bytes == 2) {
        TRANSPOSE(2);
    } else if (r->element_bytes == 4) {
        TRANSPOSE(4);
    } else {
        TRANSPOSE(8);
    }
}

/* ---- joining ---- */

ob_status ob_join_make_ready(const ob_join_call *call, int64_t batch, ob_grain grain, ob_join_ready *r) {
    int64_t total = 0;
    *r = (ob_join_ready){.count = call->count};
    for (int32_t i = 0; i < call->count; i++) total += r->bits[i] = call->bits[i];
    r->out_words = ob_parts(total, 64);
    r->rows_per_task = ob_most(TASK_BYTES / grain / (r->out_words * 8), 1);
    if (__builtin_mul_overflow(call->rows, batch, &r->rows)) return OB_ERROR_SIZE;
    r->tasks = ob_parts(r->rows, r->rows_per_task);
    return OB_OK;
}

/* One row: words of the parts behind each other, shifted to where the former one ends; tail bits are 0. */
static void join_row(const ob_join_ready *r, int64_t row, unsigned char *out) {
    uint64_t open = 0; /* the word that is not full yet, with so many bits */
    int64_t filled = 0;
    for (int32_t p = 0; p < r->count; p++) {
        const int64_t words = ob_parts(r->bits[p], 64);
        const unsigned char *x = r->parts[p] + row * words * 8;
        for (int64_t w = 0; w < words; w++) {
            const int64_t bits = ob_least(r->bits[p] - 64 * w, 64);
            uint64_t word;
            memcpy(&word, x + 8 * w, 8);
            open |= word << filled;
            if (filled + bits < 64) {
                filled += bits;
                continue;
            }
            memcpy(out, &open, 8), out += 8;
            open = filled ? word >> (64 - filled) : 0;
            filled += bits - 64;
        }
    }
    if (filled) memcpy(out, &open, 8);
}

void ob_join_task(void *ready, int64_t index) {
    const ob_join_ready *r = ready;
    const int64_t first = index * r->rows_per_task, end = ob_least(first + r->rows_per_task, r->rows);
    for (int64_t row = first; row < end; row++) join_row(r, row, r->out + row * r->out_words * 8);
}
