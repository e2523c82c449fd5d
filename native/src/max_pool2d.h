/* max_pool2d.h: a pooling in three acts, as dense.h says. */
#ifndef ONEBIT_MAX_POOL2D_H
#define ONEBIT_MAX_POOL2D_H

#include "dispatch.h"
#include "grain.h"
#include "kernels.h"

/* A pooling ready to run, but for job.x and job.out. */
typedef struct ob_max_pool2d_ready {
    ob_max_pool2d_job job;
    ob_choice choice;
    int64_t rows, rows_per_task, tasks;
} ob_max_pool2d_ready;

ob_status ob_max_pool2d_make_ready(const ob_max_pool2d_call *call, ob_grain grain, ob_max_pool2d_ready *ready);
void ob_max_pool2d_rows_task(void *ready, int64_t index);

#endif
