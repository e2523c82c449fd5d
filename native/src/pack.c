/* pack.c: ob_pack: checks, then the rows of words are shared out. */
#include "dispatch.h"
#include "parts.h"
#include "threads.h"

enum {
    TASK_VALUES = 1 << 16, /* 256 KiB of floats: some 10 us, well above the cost of waking a thread */
    BLOCK = 64             /* places that a kernel takes at once where the channels stand first */
};

typedef struct shared_job {
    ob_pack_job job;
    ob_pack_kernel *kernel;
    int64_t rows, rows_per_task;
} shared_job;

static void rows_task(void *data, int64_t index) {
    const shared_job *s = data;
    const int64_t row = index * s->rows_per_task;
    s->kernel(&s->job, row, ob_least(s->rows_per_task, s->rows - row));
}

static ob_status check_types(const ob_pack_call *call) {
    if (call->type < OB_TYPE_F32 || call->type > OB_TYPE_S8) return OB_ERROR_TYPE;
    if (call->layout != OB_CHANNELS_LAST && call->layout != OB_CHANNELS_FIRST) return OB_ERROR_TYPE;
    if (!call->threshold != !call->direction) return OB_ERROR_NULL;
    if (call->type == OB_TYPE_U8 && !call->threshold) return OB_ERROR_TYPE;
    return call->direction ? ob_directions_check(call->direction, call->c) : OB_OK;
}

ob_status ob_pack(const ob_pack_call *call) {
    int64_t rows, values;
    ob_choice choice;
    if (!call) return OB_ERROR_NULL;
    if (call->batch < 0 || call->places < 0 || call->c < 1 || call->c > INT32_MAX) return OB_ERROR_SIZE;
    if (__builtin_mul_overflow(call->batch, call->places, &rows) || rows > INT64_MAX / 16 ||
        __builtin_mul_overflow(rows, call->c + 63, &values) || values > INT64_MAX / 8)
        return OB_ERROR_SIZE;
    ob_status status = check_types(call);
    if (status) return status;
    if ((status = ob_executor_check(call->executor))) return status;
    if ((status = ob_resolve(OB_OP_pack, NULL, 1, &choice))) return status;
    if (rows == 0) return OB_OK;
    if (!call->x || !call->out) return OB_ERROR_NULL;
    shared_job s = {
        .kernel = (ob_pack_kernel *)choice.kernel,
        .rows = rows,
        .rows_per_task = ob_parts(TASK_VALUES, call->c),
        .job = {.c = call->c,
                .places = call->places,
                .words = ob_parts(call->c, 64),
                .type = call->type,
                .layout = call->places == 1 ? OB_CHANNELS_LAST : call->layout,
                .x = call->x,
                .threshold = call->threshold,
                .direction = call->direction,
                .out = call->out},
    };
    if (s.job.layout == OB_CHANNELS_FIRST) s.rows_per_task = ob_round_up(s.rows_per_task, BLOCK);
    ob_run(call->executor, ob_parts(rows, s.rows_per_task), rows_task, &s);
    return OB_OK;
}
