/* conv2d_prepare.h: what a convolution computes before its kernel runs: bases, padded picture, expanded weights. */
#ifndef ONEBIT_CONV2D_PREPARE_H
#define ONEBIT_CONV2D_PREPARE_H

#include "conv2d_plan.h"

typedef struct ob_preparation {
    ob_conv2d_job job;
    ob_conv2d_plan plan;
    ob_dense_kernel *dense; /* counts the bits of the weights */
    unsigned char *work;    /* the workspace, laid out by the plan */
    const unsigned char *x; /* the caller's picture */
    int is_signed;          /* its bytes are -128 to 127: the kernels get them as 0 to 255 */
    int64_t batch;
    int64_t table_tasks, copy_rows; /* for ob_conv2d_prepare itself */
} ob_preparation;

void ob_conv2d_prepare(ob_preparation *preparation, const ob_executor *executor);

#endif
