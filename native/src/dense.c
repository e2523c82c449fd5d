/* dense.c: ob_dense and ob_dense_u8: checks, then the output is shared out by the rule of parts.h. */
#include "dense.h"

#include "dispatch.h"
#include "float_steps.h"
#include "parts.h"
#include "threads.h"
#include "weights.h"

enum {
    TASK_MACS_BITS = 1 << 22, /* some 3 us of a 512-bit popcount loop: about what waking a thread costs */
    TASK_MACS_U8 = 1 << 19,
};

typedef struct shared_job {
    ob_dense_job job;
    ob_dense_kernel *kernel;
    ob_float_steps steps;
    ob_cut cut;
} shared_job;

static void part_task(void *data, int64_t index) {
    const shared_job *s = data;
    const ob_dense_part part = ob_part_of(&s->cut, index);
    ob_dense_part block = part;
    for (; block.row < part.row + part.rows; block.row += block.rows) {
        block.rows = ob_least(ob_float_steps_rows(&s->steps, &part), part.row + part.rows - block.row);
        s->kernel(&s->job, &block);
        if (s->steps.kernel) s->steps.kernel(s->steps.epilogue, s->job.out, s->job.n, &block);
    }
}

ob_status ob_dense_run(const ob_dense_call *call, ob_op op, const int32_t *base) {
    if (!call) return OB_ERROR_NULL;
    ob_status status = ob_weights_check(call->weights, call->weights_bytes, call->n, call->k);
    if (status) return status;
    if (op == OB_OP_dense_u8 && call->k > INT32_MAX / 255) return OB_ERROR_SIZE; /* |y| <= 255 * k must fit */
    const int64_t x_bytes = op == OB_OP_dense_u8 ? call->k : ob_parts(call->k, 64) * 8;
    if (call->m < 0 || call->m > INT64_MAX / ob_most(x_bytes, call->n * 4)) return OB_ERROR_SIZE;
    if ((status = ob_epilogue_check(call->epilogue, call->n))) return status;
    if ((status = ob_executor_check(call->executor))) return status;
    const int32_t threads = ob_executor_threads(call->executor);
    const ob_shape shape = {call->m, call->n, call->k, ob_parts(call->k, 64), 1};
    ob_choice choice;
    if ((status = ob_resolve(op, &shape, threads, &choice))) return status;
    if (call->m == 0) return OB_OK;
    if (!call->x || !ob_outputs_are_there(call->out, call->epilogue)) return OB_ERROR_NULL;
    const int64_t bits_bytes = ob_parts(call->n, 64) * 8;
    shared_job s = {
        .kernel = (ob_dense_kernel *)choice.kernel,
        .job = {.n = call->n,
                .k = call->k,
                .words = ob_parts(call->k, 64),
                .x = call->x,
                .weights = (const unsigned char *)call->weights + OB_WEIGHTS_HEADER,
                .out = call->out,
                .base = base,
                .x_bytes = x_bytes,
                .out_bytes = call->epilogue->output == OB_OUTPUT_BITS ? bits_bytes : call->n * 4},
    };
    if ((status = ob_float_steps_of(call->epilogue, &s.steps, &s.job.epilogue))) return status;
    const ob_work work = {call->m, call->n, call->k, x_bytes, choice.part_rows};
    s.cut = ob_cut_output(&work, threads, op == OB_OP_dense_u8 ? TASK_MACS_U8 : TASK_MACS_BITS);
    ob_run(call->executor, s.cut.parts, part_task, &s);
    return OB_OK;
}

/* No kernel of the table needs a workspace today; the interface is for those that expand bits to bytes. */
size_t ob_dense_workspace(int64_t m, int64_t n, int64_t k, int32_t threads) {
    (void)m, (void)n, (void)k, (void)threads;
    return 0;
}

size_t ob_dense_u8_workspace(int64_t m, int64_t n, int64_t k, int32_t threads) {
    (void)m, (void)n, (void)k, (void)threads;
    return 0;
}

ob_status ob_dense(const ob_dense_call *call) {
    return ob_dense_run(call, OB_OP_dense, NULL);
}

ob_status ob_dense_u8(const ob_dense_call *call) {
    return ob_dense_run(call, OB_OP_dense_u8, NULL);
}
