/* threads.h: runs the tasks of one call, or of a whole network. */
#ifndef ONEBIT_THREADS_H
#define ONEBIT_THREADS_H

#include "onebit.h"

typedef void ob_task(void *data, int64_t index);

/* task(data, i) for every i in [0, count). */
typedef struct ob_stage {
    ob_task *task;
    void *data;
    int64_t count;
} ob_stage;

/* OB_OK if the executor is NULL (the library's pool) or usable. */
ob_status ob_executor_check(const ob_executor *executor);
/* Processors that this process may use: the size of a pool that nobody chose one for. */
int32_t ob_cpus(void);
/* How many tasks can run at once. */
int32_t ob_executor_threads(const ob_executor *executor);
/* All tasks of a stage, then those of the next one; returns when all are done. The pool's threads stay from the first
 * stage to the last, and each prefers the same share of a stage in every run. */
void ob_run_stages(const ob_executor *executor, const ob_stage *stages, int64_t count);
/* One stage. One task is run by the caller itself. */
void ob_run(const ob_executor *executor, int64_t count, ob_task *task, void *data);

#endif
