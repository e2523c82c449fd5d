/* pack.c: ob_pack: checks, then the rows of words are shared out. */
#include "pack.h"

#include "parts.h"
#include "threads.h"

enum {
    TASK_VALUES = 1 << 16, /* 256 KiB of floats: some 10 us, well above the cost of waking a thread */
    BLOCK = 64             /* places that a kernel takes at once where the channels stand first */
};

void ob_pack_rows_task(void *ready, int64_t index) {
    const ob_pack_ready *r = ready;
    const int64_t row = index * r->rows_per_task;
    ((ob_pack_kernel *)r->choice.kernel)(&r->job, row, ob_least(r->rows_per_task, r->rows - row));
}

static ob_status check_types(const ob_pack_call *call) {
    if (call->type < OB_TYPE_F32 || call->type > OB_TYPE_S8) return OB_ERROR_TYPE;
    if (call->layout != OB_CHANNELS_LAST && call->layout != OB_CHANNELS_FIRST) return OB_ERROR_TYPE;
    if (!call->threshold != !call->direction) return OB_ERROR_NULL;
    if (call->drawn && (call->threshold || call->type != OB_TYPE_F32)) return OB_ERROR_TYPE;
    if (call->type == OB_TYPE_U8 && !call->threshold) return OB_ERROR_TYPE;
    return call->direction ? ob_directions_check(call->direction, call->c) : OB_OK;
}

ob_status ob_pack_make_ready(const ob_pack_call *call, ob_grain grain, ob_pack_ready *r) {
    int64_t rows, values;
    if (!call) return OB_ERROR_NULL;
    if (call->batch < 0 || call->places < 0 || call->c < 1 || call->c > INT32_MAX) return OB_ERROR_SIZE;
    if (__builtin_mul_overflow(call->batch, call->places, &rows) || rows > INT64_MAX / 16 ||
        __builtin_mul_overflow(rows, call->c + 63, &values) || values > INT64_MAX / 8)
        return OB_ERROR_SIZE;
    ob_status status = check_types(call);
    if (status) return status;
    if ((status = ob_executor_check(call->executor))) return status;
    *r = (ob_pack_ready){
        .rows = rows,
        .rows_per_task = ob_parts(TASK_VALUES / grain, call->c),
        .job = {.c = call->c,
                .places = call->places,
                .words = ob_parts(call->c, 64),
                .type = call->type,
                .layout = call->places == 1 ? OB_CHANNELS_LAST : call->layout,
                .threshold = call->threshold,
                .direction = call->direction,
                .drawn = call->drawn,
                .seed = call->seed},
    };
    if (r->job.layout == OB_CHANNELS_FIRST) r->rows_per_task = ob_round_up(r->rows_per_task, BLOCK);
    r->tasks = ob_parts(rows, r->rows_per_task);
    return ob_resolve(OB_OP_pack, NULL, 1, &r->choice);
}

ob_status ob_pack(const ob_pack_call *call) {
    ob_pack_ready r;
    const ob_status status = ob_pack_make_ready(call, OB_GRAIN_CALL, &r);
    if (status || r.rows == 0) return status;
    if (!call->x || !call->out) return OB_ERROR_NULL;
    r.job.x = call->x, r.job.out = call->out;
    ob_run(call->executor, r.tasks, ob_pack_rows_task, &r);
    return OB_OK;
}
