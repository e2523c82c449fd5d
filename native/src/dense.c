/* dense.c: ob_dense and ob_dense_u8: checks, then the output is shared out by the rule of parts.h. */
#include "dense.h"

#include "threads.h"
#include "weights.h"

enum {
    TASK_MACS_BITS = 1 << 22, /* some 3 us of a 512-bit popcount loop: about what waking a thread costs */
    TASK_MACS_U8 = 1 << 19,
};

void ob_dense_part_task(void *ready, int64_t index) {
    const ob_dense_ready *r = ready;
    const ob_dense_part part = ob_part_of(&r->cut, index);
    ob_dense_part block = part;
    for (; block.row < part.row + part.rows; block.row += block.rows) {
        block.rows = ob_least(ob_float_steps_rows(&r->steps, &part), part.row + part.rows - block.row);
        ((ob_dense_kernel *)r->choice.kernel)(&r->job, &block);
        if (r->steps.kernel) r->steps.kernel(&r->steps.epilogue, r->job.out, r->job.n, &block);
    }
}

ob_status ob_dense_make_ready(const ob_dense_call *call, ob_op op, ob_grain grain, ob_dense_ready *r) {
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
    *r = (ob_dense_ready){
        .op = op,
        .job = {.n = call->n,
                .k = call->k,
                .words = ob_parts(call->k, 64),
                .weights = (const unsigned char *)call->weights + OB_WEIGHTS_HEADER,
                .x_bytes = x_bytes,
                .out_bytes = call->epilogue->output == OB_OUTPUT_BITS ? ob_parts(call->n, 64) * 8 : call->n * 4},
    };
    if ((status = ob_resolve(op, &shape, threads, &r->choice)) || call->m == 0) return status;
    if ((status = ob_float_steps_of(call->epilogue, &r->steps, &r->job.epilogue))) return status;
    const ob_work work = {call->m, call->n, call->k, x_bytes, r->choice.part_rows};
    r->cut = ob_cut_output(&work, threads, (op == OB_OP_dense_u8 ? TASK_MACS_U8 : TASK_MACS_BITS) / grain);
    return OB_OK;
}

void ob_dense_bind(ob_dense_ready *r, const void *x, const int32_t *base, void *out, void *bits,
                   const float *residual) {
    r->job.x = x, r->job.base = base, r->job.out = out;
    ob_float_steps_bind(&r->steps, bits, residual);
}

static ob_status run(const ob_dense_call *call, ob_op op) {
    ob_dense_ready ready;
    const ob_status status = ob_dense_make_ready(call, op, OB_GRAIN_CALL, &ready);
    if (status || call->m == 0) return status;
    if (!call->x || !ob_outputs_are_there(call->out, call->epilogue)) return OB_ERROR_NULL;
    ob_dense_bind(&ready, call->x, NULL, call->out, call->epilogue->bits, call->epilogue->residual);
    ob_run(call->executor, ready.cut.parts, ob_dense_part_task, &ready);
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
    return run(call, OB_OP_dense);
}

ob_status ob_dense_u8(const ob_dense_call *call) {
    return run(call, OB_OP_dense_u8);
}
