/* dense_s8.c: ob_dense_s8: x = p - 128 for a byte p, so sum(x * w) = sum(p * w) - 128 * sum(w).
 *
 * p is x with its sign bit turned: a copy of x, shared out. The sums of the weights are a dense product with a row of
 * +1, which costs a fifth of a row of bytes: the kernels are those of ob_dense_u8, and get one number per channel. */
#include "dense.h"
#include "threads.h"
#include "weights.h"
#include "workspace.h"

enum {
    COPY_BYTES = 1 << 16, /* per task */
    ALONE_BYTES = 1 << 17 /* of x and of the weights: below it, preparing costs less than waking a thread */
};

/* The tables: a row of words 0, then the bases of the channels. */
static size_t row_bytes(int64_t k) {
    return (size_t)ob_round_up(ob_parts(k, 64) * 8, OB_ALIGNMENT);
}

static ob_status lay_out(int64_t m, int64_t n, int64_t k, size_t *tables, size_t *copies) {
    if (!ob_weights_bytes(n, k) || m < 0 || m > INT64_MAX / 16 / ob_most(k, n)) return OB_ERROR_SIZE;
    *tables = row_bytes(k) + (size_t)ob_round_up(n, 64) * 4;
    *copies = (size_t)ob_round_up(m * k, OB_ALIGNMENT);
    return OB_OK;
}

void ob_dense_s8_table_task(void *ready, int64_t index) {
    const ob_dense_s8_ready *r = ready;
    const ob_dense_part part = {0, 1, index * 64, ob_least(64, r->sums.n - index * 64)};
    int32_t *base = (int32_t *)(void *)r->sums.out + part.channel;
    r->kernel(&r->sums, &part);
    for (int64_t c = 0; c < part.channels; c++) base[c] *= -128;
}

void ob_dense_s8_copy_task(void *ready, int64_t index) {
    const ob_dense_s8_ready *r = ready;
    const int64_t first = index * r->copy_bytes, end = ob_least(r->size, first + r->copy_bytes);
    for (int64_t i = first; i < end; i++) r->bytes[i] = r->x[i] ^ 0x80;
}

static void prepare_task(void *ready, int64_t index) {
    const ob_dense_s8_ready *r = ready;
    if (index < r->table_tasks)
        ob_dense_s8_table_task(ready, index);
    else
        ob_dense_s8_copy_task(ready, index - r->table_tasks);
}

ob_status ob_dense_s8_make_ready(const ob_dense_call *call, ob_grain grain, ob_dense_s8_ready *r) {
    ob_choice dense;
    if (!call) return OB_ERROR_NULL;
    *r = (ob_dense_s8_ready){.size = 0};
    ob_status status = ob_dense_make_ready(call, OB_OP_dense_u8, grain, &r->product);
    if (status || (status = lay_out(call->m, call->n, call->k, &r->tables, &r->copies))) return status;
    const int64_t words = ob_parts(call->k, 64);
    const ob_shape counting = {1, call->n, call->k, words, 1};
    if ((status = ob_resolve_inner(OB_OP_dense, &counting, &dense))) return status;
    r->kernel = (ob_dense_kernel *)dense.kernel;
    r->size = call->m * call->k;
    r->copy_bytes = COPY_BYTES / grain;
    r->table_tasks = ob_parts(call->n, 64), r->copy_tasks = ob_parts(r->size, r->copy_bytes);
    r->sums = (ob_dense_job){.n = call->n,
                             .k = call->k,
                             .words = words,
                             .weights = r->product.job.weights,
                             .x_bytes = words * 8,
                             .out_bytes = call->n * 4,
                             .epilogue = {.output = OB_OUTPUT_INT32}};
    return OB_OK;
}

void ob_dense_s8_bind_memory(ob_dense_s8_ready *r, unsigned char *tables, unsigned char *copies) {
    memset(tables, 0, (size_t)r->sums.words * 8);
    r->sums.x = tables, r->sums.out = tables + row_bytes(r->sums.k);
    r->bytes = copies;
}

void ob_dense_s8_bind(ob_dense_s8_ready *r, const void *x, void *out, void *bits, const float *residual) {
    r->x = x;
    ob_dense_bind(&r->product, r->bytes, (const int32_t *)(const void *)r->sums.out, out, bits, residual);
}

size_t ob_dense_s8_workspace(int64_t m, int64_t n, int64_t k, int32_t threads) {
    size_t tables, copies;
    (void)threads;
    return lay_out(m, n, k, &tables, &copies) ? 0 : tables + copies + OB_ALIGNMENT; /* it may stand at any address */
}

ob_status ob_dense_s8(const ob_dense_call *call) {
    ob_dense_s8_ready ready;
    const ob_status status = ob_dense_s8_make_ready(call, OB_GRAIN_CALL, &ready);
    if (status || call->m == 0) return status;
    const ob_epilogue *e = call->epilogue;
    if (!call->x || !ob_outputs_are_there(call->out, e)) return OB_ERROR_NULL;
    if (!call->workspace || call->workspace_bytes < ready.tables + ready.copies + OB_ALIGNMENT)
        return OB_ERROR_WORKSPACE;
    unsigned char *work = (unsigned char *)call->workspace + (64 - (uintptr_t)call->workspace % 64) % 64;
    ob_dense_s8_bind_memory(&ready, work, work + ready.tables);
    ob_dense_s8_bind(&ready, call->x, call->out, e->bits, e->residual);
    const int64_t tasks = ready.table_tasks + ready.copy_tasks;
    if (ready.size + call->n * ready.sums.words * 8 < ALONE_BYTES)
        for (int64_t i = 0; i < tasks; i++) prepare_task(&ready, i);
    else
        ob_run(call->executor, tasks, prepare_task, &ready);
    ob_run(call->executor, ready.product.cut.parts, ob_dense_part_task, &ready.product);
    return OB_OK;
}
