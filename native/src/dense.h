/* dense.h: a dense product in three acts: made ready (all checks, the kernel, the parts), bound to its operands, and
 * run, part by part. A call does all three, a network makes ready once and runs often. */
#ifndef ONEBIT_DENSE_H
#define ONEBIT_DENSE_H

#include "float_steps.h"
#include "grain.h"
#include "parts.h"

/* A product ready to run. */
typedef struct ob_dense_ready {
    ob_dense_job job;
    ob_op op;
    ob_choice choice;
    ob_float_steps steps;
    ob_cut cut; /* cut.parts tasks; none for an empty batch */
} ob_dense_ready;

/* Looks at everything of a call but the addresses of x, out, bits and workspace, and for the residual only at whether
 * there is one. */
ob_status ob_dense_make_ready(const ob_dense_call *call, ob_op op, ob_grain grain, ob_dense_ready *ready);
/* Where the operands are; base: what ob_dense_job says, or NULL. */
void ob_dense_bind(ob_dense_ready *ready, const void *x, const int32_t *base, void *out, void *bits,
                   const float *residual);
/* Part `index`, as an ob_task. */
void ob_dense_part_task(void *ready, int64_t index);

/* The same for signed bytes, which become unsigned in a copy; the sums of the weights, which put that right, are tables
 * that depend on the weights alone. */
typedef struct ob_dense_s8_ready {
    ob_dense_ready product;
    ob_dense_job sums;
    ob_dense_kernel *kernel; /* of the sums */
    const unsigned char *x;
    unsigned char *bytes;
    int64_t size, copy_bytes, table_tasks, copy_tasks;
    size_t tables, copies; /* bytes of memory for them, each 64-byte aligned; the copies lose theirs after the run */
} ob_dense_s8_ready;

ob_status ob_dense_s8_make_ready(const ob_dense_call *call, ob_grain grain, ob_dense_s8_ready *ready);
/* Both; the memory first. */
void ob_dense_s8_bind_memory(ob_dense_s8_ready *ready, unsigned char *tables, unsigned char *copies);
void ob_dense_s8_bind(ob_dense_s8_ready *ready, const void *x, void *out, void *bits, const float *residual);
/* The tasks of both come before the part tasks of the product. */
void ob_dense_s8_table_task(void *ready, int64_t index);
void ob_dense_s8_copy_task(void *ready, int64_t index);

#endif
