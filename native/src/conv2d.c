/* conv2d.c: ob_conv2d, ob_conv2d_u8 and _s8: checks, the tables and the padded picture, then the output is shared out.
 *
 * A convolution is a dense product whose rows are windows. Most kernels read the picture as it is, and leave padded
 * taps out or read a row of words in their place. For the others it is copied once with zeros around it (never
 * unfolded: a window is a few runs of neighbouring words), so that a kernel addresses every window alike. A zero bit
 * there counts as +1, a zero byte as nothing. What padding counts as depends only on which taps are outside. That makes
 * few classes of pixels (nine for 3x3, padding 1), and for each class and channel one number, the base, puts it right:
 * exact for every pad value and every output kind, and it also carries the offset of the bytes. */
#include "conv2d.h"

#include "conv_weights.h"
#include "pair_table/product.h"
#include "threads.h"

enum {
    TASK_MACS_BITS = 1 << 22, /* as in dense.c */
    TASK_MACS_U8 = 1 << 19,
    BASES_ROWS = 128, /* times taps / words of a tap: rows of the output for which bases pay, measured on Zen 5 */
};

void ob_conv2d_part_task(void *ready, int64_t index) {
    const ob_conv2d_ready *r = ready;
    const ob_dense_job *job = &r->prepared.job.dense;
    const ob_dense_part part = ob_part_of(&r->cut, index);
    ob_dense_part block = part;
    for (; block.row < part.row + part.rows; block.row += block.rows) {
        block.rows = ob_least(ob_float_steps_rows(&r->steps, &part), part.row + part.rows - block.row);
        ((ob_conv2d_kernel *)r->choice.kernel)(&r->prepared.job, &block);
        if (r->steps.kernel) r->steps.kernel(&r->steps.epilogue, job->out, job->n, &block);
    }
}

/* Bytes of a stride or dilation, which can be anything, too large to multiply, where there is no second place. */
static int64_t step_of(int64_t step, int64_t places, int64_t bytes) {
    return places > 1 ? step * bytes : 0;
}

/* How the kernel takes padding. A copied picture needs no bases where padding counts as +1: then bases, which cost
 * about as much as a row of the output, pay for many rows, or where a network computes them once. */
static ob_padding padding_of(ob_any_kernel *kernel, const ob_conv2d_plan *p, int64_t rows, ob_grain grain) {
    const int copies = p->padded && !p->outside && grain == OB_GRAIN_CALL && rows < BASES_ROWS * p->taps / p->slots;
    const ob_padding by_class = copies ? OB_PADDING_COPIED : OB_PADDING_BASES;
#if defined(__x86_64__)
    if (kernel == (ob_any_kernel *)ob_conv2d_avx2 || kernel == (ob_any_kernel *)ob_conv2d_avx512bw)
        return p->taps * p->slots <= OB_PAIR_LONGEST ? OB_PADDING_WORDS : OB_PADDING_COPIED;
    return kernel == (ob_any_kernel *)ob_conv2d_avx512vpopcnt ? by_class : OB_PADDING_COPIED;
#elif defined(__aarch64__)
    return kernel == (ob_any_kernel *)ob_conv2d_neon ? by_class : OB_PADDING_COPIED;
#else
    return (void)kernel, (void)by_class, OB_PADDING_COPIED;
#endif
}

/* The size of an axis of the picture that the kernel reads. */
static int64_t read_size(const ob_conv2d_plan *p, const ob_axis *axis) {
    return axis->size + (p->leaves_out ? 0 : axis->before + axis->after);
}

static ob_conv2d_job job_of(const ob_conv2d_call *call, const ob_conv2d_plan *p) {
    const int64_t row_bytes = read_size(p, &p->x) * p->pixel_bytes;
    const int64_t out_bytes = call->epilogue->output == OB_OUTPUT_BITS ? ob_parts(call->n, 64) * 8 : call->n * 4;
    return (ob_conv2d_job){
        .dense = {.n = call->n,
                  .k = p->k,
                  .words = p->taps * p->slots,
                  .weights = (const unsigned char *)call->weights + OB_CONV_WEIGHTS_HEADER,
                  .out_bytes = out_bytes},
        .out_height = p->y.out,
        .out_width = p->x.out,
        .image_bytes = read_size(p, &p->y) * row_bytes,
        .stride_y = step_of(p->y.stride, p->y.out, row_bytes),
        .stride_x = step_of(p->x.stride, p->x.out, p->pixel_bytes),
        .taps_y = p->y.kernel,
        .taps_x = p->x.kernel,
        .tap_y = step_of(p->y.dilation, p->y.kernel, row_bytes),
        .tap_x = step_of(p->x.dilation, p->x.kernel, p->pixel_bytes),
        .pixel_words = ob_parts(call->c, 64),
        .group_c = call->c / call->groups,
        .group_n = call->n / call->groups,
        .slots = p->slots,
        .plain = p->plain,
        .step_count = p->steps,
        .base_step = p->base_step,
        .factor = p->u8 ? call->multiplier : -2,
        .bytes_factor = p->unit == call->multiplier ? 1 : call->multiplier,
        .leaves_out = p->leaves_out,
        .based = p->based,
    };
}

static ob_shape shape_of(const ob_conv2d_call *call, const ob_conv2d_plan *p) {
    return (ob_shape){call->batch * p->y.out * p->x.out, call->n, p->k, p->taps * p->slots, p->plain};
}

static ob_status make_ready(const ob_conv2d_call *call, int u8, ob_grain grain, ob_conv2d_ready *r) {
    ob_conv2d_plan *const plan = &r->prepared.plan;
    ob_choice dense;
    ob_status status = ob_conv2d_plan_make(call, u8, plan);
    if (status) return status;
    status = ob_conv_weights_check(call->weights, call->weights_bytes, call->n, call->c, call->groups, call->kernel);
    if (status || (status = ob_epilogue_check(call->epilogue, call->n))) return status;
    if ((status = ob_executor_check(call->executor))) return status;
    const int32_t threads = ob_executor_threads(call->executor);
    const ob_shape shape = shape_of(call, plan);
    const ob_shape counting = {1, ob_round_up(call->n, 8) * plan->taps, plan->k / plan->taps, plan->slots, 1};
    r->op = u8 ? OB_OP_conv2d_u8 : OB_OP_conv2d;
    if ((status = ob_resolve(r->op, &shape, threads, &r->choice))) return status;
    if ((status = ob_resolve_inner(OB_OP_dense, &counting, &dense)) || call->batch == 0) return status;
    ob_conv2d_plan_leave_out(call, padding_of(r->choice.kernel, plan, shape.m, grain), plan);
    r->prepared.dense = (ob_dense_kernel *)dense.kernel;
    r->prepared.batch = call->batch;
    r->prepared.job = job_of(call, plan);
    if ((status = ob_float_steps_of(call->epilogue, &r->steps, &r->prepared.job.dense.epilogue))) return status;
    ob_conv2d_share_out(&r->prepared, grain);
    r->tables = plan->picture, r->copies = plan->total - plan->picture;
    ob_work work = {shape.m, call->n, plan->k, 1, r->choice.part_rows};
    if (!plan->plain) work.k = r->prepared.job.dense.words * 64;
    work.x_bytes = ob_most(plan->picture_bytes / work.m, 1);
    r->cut = ob_cut_output(&work, threads, (u8 ? TASK_MACS_U8 : TASK_MACS_BITS) / grain);
    return OB_OK;
}

/* The same call for bytes p + 128 in place of p: multiplier * p + offset stays what it is. */
static ob_status as_u8(const ob_conv2d_call *call, ob_conv2d_call *moved) {
    if (!call) return OB_ERROR_NULL;
    const int64_t offset = call->offset - (int64_t)128 * call->multiplier; /* the value of the byte -128 */
    if (offset < INT32_MIN || offset > INT32_MAX) return OB_ERROR_SIZE;
    *moved = *call;
    moved->offset = (int32_t)offset;
    return OB_OK;
}

ob_status ob_conv2d_make_ready(const ob_conv2d_call *call, ob_conv2d_input input, ob_grain grain, ob_conv2d_ready *r) {
    ob_conv2d_call moved;
    *r = (ob_conv2d_ready){.prepared = {.is_signed = input == OB_CONV2D_S8}};
    if (input != OB_CONV2D_S8) return make_ready(call, input == OB_CONV2D_U8, grain, r);
    const ob_status status = as_u8(call, &moved);
    return status ? status : make_ready(&moved, 1, grain, r);
}

void ob_conv2d_bind_workspace(ob_conv2d_ready *r, unsigned char *tables, unsigned char *copies) {
    const ob_conv2d_plan *p = &r->prepared.plan;
    ob_conv2d_job *job = &r->prepared.job;
    r->prepared.work = tables, r->prepared.picture = copies;
    job->steps = (const int64_t *)(const void *)(tables + p->places);
    job->bytes = tables + p->bytes;
    job->base = (const int32_t *)(const void *)(tables + p->base);
    job->outside = p->worded ? tables + p->outside_words : NULL;
    job->class_y = (const int32_t *)(const void *)(tables + p->class_y);
    job->class_x = (const int32_t *)(const void *)(tables + p->class_x);
    job->inside_y = (const ob_class *)(const void *)(tables + p->inside_y);
    job->inside_x = (const ob_class *)(const void *)(tables + p->inside_x);
}

void ob_conv2d_bind(ob_conv2d_ready *r, const void *x, void *out, void *bits, const float *residual) {
    const ob_conv2d_plan *p = &r->prepared.plan;
    const int64_t row_bytes = read_size(p, &p->x) * p->pixel_bytes;
    const int64_t outside = p->leaves_out ? p->y.before * row_bytes + p->x.before * p->pixel_bytes : 0;
    const uintptr_t picture = (uintptr_t)(p->padded ? r->prepared.picture : x);
    r->prepared.x = x;
    r->prepared.job.dense.x = (const unsigned char *)(picture - (uintptr_t)outside); /* where the first window starts */
    r->prepared.job.dense.out = out;
    ob_float_steps_bind(&r->steps, bits, residual);
}

static ob_status run(const ob_conv2d_call *call, ob_conv2d_input input) {
    ob_conv2d_ready r;
    const ob_status status = ob_conv2d_make_ready(call, input, OB_GRAIN_CALL, &r);
    if (status || call->batch == 0) return status;
    const ob_epilogue *e = call->epilogue;
    if (!call->x || !ob_outputs_are_there(call->out, e)) return OB_ERROR_NULL;
    if (!call->workspace || call->workspace_bytes < r.prepared.plan.asked) return OB_ERROR_WORKSPACE;
    unsigned char *work = (unsigned char *)call->workspace + (64 - (uintptr_t)call->workspace % 64) % 64;
    ob_conv2d_bind_workspace(&r, work, work + r.tables);
    ob_conv2d_bind(&r, call->x, call->out, e->bits, e->residual);
    ob_conv2d_prepare(&r.prepared, call->executor);
    ob_run(call->executor, r.cut.parts, ob_conv2d_part_task, &r);
    return OB_OK;
}

ob_status ob_conv2d_shape(const ob_conv2d_call *call, ob_shape *shape) {
    ob_conv2d_plan plan;
    if (!shape) return OB_ERROR_NULL;
    const ob_status status = ob_conv2d_plan_make(call, 0, &plan);
    if (!status) *shape = shape_of(call, &plan);
    return status;
}

/* Everything is in one workspace that all threads share, so their number does not matter. */
size_t ob_conv2d_workspace(const ob_conv2d_call *call, int32_t threads) {
    ob_conv2d_plan plan;
    (void)threads;
    return ob_conv2d_plan_make(call, 0, &plan) ? 0 : plan.asked;
}

size_t ob_conv2d_u8_workspace(const ob_conv2d_call *call, int32_t threads) {
    ob_conv2d_plan plan;
    (void)threads;
    return ob_conv2d_plan_make(call, 1, &plan) ? 0 : plan.asked;
}

ob_status ob_conv2d_output(const ob_conv2d_call *call, int64_t out[2]) {
    ob_axis y, x;
    if (!call || !out) return OB_ERROR_NULL;
    const int32_t *pad = call->padding;
    ob_status status = ob_axis_make(call->height, call->kernel[0], call->stride[0], pad, call->dilation[0], &y);
    if (!status) status = ob_axis_make(call->width, call->kernel[1], call->stride[1], pad + 2, call->dilation[1], &x);
    if (!status) out[0] = y.out, out[1] = x.out;
    return status;
}

size_t ob_conv2d_s8_workspace(const ob_conv2d_call *call, int32_t threads) {
    ob_conv2d_call moved;
    return as_u8(call, &moved) ? 0 : ob_conv2d_u8_workspace(&moved, threads);
}

ob_status ob_conv2d(const ob_conv2d_call *call) {
    return run(call, OB_CONV2D_BITS);
}

ob_status ob_conv2d_u8(const ob_conv2d_call *call) {
    return run(call, OB_CONV2D_U8);
}

ob_status ob_conv2d_s8(const ob_conv2d_call *call) {
    return run(call, OB_CONV2D_S8);
}
