/* conv2d.c: ob_conv2d, ob_conv2d_u8 and _s8: checks, the tables and the padded picture, then the output is shared out.
 *
 * A convolution is a dense product whose rows are windows. The picture is copied once with zeros around it (never
 * unfolded: a window is a few runs of neighbouring words), so that a kernel addresses every window alike. A zero bit
 * there counts as +1, a zero byte as nothing; what it should have counted depends only on which taps are outside. That
 * makes few classes of pixels (nine for 3x3, padding 1), and for each class and channel one number, the base, puts it
 * right: exact for every pad value and every output kind, and it also carries the offset of the bytes. */
#include "conv2d_prepare.h"
#include "conv_weights.h"
#include "dispatch.h"
#include "float_steps.h"
#include "parts.h"
#include "threads.h"

enum {
    TASK_MACS_BITS = 1 << 22, /* as in dense.c */
    TASK_MACS_U8 = 1 << 19,
};

typedef struct shared_job {
    ob_preparation ready;
    ob_conv2d_kernel *kernel;
    ob_float_steps steps;
    ob_cut cut;
} shared_job;

static void part_task(void *data, int64_t index) {
    const shared_job *s = data;
    const ob_dense_job *job = &s->ready.job.dense;
    const ob_dense_part part = ob_part_of(&s->cut, index);
    ob_dense_part block = part;
    for (; block.row < part.row + part.rows; block.row += block.rows) {
        block.rows = ob_least(ob_float_steps_rows(&s->steps, &part), part.row + part.rows - block.row);
        s->kernel(&s->ready.job, &block);
        if (s->steps.kernel) s->steps.kernel(s->steps.epilogue, job->out, job->n, &block);
    }
}

/* Bytes of a stride or dilation, which can be anything, too large to multiply, where there is no second place. */
static int64_t step_of(int64_t step, int64_t places, int64_t bytes) {
    return places > 1 ? step * bytes : 0;
}

static ob_conv2d_job job_of(const ob_conv2d_call *call, const ob_conv2d_plan *p, unsigned char *work) {
    const int64_t row_bytes = (p->x.before + p->x.size + p->x.after) * p->pixel_bytes;
    const int64_t out_bytes = call->epilogue->output == OB_OUTPUT_BITS ? ob_parts(call->n, 64) * 8 : call->n * 4;
    return (ob_conv2d_job){
        .dense = {.n = call->n,
                  .k = p->k,
                  .words = p->taps * p->slots,
                  .x = p->padded ? work + p->picture : call->x,
                  .weights = (const unsigned char *)call->weights + OB_CONV_WEIGHTS_HEADER,
                  .out = call->out,
                  .out_bytes = out_bytes},
        .out_height = p->y.out,
        .out_width = p->x.out,
        .image_bytes = (p->y.before + p->y.size + p->y.after) * row_bytes,
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
        .steps = (const int64_t *)(const void *)(work + p->places),
        .step_count = p->steps,
        .bytes = work + p->bytes,
        .base = (const int32_t *)(const void *)(work + p->base),
        .class_y = (const int32_t *)(const void *)(work + p->class_y),
        .class_x = (const int32_t *)(const void *)(work + p->class_x),
        .base_step = p->base_step,
        .factor = p->u8 ? call->multiplier : -2,
        .bytes_factor = p->unit == call->multiplier ? 1 : call->multiplier,
    };
}

static ob_shape shape_of(const ob_conv2d_call *call, const ob_conv2d_plan *p) {
    return (ob_shape){call->batch * p->y.out * p->x.out, call->n, p->k, p->taps * p->slots, p->plain};
}

static ob_status run(const ob_conv2d_call *call, int u8, int is_signed) {
    shared_job s;
    ob_conv2d_plan *const plan = &s.ready.plan;
    ob_choice choice, dense;
    ob_status status = ob_conv2d_plan_make(call, u8, plan);
    if (status) return status;
    status = ob_conv_weights_check(call->weights, call->weights_bytes, call->n, call->c, call->groups, call->kernel);
    if (status || (status = ob_epilogue_check(call->epilogue, call->n))) return status;
    if ((status = ob_executor_check(call->executor))) return status;
    const int32_t threads = ob_executor_threads(call->executor);
    const ob_shape shape = shape_of(call, plan);
    const ob_shape counting = {1, ob_round_up(call->n, 8) * plan->taps, plan->k / plan->taps, plan->slots, 1};
    if ((status = ob_resolve(u8 ? OB_OP_conv2d_u8 : OB_OP_conv2d, &shape, threads, &choice))) return status;
    if ((status = ob_resolve_inner(OB_OP_dense, &counting, &dense))) return status;
    if (call->batch == 0) return OB_OK;
    if (!call->x || !ob_outputs_are_there(call->out, call->epilogue)) return OB_ERROR_NULL;
    if (!call->workspace || call->workspace_bytes < plan->total) return OB_ERROR_WORKSPACE;
    s.kernel = (ob_conv2d_kernel *)choice.kernel;
    s.ready.dense = (ob_dense_kernel *)dense.kernel;
    s.ready.work = (unsigned char *)call->workspace + (64 - (uintptr_t)call->workspace % 64) % 64;
    s.ready.job = job_of(call, plan, s.ready.work);
    if ((status = ob_float_steps_of(call->epilogue, &s.steps, &s.ready.job.dense.epilogue))) return status;
    s.ready.x = call->x;
    s.ready.is_signed = is_signed;
    s.ready.batch = call->batch;
    ob_conv2d_prepare(&s.ready, call->executor);
    ob_work work = {shape.m, call->n, plan->k, 1, choice.part_rows};
    if (!plan->plain) work.k = s.ready.job.dense.words * 64;
    work.x_bytes = ob_most(plan->picture_bytes / work.m, 1);
    s.cut = ob_cut_output(&work, threads, u8 ? TASK_MACS_U8 : TASK_MACS_BITS);
    ob_run(call->executor, s.cut.parts, part_task, &s);
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
    return ob_conv2d_plan_make(call, 0, &plan) ? 0 : plan.total;
}

size_t ob_conv2d_u8_workspace(const ob_conv2d_call *call, int32_t threads) {
    ob_conv2d_plan plan;
    (void)threads;
    return ob_conv2d_plan_make(call, 1, &plan) ? 0 : plan.total;
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

ob_status ob_conv2d(const ob_conv2d_call *call) {
    return run(call, 0, 0);
}

ob_status ob_conv2d_u8(const ob_conv2d_call *call) {
    return run(call, 1, 0);
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

size_t ob_conv2d_s8_workspace(const ob_conv2d_call *call, int32_t threads) {
    ob_conv2d_call moved;
    return as_u8(call, &moved) ? 0 : ob_conv2d_u8_workspace(&moved, threads);
}

ob_status ob_conv2d_s8(const ob_conv2d_call *call) {
    ob_conv2d_call moved;
    const ob_status status = as_u8(call, &moved);
    return status ? status : run(&moved, 1, 1);
}
