/* dense_s8.c: ob_dense_s8: x = p - 128 for a byte p, so sum(x * w) = sum(p * w) - 128 * sum(w).
 *
 * p is x with its sign bit turned: a copy of x, shared out. The sums of the weights are a dense product with a row of
 * +1, which costs a fifth of a row of bytes: the kernels are those of ob_dense_u8, and get one number per channel. */
#include "dense.h"
#include "kernels.h"
#include "parts.h"
#include "threads.h"
#include "weights.h"

enum {
    ALIGNMENT = 64,
    COPY_BYTES = 1 << 16, /* per task */
    ALONE_BYTES = 1 << 17 /* of x and of the weights: below it, preparing costs less than waking a thread */
};

/* Where the parts of the workspace begin: a row of words 0, the bases of the channels, the bytes. */
typedef struct layout {
    int64_t base, bytes, total;
} layout;

static ob_status lay_out(int64_t m, int64_t n, int64_t k, layout *l) {
    if (!ob_weights_bytes(n, k) || m < 0 || m > INT64_MAX / 16 / ob_most(k, n)) return OB_ERROR_SIZE;
    l->base = ob_round_up(ob_parts(k, 64) * 8, ALIGNMENT);
    l->bytes = l->base + ob_round_up(n, 64) * 4;
    l->total = l->bytes + ob_round_up(m * k, ALIGNMENT) + ALIGNMENT; /* the caller's memory may stand at any address */
    return OB_OK;
}

typedef struct preparation {
    ob_dense_job job; /* of the sums of the weights */
    ob_dense_kernel *kernel;
    const unsigned char *x;
    unsigned char *bytes;
    int64_t size, table_tasks;
} preparation;

static void prepare_task(void *data, int64_t index) {
    const preparation *s = data;
    if (index < s->table_tasks) {
        const ob_dense_part part = {0, 1, index * 64, ob_least(64, s->job.n - index * 64)};
        int32_t *base = (int32_t *)(void *)s->job.out + part.channel;
        s->kernel(&s->job, &part);
        for (int64_t c = 0; c < part.channels; c++) base[c] *= -128;
        return;
    }
    const int64_t first = (index - s->table_tasks) * COPY_BYTES, end = ob_least(s->size, first + COPY_BYTES);
    for (int64_t i = first; i < end; i++) s->bytes[i] = s->x[i] ^ 0x80;
}

static ob_status prepare(const ob_dense_call *call, const layout *l, unsigned char *work) {
    const int64_t words = ob_parts(call->k, 64), size = call->m * call->k;
    const ob_shape counting = {1, call->n, call->k, words, 1};
    ob_choice dense;
    const ob_status status = ob_resolve_inner(OB_OP_dense, &counting, &dense);
    if (status) return status;
    memset(work, 0, (size_t)words * 8);
    preparation s = {.kernel = (ob_dense_kernel *)dense.kernel,
                     .x = call->x,
                     .bytes = work + l->bytes,
                     .size = size,
                     .table_tasks = ob_parts(call->n, 64),
                     .job = {.n = call->n,
                             .k = call->k,
                             .words = words,
                             .x = work,
                             .weights = (const unsigned char *)call->weights + OB_WEIGHTS_HEADER,
                             .out = work + l->base,
                             .x_bytes = words * 8,
                             .out_bytes = call->n * 4,
                             .epilogue = {.output = OB_OUTPUT_INT32}}};
    const int64_t tasks = s.table_tasks + ob_parts(size, COPY_BYTES);
    if (size + call->n * words * 8 < ALONE_BYTES)
        for (int64_t i = 0; i < tasks; i++) prepare_task(&s, i);
    else
        ob_run(call->executor, tasks, prepare_task, &s);
    return OB_OK;
}

size_t ob_dense_s8_workspace(int64_t m, int64_t n, int64_t k, int32_t threads) {
    layout l;
    (void)threads;
    return lay_out(m, n, k, &l) ? 0 : (size_t)l.total;
}

ob_status ob_dense_s8(const ob_dense_call *call) {
    layout l;
    if (!call) return OB_ERROR_NULL;
    ob_dense_call moved = *call;
    moved.m = 0; /* its checks alone */
    ob_status status = ob_dense_run(&moved, OB_OP_dense_u8, NULL);
    if (status || (status = lay_out(call->m, call->n, call->k, &l))) return status;
    if (call->m == 0) return OB_OK;
    if (!call->x || !ob_outputs_are_there(call->out, call->epilogue)) return OB_ERROR_NULL;
    if (!call->workspace || call->workspace_bytes < (size_t)l.total) return OB_ERROR_WORKSPACE;
    unsigned char *work = (unsigned char *)call->workspace + (64 - (uintptr_t)call->workspace % 64) % 64;
    if ((status = prepare(call, &l, work))) return status;
    moved.m = call->m, moved.x = work + l.bytes;
    return ob_dense_run(&moved, OB_OP_dense_u8, (const int32_t *)(const void *)(work + l.base));
}
