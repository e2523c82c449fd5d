/* pack.h: a pack in three acts, as dense.h says. */
#ifndef ONEBIT_PACK_H
#define ONEBIT_PACK_H

#include "dispatch.h"
#include "grain.h"
#include "kernels.h"

/* A pack ready to run, but for job.x and job.out. */
typedef struct ob_pack_ready {
    ob_pack_job job;
    ob_choice choice;
    int64_t rows, rows_per_task, tasks;
} ob_pack_ready;

ob_status ob_pack_make_ready(const ob_pack_call *call, ob_grain grain, ob_pack_ready *ready);
void ob_pack_rows_task(void *ready, int64_t index);

#endif
