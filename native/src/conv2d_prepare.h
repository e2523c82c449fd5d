/* conv2d_prepare.h: what a convolution computes before its kernel runs: bases, padded picture, expanded weights. */
#ifndef ONEBIT_CONV2D_PREPARE_H
#define ONEBIT_CONV2D_PREPARE_H

#include "conv2d_plan.h"
#include "grain.h"

typedef struct ob_preparation {
    ob_conv2d_job job;
    ob_conv2d_plan plan;
    ob_dense_kernel *dense; /* counts the bits of the weights */
    unsigned char *work;    /* the tables, laid out by the plan: they depend on the weights and the geometry alone */
    unsigned char *picture; /* the padded one */
    const unsigned char *x; /* the caller's picture */
    int is_signed;          /* its bytes are -128 to 127: the kernels get them as 0 to 255 */
    int64_t batch;
    int64_t copy_rows, table_tasks, copy_tasks; /* by ob_conv2d_share_out */
} ob_preparation;

/* Counts the tasks of both kinds. */
void ob_conv2d_share_out(ob_preparation *preparation, ob_grain grain);
/* The small tables; once the workspace is there, and before the first task. */
void ob_conv2d_small_tables(ob_preparation *preparation);
/* The tasks: of the tables, and of the padded picture. They may run in any order. */
void ob_conv2d_table_task(void *preparation, int64_t index);
void ob_conv2d_copy_task(void *preparation, int64_t index);
/* All of them. */
void ob_conv2d_prepare(ob_preparation *preparation, const ob_executor *executor);

#endif
