/* threads.h: runs the tasks of one call. */
#ifndef ONEBIT_THREADS_H
#define ONEBIT_THREADS_H

#include "onebit.h"

typedef void ob_task(void *data, int64_t index);

/* OB_OK if the executor is NULL (the library's pool) or usable. */
ob_status ob_executor_check(const ob_executor *executor);
/* Processors that this process may use: the size of a pool that nobody chose one for. */
int32_t ob_cpus(void);
/* How many tasks can run at once. */
int32_t ob_executor_threads(const ob_executor *executor);
/* task(data, i) for every i in [0, count); returns when all are done. One task is run by the caller itself. */
void ob_run(const ob_executor *executor, int64_t count, ob_task *task, void *data);

#endif
