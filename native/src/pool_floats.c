/* pool_floats.c: ob_pool_floats: rows of windows are shared out. */
#include "dispatch.h"
#include "kernels.h"
#include "parts.h"
#include "threads.h"

enum { TASK_VALUES = 1 << 16 };

typedef struct pool_job {
    const ob_pool_floats_call *call;
    const ob_window_steps *steps;
    int64_t tall, wide, rows_per_task;
} pool_job;

static void rows_task(void *data, int64_t index) {
    const pool_job *job = data;
    const ob_pool_floats_call *call = job->call;
    const int64_t c = call->c, row_values = call->width * c;
    const int64_t end = ob_least((index + 1) * job->rows_per_task, call->batch * job->tall);
    for (int64_t row = index * job->rows_per_task; row < end; row++) {
        const int64_t y = row / job->tall * call->height + row % job->tall * 2, at = row * job->wide * c;
        const ob_window_row windows = {call->x + y * row_values, job->wide, c, row_values, c};
        job->steps->largest(&windows, call->out + at, call->which + at);
    }
}

ob_status ob_pool_floats(const ob_pool_floats_call *call) {
    ob_choice choice;
    if (!call) return OB_ERROR_NULL;
    int64_t values;
    if (call->batch < 0 || call->height < 2 || call->width < 2 || call->c < 1 || call->c > INT32_MAX ||
        __builtin_mul_overflow(call->height, call->width, &values) ||
        __builtin_mul_overflow(values, call->c, &values) ||
        __builtin_mul_overflow(values, ob_most(call->batch, 1), &values) || values > INT64_MAX / 64)
        return OB_ERROR_SIZE;
    ob_status status = ob_executor_check(call->executor);
    if (status || (status = ob_resolve(OB_OP_gradient_windows, NULL, 1, &choice)) || call->batch == 0) return status;
    if (!call->x || !call->out || !call->which) return OB_ERROR_NULL;
    pool_job job = {call, ((ob_gradient_windows_kernel *)choice.kernel)(), call->height / 2, call->width / 2, 1};
    job.rows_per_task = ob_most(1, TASK_VALUES / (call->width * call->c));
    ob_run(call->executor, ob_parts(call->batch * job.tall, job.rows_per_task), rows_task, &job);
    return OB_OK;
}
