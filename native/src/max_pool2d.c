/* max_pool2d.c: ob_max_pool2d: checks, then the rows of the output are shared out. */
#include "max_pool2d.h"

#include "conv2d_plan.h"
#include "parts.h"
#include "threads.h"

enum { TASK_BYTES = 1 << 16 }; /* read by one task: some us */

void ob_max_pool2d_rows_task(void *ready, int64_t index) {
    const ob_max_pool2d_ready *r = ready;
    const int64_t row = index * r->rows_per_task;
    ((ob_max_pool2d_kernel *)r->choice.kernel)(&r->job, row, ob_least(r->rows_per_task, r->rows - row));
}

static ob_status find_axes(const ob_max_pool2d_call *call, ob_axis *y, ob_axis *x) {
    const int32_t *pad = call->padding;
    ob_status status = ob_axis_make(call->height, call->kernel[0], call->stride[0], pad, 1, y);
    if (!status) status = ob_axis_make(call->width, call->kernel[1], call->stride[1], pad + 2, 1, x);
    if (status) return status;
    for (int side = 0; side < 4; side++)
        if (pad[side] >= call->kernel[side / 2]) return OB_ERROR_WINDOW; /* a window could lie outside as a whole */
    return OB_OK;
}

ob_status ob_max_pool2d_output(const ob_max_pool2d_call *call, int64_t out[2]) {
    ob_axis y, x;
    if (!call || !out) return OB_ERROR_NULL;
    const ob_status status = find_axes(call, &y, &x);
    if (!status) out[0] = y.out, out[1] = x.out;
    return status;
}

ob_status ob_max_pool2d_make_ready(const ob_max_pool2d_call *call, ob_grain grain, ob_max_pool2d_ready *r) {
    ob_axis y, x;
    if (!call) return OB_ERROR_NULL;
    if (call->batch < 0 || call->c < 1 || call->c > INT32_MAX) return OB_ERROR_SIZE;
    ob_status status = find_axes(call, &y, &x);
    if (status) return status;
    const int64_t words = ob_parts(call->c, 64), row_bytes = call->width * words * 8; /* below 2^61 */
    int64_t rows, out_bytes;
    if (__builtin_mul_overflow(call->batch, ob_most(call->height, y.out), &rows) || rows > INT64_MAX / 64 ||
        __builtin_mul_overflow(rows * 8, ob_most(call->width, x.out) * words, &out_bytes))
        return OB_ERROR_SIZE;
    if ((status = ob_executor_check(call->executor))) return status;
    *r = (ob_max_pool2d_ready){
        .rows = call->batch * y.out,
        .job = {.height = call->height,
                .width = call->width,
                .words = words,
                .out_height = y.out,
                .out_width = x.out,
                .kernel = {call->kernel[0], call->kernel[1]},
                .stride = {call->stride[0], call->stride[1]},
                .top = call->padding[0],
                .left = call->padding[2],
                .minimum = (const unsigned char *)call->minimum},
    };
    r->rows_per_task = ob_most(TASK_BYTES / grain / row_bytes / call->stride[0], 1);
    r->tasks = ob_parts(r->rows, r->rows_per_task);
    return ob_resolve(OB_OP_max_pool2d, NULL, 1, &r->choice);
}

ob_status ob_max_pool2d(const ob_max_pool2d_call *call) {
    ob_max_pool2d_ready r;
    const ob_status status = ob_max_pool2d_make_ready(call, OB_GRAIN_CALL, &r);
    if (status || call->batch == 0) return status;
    if (!call->x || !call->out) return OB_ERROR_NULL;
    r.job.x = call->x, r.job.out = call->out;
    ob_run(call->executor, r.tasks, ob_max_pool2d_rows_task, &r);
    return OB_OK;
}
