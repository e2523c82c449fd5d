/* dense.c: ob_dense and ob_dense_u8: checks, then the output is shared out.
 *
 * The rule. The output is cut into parts of whole rows x whole 64-channel blocks, each worth TASK_MACS at least.
 *   rows      blocks of the most rows whose x fits ROWS_BYTES (half of a small L2): a kernel goes over them once for
 *             every panel of channels. One block in the usual case.
 *   channels  into as many pieces as make TASKS_PER_THREAD parts per thread; at batch 1 this is the only cut.
 * If there are still too few parts (many rows, few channels), the row blocks are made smaller.
 * A part ends at a multiple of 64 channels, so two threads never write to one word of bits. */
#include "dispatch.h"
#include "kernels.h"
#include "threads.h"
#include "weights.h"

enum {
    TASKS_PER_THREAD = 4,     /* so that a thread that is held up by another program delays only a quarter */
    ROWS_BYTES = 1 << 18,     /* 256 KiB */
    ROWS_TILE = 24,           /* a multiple of every kernel's row tile: 1, 2, 3, 4, 6, 8 */
    TASK_MACS_BITS = 1 << 22, /* some 3 us of a 512-bit popcount loop: about what waking a thread costs */
    TASK_MACS_U8 = 1 << 19,
};

typedef struct shared_job {
    ob_dense_job job;
    ob_dense_kernel *kernel;
    int64_t m, rows_per_part, channels_per_part, channel_parts;
} shared_job;

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static int64_t parts_of(int64_t whole, int64_t part) {
    return (whole + part - 1) / part;
}
static int64_t round_up(int64_t value, int64_t step) {
    return parts_of(value, step) * step;
}

static void cut(shared_job *s, int64_t threads, int64_t task_macs) {
    const int64_t macs_per_row = s->job.n * s->job.k; /* below 2^62 */
    const int64_t most_parts = s->m > INT64_MAX / macs_per_row ? INT64_MAX : parts_of(s->m * macs_per_row, task_macs);
    const int64_t wanted = threads == 1 ? 1 : least(threads * TASKS_PER_THREAD, most_parts);
    const int64_t blocks = parts_of(s->job.n, 64);
    s->rows_per_part = least(s->m, round_up(most(ROWS_BYTES / s->job.x_bytes, 1), ROWS_TILE));
    const int64_t pieces = least(blocks, parts_of(wanted, parts_of(s->m, s->rows_per_part)));
    s->channels_per_part = parts_of(blocks, pieces) * 64;
    s->channel_parts = parts_of(s->job.n, s->channels_per_part);
    const int64_t row_parts = parts_of(wanted, s->channel_parts);
    s->rows_per_part = least(s->rows_per_part, round_up(parts_of(s->m, row_parts), ROWS_TILE));
}

static void part_task(void *data, int64_t index) {
    const shared_job *s = data;
    ob_dense_part part;
    part.row = index / s->channel_parts * s->rows_per_part;
    part.rows = least(s->rows_per_part, s->m - part.row);
    part.channel = index % s->channel_parts * s->channels_per_part;
    part.channels = least(s->channels_per_part, s->job.n - part.channel);
    s->kernel(&s->job, &part);
}

static ob_status check_epilogue(const ob_epilogue *e, int64_t n) {
    if (!e) return OB_ERROR_NULL;
    if (e->output == OB_OUTPUT_INT32) return OB_OK;
    if (e->output == OB_OUTPUT_FLOAT) return e->scale && e->bias ? OB_OK : OB_ERROR_OUTPUT;
    if (e->output != OB_OUTPUT_BITS || !e->threshold || !e->direction) return OB_ERROR_OUTPUT;
    int wrong = 0;
    for (int64_t j = 0; j < n; j++) wrong |= (e->direction[j] != 1) & (e->direction[j] != -1);
    return wrong ? OB_ERROR_DIRECTION : OB_OK;
}

static ob_status run(const ob_dense_call *call, ob_op op, int64_t task_macs) {
    if (!call) return OB_ERROR_NULL;
    ob_status status = ob_weights_check(call->weights, call->weights_bytes, call->n, call->k);
    if (status) return status;
    if (op == OB_OP_dense_u8 && call->k > INT32_MAX / 255) return OB_ERROR_SIZE; /* |y| <= 255 * k must fit */
    const int64_t x_bytes = op == OB_OP_dense_u8 ? call->k : parts_of(call->k, 64) * 8;
    if (call->m < 0 || call->m > INT64_MAX / most(x_bytes, call->n * 4)) return OB_ERROR_SIZE;
    if ((status = check_epilogue(call->epilogue, call->n))) return status;
    if ((status = ob_executor_check(call->executor))) return status;
    ob_any_kernel *kernel;
    if ((status = ob_resolve(op, &kernel))) return status;
    if (call->m == 0) return OB_OK;
    if (!call->x || !call->out) return OB_ERROR_NULL;
    const int64_t bits_bytes = parts_of(call->n, 64) * 8;
    shared_job s = {
        .m = call->m,
        .kernel = (ob_dense_kernel *)kernel,
        .job = {.n = call->n,
                .k = call->k,
                .words = parts_of(call->k, 64),
                .x = call->x,
                .weights = (const unsigned char *)call->weights + OB_WEIGHTS_HEADER,
                .out = call->out,
                .x_bytes = x_bytes,
                .out_bytes = call->epilogue->output == OB_OUTPUT_BITS ? bits_bytes : call->n * 4,
                .epilogue = *call->epilogue},
    };
    cut(&s, ob_executor_threads(call->executor), task_macs);
    ob_run(call->executor, parts_of(s.m, s.rows_per_part) * s.channel_parts, part_task, &s);
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
    return run(call, OB_OP_dense, TASK_MACS_BITS);
}

ob_status ob_dense_u8(const ob_dense_call *call) {
    return run(call, OB_OP_dense_u8, TASK_MACS_U8);
}
